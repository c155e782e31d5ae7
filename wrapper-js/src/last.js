import { writeSync } from "node:fs";
import { cut } from "./cut.js";

/** The platform takes a longer line of stderr for several. */
const MAX_CRASH_BYTES = 15 * 1024;
const MAX_WAIT_MS = 500;
const PAUSE_MS = 5;

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * A synchronous write, for words that must be out before the process is gone.
 *
 * @param {1 | 2} descriptor
 * @param {string} line
 */
export function writeNow(descriptor, line) {
  const bytes = Buffer.from(`${line}\n`);
  const until = Date.now() + MAX_WAIT_MS;
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (error) {
      // Full, for a reader that is slow; else closed, and nobody is left to tell.
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EAGAIN" || Date.now() > until) return;
      Atomics.wait(pause, 0, 0, PAUSE_MS);
    }
  }
}

/**
 * Writes what ends the process where it cannot get lost: an event may still be on its way when the
 * process is gone.
 *
 * @param {import("./events.js").ErrorEvent} event
 */
export function writeCrash(event) {
  let text = "";
  for (const share of [1, 0.5, 0.2, 0.05, 0.01]) {
    text = JSON.stringify({ ...event, error: shorten(event.error, share) });
    if (Buffer.byteLength(text) <= MAX_CRASH_BYTES) break;
  }
  writeNow(2, `fnlocal: crash ${text}`);
}

/**
 * @param {import("./failure.js").Failure} failure
 * @param {number} share of the usual lengths: control characters take six bytes in JSON
 */
function shorten({ name, message, stack, file, line, column, frame, hint }, share) {
  const most = (/** @type {string} */ text, /** @type {number} */ bytes) => cut(text, Math.ceil(bytes * share));
  return {
    name: most(name, 200),
    message: most(message, 3000),
    stack: most(stack, 6000),
    file: file === null ? null : most(file, 1000),
    line,
    column,
    frame: frame === null ? null : most(frame, 3000),
    ...(hint === undefined ? {} : { hint: most(hint, 1000) }),
  };
}
