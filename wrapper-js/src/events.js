import { readFileSync } from "node:fs";
import { writeNow } from "./last.js";

/** Two seconds' worth at 10,000 a second, or `BOUND_BYTES` bytes. */
const BOUND = 20_000;
const BOUND_BYTES = 8 * 1024 * 1024;
const DROP = 1000;
const FLUSH_MS = 50;
const FLUSH_BYTES = 16 * 1024;
const TYPICAL_BYTES = 100;
const LAST_FLUSH_MS = 200;

/**
 * @typedef {{ t: "log", request: string | null, at: number, stream: "stdout" | "stderr", line: string }} LogEvent
 * @typedef {{ t: "done", request: string, ms: number, cpu_ms: number, memory?: number, status: number }} DoneEvent
 * @typedef {"handler" | "uncaught" | "rejection" | "timeout"} Cause how an error came out
 * @typedef {{ t: "error", request: string | null, fatal: boolean, cause: Cause, nr?: number, error: import("./failure.js").Failure }} ErrorEvent
 * @typedef {{ t: "dropped", count: number }} DroppedEvent
 * @typedef {LogEvent | DoneEvent | ErrorEvent | DroppedEvent} Event
 */

/** The reports of the instance to the platform, gathered off the request's way and sent in batches. */
export class Events {
  constructor() {
    /** @type {Event[]} */
    this.pending = [];
    this.bytes = 0;
    this.dropped = 0;
    /** @type {import("node:http").ServerResponse | undefined} */
    this.listener = undefined;
    this.blocked = false;
    /** Batches that are not handed to the system yet. */
    this.unwritten = 0;
    /** @type {(() => void)[]} called once none is */
    this.waiters = [];
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
    /** Pushes what waits for its end, before the process ends. @type {() => void} */
    this.beforeEnd = () => {};
  }

  /** @param {Event} event */
  push(event) {
    if (this.pending.length >= BOUND || this.bytes >= BOUND_BYTES) this.#makeRoom();
    this.pending.push(event);
    this.bytes += sizeOf(event);
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
    if (written !== undefined) this.waiters.push(written);
    if (this.listener !== undefined && this.pending.length > 0) this.#send(this.listener);
    this.#tell();
  }

  /** @param {import("node:http").ServerResponse} listener */
  #send(listener) {
    const batch = this.pending;
    this.pending = [];
    this.bytes = 0;
    if (this.dropped > 0) batch.unshift({ t: "dropped", count: this.dropped });
    this.dropped = 0;
    this.unwritten += 1;
    // Node keeps what is written until the end of this turn, in which the process may end.
    this.blocked = !listener.write(encode(batch), () => {
      this.unwritten -= 1;
      this.#tell();
    });
  }

  #tell() {
    if (this.unwritten > 0) return;
    for (const written of this.waiters.splice(0)) written();
  }

  /**
   * For the end of the process: hands over what is left, to the platform or else to stderr.
   *
   * @param {() => void} done
   */
  finish(done) {
    this.beforeEnd();
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
    this.beforeEnd();
    for (const event of this.pending.splice(0)) {
      if (event.t === "log") writeNow(event.stream === "stdout" ? 1 : 2, event.line);
      else if (event.t === "error") writeNow(2, event.error.stack || `${event.error.name}: ${event.error.message}`);
    }
  }

  #makeRoom() {
    if (this.listener !== undefined && !this.blocked) return void this.flush();
    for (const event of this.pending.splice(0, DROP)) {
      this.dropped += 1;
      this.bytes -= sizeOf(event);
    }
  }
}

/** @param {Event} event */
function sizeOf(event) {
  if (event.t === "log") return TYPICAL_BYTES + event.line.length;
  if (event.t !== "error") return TYPICAL_BYTES;
  const { message, stack, frame } = event.error;
  return TYPICAL_BYTES + message.length + stack.length + (frame?.length ?? 0);
}

/** @param {Event[]} batch */
function encode(batch) {
  const memory = batch.some(({ t }) => t === "done") ? peakMemory() : 0;
  let text = "";
  for (const event of batch) {
    if (event.t === "done") event.memory = memory;
    text += `${JSON.stringify(event)}\n`;
  }
  return text;
}

let peak = 0;

/** The most memory this process has had, in bytes: the kernel knows, or else what was seen here. */
function peakMemory() {
  try {
    const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not on this system.
  }
  peak = Math.max(peak, process.memoryUsage.rss());
  return peak;
}
