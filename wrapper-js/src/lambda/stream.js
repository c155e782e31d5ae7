import { Writable } from "node:stream";
import { headOf } from "./answer.js";

/** The mark of Lambda's own runtime, so that handlers which set it themselves are known too. */
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");

const DEFAULT_TYPE = "application/octet-stream";

/** Gives code the global `awslambda`. To be called before user code is imported. */
export function provideGlobal() {
  if (Object.hasOwn(globalThis, "awslambda")) return;
  const awslambda = {
    streamifyResponse: (/** @type {any} */ handler, /** @type {unknown} */ options) => {
      if (typeof handler !== "function") throw new TypeError("awslambda.streamifyResponse wants a function");
      handler[STREAMING] = "response";
      void options;
      return handler;
    },
    HttpResponseStream: {
      from: (/** @type {any} */ stream, /** @type {any} */ prelude) => {
        if (!(stream instanceof ResponseStream)) throw new TypeError("awslambda.HttpResponseStream.from wants the handler's responseStream");
        stream.setPrelude(prelude);
        return stream;
      },
    },
  };
  Object.defineProperty(globalThis, "awslambda", { value: awslambda, configurable: true, writable: true });
}

/** @param {any} handler */
export function isStreaming(handler) {
  return handler?.[STREAMING] === "response";
}

/** The stream that a streaming handler answers by. */
export class ResponseStream extends Writable {
  /** @param {import("node:http").ServerResponse} res */
  constructor(res) {
    super();
    this.res = res;
    this.type = DEFAULT_TYPE;
    /** @type {ReturnType<typeof headOf> | undefined} */
    this.head = undefined;
    res.on("close", () => void (this.writableFinished || this.destroy()));
  }

  /** @param {string} type */
  setContentType(type) {
    this.type = type;
  }

  /** @param {any} prelude */
  setPrelude(prelude) {
    this.head = headOf({ statusCode: 200, ...prelude }, "2.0", DEFAULT_TYPE);
  }

  /**
   * @param {any} chunk
   * @param {BufferEncoding} _encoding
   * @param {(error?: Error | null) => void} written
   */
  _write(chunk, _encoding, written) {
    this.#begin();
    this.res.write(chunk, written);
  }

  /** @param {(error?: Error | null) => void} written */
  _final(written) {
    this.#begin();
    this.res.end(written);
  }

  #begin() {
    const { res } = this;
    if (res.headersSent) return;
    const { status, headers } = this.head ?? { status: 200, headers: /** @type {[string, string][]} */ ([["content-type", this.type]]) };
    res.writeHead(status, headers.flat());
  }
}

/**
 * Runs a streaming handler until its stream has ended.
 *
 * @param {Function} handler
 * @param {any} event
 * @param {any} context
 * @param {import("node:http").ServerResponse} res
 */
export async function callStreaming(handler, event, context, res) {
  const stream = new ResponseStream(res);
  /** @type {Promise<void>} */
  const over = new Promise((resolve, reject) => {
    stream.on("close", resolve).on("error", reject);
  });
  // An error that the handler's own promise tells first.
  over.catch(() => {});
  await handler(event, stream, context);
  if (!stream.writableEnded) stream.end();
  await over;
}
