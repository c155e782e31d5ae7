import { StringDecoder } from "node:string_decoder";
import { currentInvocation } from "./context.js";
import { MAX_LINE_BYTES, cut } from "./cut.js";
import { isForeignFrame } from "./failure.js";
import { mapStack } from "./sourcemap.js";
import { sourceNames } from "./translated.js";

/** An unfinished line that nothing was added to for so long is taken for whole: a prompt, say. */
const QUIET_MS = 5_000;
const FRAME = /^\s+at .*:\d+:\d+\)?( \{)?$/;

/** @typedef {import("./events.js").Events} Events */
/** @typedef {import("./invocation.js").Invocation} Invocation */

let captured = false;
/** The folder of the user's code. */
let code = "";
/** @type {Lines[]} */
const streams = [];

/**
 * Sends what user code prints to the platform, line by line, each tied to its request.
 *
 * @param {Events} events
 * @param {string} folder of the user's code
 */
export function captureOutput(events, folder) {
  code = folder;
  if (captured) return;
  captured = true;
  events.beforeEnd = () => streams.forEach((lines) => lines.finish());
  capture(events, "stdout");
  capture(events, "stderr");
}

/**
 * An invocation is over: what it wrote last is a line, whether it ended it or not.
 *
 * @param {unknown} invocation
 */
export function endLines(invocation) {
  for (const lines of streams) lines.end(/** @type {Invocation} */ (invocation));
}

/**
 * Returns a line as it is reported. Of a stack that a function prints itself, the frames of source
 * files stay, named from the code's folder on; the wrapper's and Node's own are left out.
 *
 * @param {string} text
 * @returns {string | undefined} undefined for what is left out
 */
function told(text) {
  const match = FRAME.exec(text);
  if (match === null) return text;
  const tail = match[1] ?? "";
  const frame = text.slice(0, text.length - tail.length);
  if (tail === "" && isForeignFrame(frame)) return undefined;
  const mapped = sourceNames(mapStack(frame));
  const short = code === "" ? mapped : mapped.replace(`file://${code}/`, "").replace(`${code}/`, "");
  return short + tail;
}

/**
 * @param {Events} events
 * @param {"stdout" | "stderr"} stream
 */
function capture(events, stream) {
  const lines = new Lines((line, request, at) => events.push({ t: "log", request, at, stream, line }));
  streams.push(lines);
  process[stream].write = /** @type {typeof process.stdout.write} */ (
    (/** @type {any} */ chunk, /** @type {any} */ encoding, /** @type {any} */ callback) => {
      const written = typeof encoding === "function" ? encoding : callback;
      lines.add(chunk, typeof encoding === "string" ? encoding : undefined);
      if (written) process.nextTick(written);
      return true;
    }
  );
}

/**
 * Splits what each request prints into lines. An unfinished one waits for its end: the next line
 * feed, the end of its request or of the process, or a long silence.
 */
class Lines {
  /** @param {(line: string, request: string | null, at: number) => void} emit */
  constructor(emit) {
    this.emit = emit;
    /** @type {Map<Invocation | undefined, { text: string, at: number, last: number }>} */
    this.partial = new Map();
    this.decoder = new StringDecoder("utf8");
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
  }

  /**
   * @param {string | Uint8Array} chunk
   * @param {string} [encoding]
   */
  add(chunk, encoding) {
    const invocation = currentInvocation();
    let text = this.#decode(chunk, encoding);
    const now = Date.now();
    const begun = this.partial.get(invocation);
    let at = begun?.at ?? now;
    if (begun !== undefined) {
      text = begun.text + text;
      this.partial.delete(invocation);
    }
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      this.#line(text.slice(start, end), invocation, at);
      start = end + 1;
      at = now;
    }
    if (start === text.length) return;
    const rest = text.slice(start);
    if (rest.length >= MAX_LINE_BYTES) return this.#line(rest, invocation, at);
    this.partial.set(invocation, { text: rest, at, last: now });
    this.timer ??= setTimeout(() => this.#letGo(), QUIET_MS).unref();
  }

  /** @param {Invocation | undefined} invocation */
  end(invocation) {
    const begun = this.partial.get(invocation);
    if (begun === undefined) return;
    this.partial.delete(invocation);
    this.#line(begun.text, invocation, begun.at);
  }

  finish() {
    for (const invocation of [...this.partial.keys()]) this.end(invocation);
  }

  /**
   * @param {string | Uint8Array} chunk
   * @param {string} [encoding]
   */
  #decode(chunk, encoding) {
    if (typeof chunk !== "string") return this.decoder.write(Buffer.from(chunk));
    if (encoding === undefined || encoding === "utf8" || encoding === "utf-8") return chunk;
    return Buffer.from(chunk, /** @type {BufferEncoding} */ (encoding)).toString("utf8");
  }

  /**
   * @param {string} text
   * @param {Invocation | undefined} invocation
   * @param {number} at
   */
  #line(text, invocation, at) {
    const line = told(text.endsWith("\r") ? text.slice(0, -1) : text);
    if (line !== undefined) this.emit(cut(line, MAX_LINE_BYTES), invocation?.id ?? null, at);
  }

  #letGo() {
    this.timer = undefined;
    const now = Date.now();
    let next = Infinity;
    for (const [invocation, { last }] of [...this.partial]) {
      if (now - last >= QUIET_MS) this.end(invocation);
      else next = Math.min(next, last + QUIET_MS - now);
    }
    if (next < Infinity) this.timer = setTimeout(() => this.#letGo(), next).unref();
  }
}
