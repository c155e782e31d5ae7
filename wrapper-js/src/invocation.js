import { running, storage } from "./context.js";
import { deafen } from "./late.js";
import { sendProblem } from "./problem.js";
import { SignatureError, misreturned } from "./signature.js";
import { isA } from "./thrown.js";
import { Waiting } from "./waiting.js";

/**
 * @typedef {object} BoundFunction a function with the limits it runs under
 * @property {string} name
 * @property {import("./functions.js").Handler | undefined} handler
 * @property {import("./functions.js").UpgradeHandler | undefined} upgrade
 * @property {number} timeoutMs
 * @property {number} bodyLimit
 * @property {boolean} streamBody
 * @property {boolean} rawBody its handler gets a body's bytes, which nothing has parsed or decompressed
 * @property {boolean} plain its handler gets node:http's own objects, not Express'
 * @property {boolean} event its handler takes a CloudEvent
 * @property {import("./functions.js").Signature} signature
 * @property {import("./turns.js").Turns} turns
 *
 * @typedef {object} Observer what an invocation tells the instance
 * @property {(error: unknown) => { detail?: string, stack?: string, hint?: string }} shown
 * @property {number} debugged
 * @property {(debugged: number) => boolean} debuggedSince
 * @property {(invocation: Invocation, error: unknown, options?: { hint?: string }) => void} failed
 * @property {(invocation: Invocation, hint: string) => void} timedOut
 * @property {(invocation: Invocation) => void} ended
 */

const UNAWAITED = "the handler's promise had settled before this answer, so the request got an empty 200: await the work";
/** The platform kills an instance that is busy for the whole timeout after an answer. */
const BACKGROUND_SHARE = 0.9;
const UNSETTLED = "what ctx.waitUntil() was given goes on no longer than the function's timeout";
const UNANSWERED = "a handler that returns no promise has to answer: call res.send() or res.end(), or return a promise";

/**
 * One run of a handler: it ends when the handler has settled and the response is closed. A handler that
 * returns a promise has settled with it. Any other has when it returns, and may answer until its time is up.
 */
export class Invocation {
  /**
   * @param {BoundFunction} func
   * @param {import("./express.js").FunctionRequest} req
   * @param {import("./express.js").FunctionResponse} res
   * @param {string} id
   * @param {Observer} observer
   */
  constructor(func, req, res, id, observer) {
    this.func = func;
    this.req = req;
    this.res = res;
    this.id = id;
    this.observer = observer;
    this.settled = false;
    this.closed = false;
    this.late = false;
    this.expired = false;
    this.ended = false;
    /** Answered in the handler's place, so that its own answer goes nowhere. */
    this.deaf = false;
    /** The handler returned no promise, so only its answer tells that it is done. */
    this.callback = false;
    /** Promises that work on after the answer, and have not settled. */
    this.background = 0;
    this.status = 0;
    this.startedAt = 0;
    this.debugged = 0;
    /** @type {NodeJS.CpuUsage | undefined} */
    this.cpu = undefined;
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
  }

  start() {
    running.add(this);
    this.startedAt = performance.now();
    this.cpu = process.cpuUsage();
    this.#arm();
    this.res.on("close", () => this.#close());
    // Writing after the end: Node would throw it where nothing can catch it.
    this.res.on("error", (error) => this.observer.failed(this, error));
    storage.run(this, () => this.#call());
  }

  /**
   * Express's `next`: res.sendFile and others report errors by it.
   *
   * @param {any} error
   */
  next(error) {
    // Express' own methods tell of a second answer here.
    if (this.deaf) return this.res.end();
    if (this.res.writableEnded) return this.observer.failed(this, error);
    if (error === undefined || error === null || error === "route" || error === "router") {
      return this.#refuse(404, "not_found", undefined);
    }
    const status = Number(error.status ?? error.statusCode);
    if (status >= 400 && status < 500) return this.#refuse(status, status === 404 ? "not_found" : "handler_error", error);
    this.fail(error);
  }

  /**
   * Ends the handler's part with an error, answered 500 where that is still possible.
   *
   * @param {unknown} error
   */
  fail(error) {
    // Past its timeout a handler often trips over the answer already given: no news.
    if (this.expired) return;
    this.settled = true;
    this.observer.failed(this, error);
    if (this.res.headersSent) {
      this.#cut();
    } else if (isA(error, SignatureError)) {
      const { message: detail, hint } = error;
      this.#answer({ status: 500, reason: "signature", detail, hint });
    } else {
      this.#refuse(500, "handler_error", error);
    }
    this.#endIfOver();
  }

  /**
   * Ends the handler's part when the client sends more than it may.
   *
   * @param {import("./receive.js").BodyError} error
   */
  refuseBody({ status, reason, message }) {
    this.settled = true;
    // The handler's reaction to a broken body is no news.
    this.expired = true;
    if (this.res.headersSent) this.res.destroy();
    else this.#answer({ status, reason, detail: message });
    this.#endIfOver();
  }

  /**
   * Tells an error whose answer the handler's adapter gives.
   *
   * @param {unknown} error
   */
  report(error) {
    if (!this.expired) this.observer.failed(this, error);
  }

  /**
   * Keeps the invocation open until a promise has settled, or its time is up.
   *
   * @param {unknown} promise
   */
  waitUntil(promise) {
    if (this.ended) return;
    this.background += 1;
    // The platform asks when the instance is idle, rather than taking the answer's end for it.
    if (!this.res.headersSent) this.res.setHeader("x-fnlocal-background", "1");
    Promise.resolve(promise)
      .catch((error) => this.report(error))
      .finally(() => {
        this.background -= 1;
        this.#endIfOver();
      });
  }

  /** @param {unknown} error what ends the process; this is the last answer */
  crash(error) {
    if (this.ended) return;
    this.settled = true;
    if (this.res.headersSent) this.#cut();
    else this.#refuse(500, "crashed", error);
    this.#endIfOver();
  }

  /** The client must see that the response is cut, not take it for a whole one. */
  #cut() {
    if (!this.res.writableEnded) this.res.destroy();
  }

  #call() {
    const { req, res, func } = this;
    const handler = /** @type {import("./functions.js").Handler} */ (func.handler);
    const waiting = new Waiting(req, res);
    let result;
    try {
      result = handler(req, res);
    } catch (error) {
      return this.fail(error);
    }
    if (typeof (/** @type {any} */ (result)?.then) === "function") {
      /** @type {PromiseLike<unknown>} */ (result).then(
        (value) => this.#settle(value, waiting),
        (error) => this.fail(error),
      );
    } else {
      this.callback = true;
      this.#settle(result, waiting);
    }
  }

  /**
   * @param {unknown} value what the handler, or its promise, gave
   * @param {Waiting} waiting
   */
  #settle(value, waiting) {
    const { res } = this;
    this.settled = true;
    if (!res.headersSent && !res.writableEnded && !this.closed && !this.expired && !waiting.canAnswer()) {
      const mistake = misreturned(value, [this.req, res], !this.callback);
      if (mistake !== undefined) return this.fail(mistake);
      if (!this.callback) {
        res.end();
        this.#deafen(() => this.observer.failed(this, new LateAnswer(), { hint: UNAWAITED }));
      }
    }
    this.#endIfOver();
  }

  #close() {
    this.closed = true;
    this.status = this.res.headersSent ? this.res.statusCode : 499;
    // The timer went off while the response was streaming; what is left of the handler gets as long again.
    if (!this.settled && this.late) this.#arm();
    else if (this.background > 0) {
      clearTimeout(this.timer);
      this.#arm(BACKGROUND_SHARE);
    }
    this.#endIfOver();
  }

  /** @param {number} [share] of the function's timeout */
  #arm(share = 1) {
    this.debugged = this.observer.debugged;
    this.timer = setTimeout(onTimer, this.func.timeoutMs * share, this).unref();
  }

  expire() {
    // The time somebody spent looking is not the handler's.
    if (this.observer.debuggedSince(this.debugged)) return this.#arm();
    if (this.res.headersSent && !this.closed) {
      this.late = true;
      return;
    }
    if (this.settled && this.closed) {
      this.observer.failed(this, new UnsettledError(), { hint: UNSETTLED });
      this.background = 0;
      return this.#endIfOver();
    }
    this.settled = true;
    this.expired = true;
    const { timeoutMs, name } = this.func;
    const hint = this.callback ? UNANSWERED : "answer sooner, or raise config.timeout";
    this.observer.timedOut(this, hint);
    this.#answer({ status: 504, reason: "timeout", detail: `${name} did not answer within ${timeoutMs} ms`, hint });
    this.#endIfOver();
  }

  #endIfOver() {
    if (!this.settled || !this.closed || this.background > 0 || this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    running.delete(this);
    this.observer.ended(this);
    this.func.turns.release();
  }

  /**
   * @param {number} status
   * @param {string} reason
   * @param {unknown} error
   */
  #refuse(status, reason, error) {
    this.#answer({ status, reason, ...(error === undefined ? {} : this.observer.shown(error)) });
  }

  /**
   * Answers in the handler's place. A later answer of the handler itself is discarded.
   *
   * @param {import("./problem.js").Problem} problem
   */
  #answer(problem) {
    if (this.res.headersSent) return;
    sendProblem(this.res, { ...problem, function: this.func.name, request_id: this.id });
    this.#deafen(() => {});
  }

  /** @param {() => void} onLate */
  #deafen(onLate) {
    this.deaf = true;
    deafen(this.res, onLate);
  }
}

/** The handler answered when its request had its answer already. Its stack is that of the late call. */
class LateAnswer extends Error {
  constructor() {
    super("the handler answered after its request was over");
    this.name = "LateAnswer";
  }
}

/** Work that was left for after the answer did not end in time. */
class UnsettledError extends Error {
  constructor() {
    super("a promise of ctx.waitUntil() did not settle in time");
    this.name = "UnsettledError";
    this.stack = `${this.name}: ${this.message}`;
  }
}

/** @param {Invocation} invocation */
function onTimer(invocation) {
  invocation.expire();
}
