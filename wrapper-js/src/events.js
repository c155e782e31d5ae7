import { writeSync } from "node:fs";

const BOUND = 1000;
const DROP = 100;
const FLUSH_MS = 50;
const FLUSH_BYTES = 16 * 1024;
const TYPICAL_BYTES = 100;
const LAST_FLUSH_MS = 200;

/**
 * @typedef {{ t: "log", request: string | null, stream: "stdout" | "stderr", line: string }} LogEvent
 * @typedef {{ t: "done", request: string, ms: number, cpu_ms: number, heap_mb?: number, status: number }} DoneEvent
 * @typedef {{ t: "error", request: string | null, fatal: boolean, error: import("./failure.js").Failure }} ErrorEvent
 * @typedef {LogEvent | DoneEvent | ErrorEvent} Event
 */

/** What the instance tells the platform, gathered off the request's way and sent in batches. */
export class Events {
  constructor() {
    /** @type {Event[]} */
    this.pending = [];
    this.bytes = 0;
    this.dropped = 0;
    /** @type {import("node:http").ServerResponse | undefined} */
    this.listener = undefined;
    this.blocked = false;
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
  }

  /** @param {Event} event */
  push(event) {
    if (this.pending.length >= BOUND) this.#makeRoom();
    this.pending.push(event);
    this.bytes += event.t === "log" ? TYPICAL_BYTES + event.line.length : TYPICAL_BYTES;
    if (this.listener === undefined || this.blocked) return;
    if (event.t === "error" || this.bytes >= FLUSH_BYTES) return void this.flush();
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }

  /**
   * Sends everything from now on, and what was kept, as NDJSON. A later listener replaces this one.
   *
   * @param {import("node:http").ServerResponse} res
   */
  attach(res) {
    this.listener?.end();
    this.listener = res;
    this.blocked = false;
    res.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    res.flushHeaders();
    res.on("drain", () => {
      if (this.listener !== res) return;
      this.blocked = false;
      this.flush();
    });
    res.on("close", () => {
      if (this.listener === res) this.listener = undefined;
    });
    this.flush();
  }

  /** @param {() => void} [written] */
  flush(written) {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.listener === undefined || this.pending.length === 0) return written?.();
    const batch = this.pending;
    this.pending = [];
    this.bytes = 0;
    this.blocked = !this.listener.write(encode(batch), written);
  }

  /**
   * For the end of the process: hands over what is left, to the platform or else to stderr.
   *
   * @param {() => void} done
   */
  finish(done) {
    const end = () => {
      this.spill();
      done();
    };
    if (this.listener === undefined) return end();
    const timer = setTimeout(end, LAST_FLUSH_MS);
    this.flush(() => {
      clearTimeout(timer);
      end();
    });
  }

  /** Writes what nobody took to the real stdout and stderr, at once. */
  spill() {
    for (const event of this.pending.splice(0)) {
      if (event.t === "log") writeNow(event.stream === "stdout" ? 1 : 2, event.line);
      else if (event.t === "error") writeNow(2, event.error.stack || `${event.error.name}: ${event.error.message}`);
    }
  }

  #makeRoom() {
    if (this.listener !== undefined && !this.blocked) return void this.flush();
    const { length } = this.pending.splice(0, DROP);
    this.dropped += length;
    const line = `fnlocal: ${this.dropped} events were dropped because nobody took them`;
    this.pending.unshift({ t: "log", request: null, stream: "stderr", line });
  }
}

/**
 * A synchronous write, for words that must be out before the process is gone.
 *
 * @param {1 | 2} descriptor
 * @param {string} line
 */
export function writeNow(descriptor, line) {
  try {
    writeSync(descriptor, `${line}\n`);
  } catch {
    // The other end is closed or full; nobody is left to tell.
  }
}

/** @param {Event[]} batch */
function encode(batch) {
  const heap = Math.round(process.memoryUsage().heapUsed / 1e4) / 100;
  let text = "";
  for (const event of batch) {
    if (event.t === "done") event.heap_mb = heap;
    text += `${JSON.stringify(event)}\n`;
  }
  return text;
}
