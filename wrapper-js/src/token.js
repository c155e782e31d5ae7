import { readSync } from "node:fs";
import { UsageError } from "./config.js";

const STDIN = 0;
const CHUNK_BYTES = 64;
const MAX_TOKEN_BYTES = 256;
/** A pause between two looks at a pipe that does not block. */
const PAUSE_MS = 1;

/**
 * Reads the first line of stdin, which is the platform's secret: the environment and the arguments of
 * a process can be read by whatever runs in it, and a line that was read is gone.
 *
 * @returns {string | undefined} undefined when stdin ends first
 */
export function readToken() {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let text = "";
  while (!text.includes("\n") && text.length < MAX_TOKEN_BYTES) {
    const count = read(chunk);
    if (count === 0) return undefined;
    text += chunk.toString("latin1", 0, count);
  }
  const end = text.indexOf("\n");
  if (end < 0) throw new UsageError(`the first line of stdin has more than ${MAX_TOKEN_BYTES} bytes`);
  return text.slice(0, end);
}

/** @param {Buffer} chunk */
function read(chunk) {
  for (;;) {
    try {
      return readSync(STDIN, chunk);
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
}
