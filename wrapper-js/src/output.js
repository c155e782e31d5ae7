import { StringDecoder } from "node:string_decoder";
import { currentInvocation } from "./context.js";
import { MAX_LINE_BYTES, cut } from "./cut.js";

const PARTIAL_MS = 100;

/** @typedef {import("./events.js").Events} Events */
/** @typedef {import("./invocation.js").Invocation} Invocation */

let captured = false;

/**
 * Sends what user code prints to the platform, line by line, each tied to its request.
 *
 * @param {Events} events
 */
export function captureOutput(events) {
  if (captured) return;
  captured = true;
  capture(events, "stdout");
  capture(events, "stderr");
}

/**
 * @param {Events} events
 * @param {"stdout" | "stderr"} stream
 */
function capture(events, stream) {
  const lines = new Lines((line, request) => events.push({ t: "log", request, at: Date.now(), stream, line }));
  process[stream].write = /** @type {typeof process.stdout.write} */ (
    (/** @type {any} */ chunk, /** @type {any} */ encoding, /** @type {any} */ callback) => {
      const written = typeof encoding === "function" ? encoding : callback;
      lines.add(chunk, typeof encoding === "string" ? encoding : undefined);
      if (written) process.nextTick(written);
      return true;
    }
  );
}

/** Splits what each request prints into lines, and lets go of an unfinished line after a while. */
class Lines {
  /** @param {(line: string, request: string | null) => void} emit */
  constructor(emit) {
    this.emit = emit;
    /** @type {Map<Invocation | undefined, string>} */
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
    const begun = this.partial.get(invocation);
    if (begun !== undefined) {
      text = begun + text;
      this.partial.delete(invocation);
    }
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      this.#line(text.slice(start, end), invocation);
      start = end + 1;
    }
    if (start === text.length) return;
    const rest = text.slice(start);
    if (rest.length >= MAX_LINE_BYTES) return this.#line(rest, invocation);
    this.partial.set(invocation, rest);
    this.timer ??= setTimeout(() => this.#letGo(), PARTIAL_MS).unref();
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
   */
  #line(text, invocation) {
    const line = text.endsWith("\r") ? text.slice(0, -1) : text;
    this.emit(cut(line, MAX_LINE_BYTES), invocation?.id ?? null);
  }

  #letGo() {
    this.timer = undefined;
    for (const [invocation, text] of this.partial) this.#line(text, invocation);
    this.partial.clear();
  }
}
