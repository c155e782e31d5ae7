import { running, storage } from "./context.js";
import { sendProblem } from "./problem.js";
import { Waiting } from "./waiting.js";

/**
 * @typedef {object} BoundFunction a function with the limits it runs under
 * @property {string} name
 * @property {import("./functions.js").Handler | undefined} handler
 * @property {import("./functions.js").UpgradeHandler | undefined} upgrade
 * @property {number} timeoutMs
 * @property {number} bodyLimit
 * @property {boolean} streamBody
 * @property {boolean} event its handler takes a CloudEvent
 * @property {import("./turns.js").Turns} turns
 *
 * @typedef {object} Observer what an invocation tells the instance
 * @property {boolean} dev
 * @property {number} debugged
 * @property {(debugged: number) => boolean} debuggedSince
 * @property {(invocation: Invocation, error: unknown) => void} failed
 * @property {(invocation: Invocation) => void} timedOut
 * @property {(invocation: Invocation) => void} ended
 */

/** One run of a handler: it ends when the handler has settled and the response is closed. */
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
    this.answeredForHandler = false;
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
    storage.run(this, () => this.#call());
  }

  /**
   * Express's `next`: res.sendFile and others report errors by it.
   *
   * @param {any} error
   */
  next(error) {
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
      // The client must see that the response is cut, not take it for a whole one.
      if (!this.res.writableEnded) this.res.destroy();
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
    else sendProblem(this.res, { status, reason, function: this.func.name, request_id: this.id, detail: message });
    this.#endIfOver();
  }

  /** @param {unknown} error what ended the process; this is the last answer */
  answerCrash(error) {
    this.#refuse(500, "crashed", error);
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
        () => this.#settle(waiting.forListeners()),
        (error) => this.fail(error),
      );
    } else if (res.writableEnded) {
      this.#settle(false);
    } else {
      waiting.decide((canAnswer) => this.#settle(canAnswer));
    }
  }

  /** @param {boolean} canAnswer whether something may still answer although the handler returned */
  #settle(canAnswer) {
    this.settled = true;
    if (!canAnswer && !this.res.headersSent && !this.closed) {
      this.answeredForHandler = true;
      this.res.end();
    }
    this.#endIfOver();
  }

  #close() {
    this.closed = true;
    this.status = this.res.headersSent ? this.res.statusCode : 499;
    // The timer went off while the response was streaming; what is left of the handler gets as long again.
    if (!this.settled && this.late) this.#arm();
    this.#endIfOver();
  }

  #arm() {
    this.debugged = this.observer.debugged;
    this.timer = setTimeout(onTimer, this.func.timeoutMs, this).unref();
  }

  expire() {
    // The time somebody spent looking is not the handler's.
    if (this.observer.debuggedSince(this.debugged)) return this.#arm();
    if (this.res.headersSent && !this.closed) {
      this.late = true;
      return;
    }
    this.settled = true;
    this.expired = true;
    const { timeoutMs, name } = this.func;
    this.observer.timedOut(this);
    sendProblem(this.res, {
      status: 504,
      reason: "timeout",
      function: name,
      request_id: this.id,
      detail: `${name} did not answer within ${timeoutMs} ms`,
      hint: "answer sooner, or raise config.timeout",
    });
    this.#endIfOver();
  }

  #endIfOver() {
    if (!this.settled || !this.closed || this.ended) return;
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
    const shown = this.observer.dev && error instanceof Error ? { detail: error.message, stack: error.stack } : {};
    sendProblem(this.res, { status, reason, function: this.func.name, request_id: this.id, ...shown });
  }
}

/** @param {Invocation} invocation */
function onTimer(invocation) {
  invocation.expire();
}
