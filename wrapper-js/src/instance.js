import { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { hasBody, parseBody, setEmptyBody } from "./body.js";
import { running } from "./context.js";
import { expressLoaded, loadExpress } from "./express.js";

import { describeFailure, printFailure } from "./failure.js";
import { Invocation } from "./invocation.js";
import { PARAMS, ROUTE, readParams } from "./lambda/request.js";
import { endLines } from "./output.js";
import { sendProblem } from "./problem.js";
import { writeCrash } from "./last.js";
import { splitPath } from "./path.js";
import { BodyError, holdTo, keepBody, receiveBody } from "./receive.js";

/**
 * @typedef {import("./invocation.js").BoundFunction} BoundFunction
 * @typedef {import("./express.js").FunctionRequest} FunctionRequest
 * @typedef {import("./express.js").FunctionResponse} FunctionResponse
 */

/** The functions this process serves, and the way of a request to one of them. */
export class Instance {
  /**
   * @param {import("./config.js").Config} config
   * @param {import("./events.js").Events | undefined} events none when no platform listens
   */
  constructor(config, events) {
    this.config = config;
    this.events = events;
    this.dev = config.dev;
    this.code = config.code;
    /** @type {Map<string, BoundFunction>} */
    this.functions = new Map();
    /** @type {BoundFunction | undefined} the only function, when there is but one */
    this.bound = undefined;
    /** Requests wait for it: user code still being imported at start. @type {Promise<void> | undefined} */
    this.starting = undefined;
    /** @type {{ request: string | null, done: () => void }[]} */
    this.waiters = [];
    /** @type {(exitCode: number) => void} */
    this.drain = () => {};
    this.made = 0;
    /** Only where the platform is dialed. @type {import("./dial.js").Dialer | undefined} */
    this.dialer = undefined;
    /** Only of an instance that can be debugged. @type {import("./inspect.js").Debuggers | undefined} */
    this.debuggers = undefined;
  }

  /** The platform's socket for debuggers, beside the one for requests. */
  get inspectorSocket() {
    return join(dirname(this.dialer?.path ?? "."), "i");
  }

  /** How often a debugger was attached: what {@link debuggedSince} is asked with later. */
  get debugged() {
    return this.debuggers?.seen ?? 0;
  }

  /** @param {number} debugged */
  debuggedSince(debugged) {
    return this.debuggers?.attachedSince(debugged) ?? false;
  }

  /** @param {BoundFunction} func */
  bind(func) {
    this.bound = func;
    this.functions.set(func.name, func);
  }

  /**
   * @param {FunctionRequest} req
   * @param {FunctionResponse} res
   */
  handle(req, res) {
    if (this.starting === undefined && expressLoaded()) return this.#route(req, res);
    const handBody = keepBody(req);
    Promise.all([this.starting, loadExpress()]).then(() => {
      this.#route(req, res);
      handBody();
    });
  }

  /**
   * @param {string} url
   * @param {boolean} [routed] the platform has found the function by a route, so the path has no name
   * @returns {{ func: BoundFunction | undefined, name: string, base: string, rest: string }}
   */
  find(url, routed = false) {
    const { name, base, rest } = splitPath(url);
    if (routed && this.bound !== undefined) return { func: this.bound, name: this.bound.name, base: "", rest: url };
    const func = this.functions.get(name);
    if (func !== undefined) return { func, name, base, rest };
    const only = this.bound ?? this.#takesAll();
    return { func: only, name: only?.name ?? name, base: "", rest: url };
  }

  /** The only function here, if it routes by itself: an app, or one that others would run alone. */
  #takesAll() {
    const [only, ...more] = this.functions.values();
    return more.length === 0 && only !== undefined && ROUTING.has(only.signature) ? only : undefined;
  }

  /** @param {import("node:http").IncomingMessage} req */
  requestId(req) {
    const given = req.headers["x-fnlocal-request-id"];
    if (given !== undefined) return String(given);
    this.made += 1;
    return `local-${process.pid}-${this.made}`;
  }

  /**
   * @param {string | null} request
   * @param {() => void} done called when this request does not run (any more); for none, when none runs
   */
  whenOver(request, done) {
    if (isOver(request)) done();
    else this.waiters.push({ request, done });
  }

  /**
   * @param {FunctionRequest} req
   * @param {FunctionResponse} res
   */
  #route(req, res) {
    const routed = req.headers[ROUTE] !== undefined;
    const { func, name, base, rest } = this.find(/** @type {string} */ (req.url), routed);
    const id = this.requestId(req);
    if (func === undefined) return this.#notFound(res, name, id);
    if (func.handler === undefined) {
      const hint = `${name} has only an upgrade handler: connect with a WebSocket`;
      return sendProblem(res, { status: 426, reason: "not_found", function: name, request_id: id, hint });
    }
    const invocation = new Invocation(func, req, res, id, this);
    prepare(req, res, base, rest, invocation);
    if (func.plain) bare(req, res);
    if (func.streamBody) this.#streamBody(invocation);
    else if (hasBody(req)) this.#readBody(invocation);
    else {
      setEmptyBody(req);
      this.#begin(invocation);
    }
  }

  /** @param {Invocation} invocation */
  #readBody(invocation) {
    const { func, req, res, id } = invocation;
    const { slowRequestMs: slowMs } = this.config;
    const reading = func.rawBody
      ? receiveBody(req, func.bodyLimit, slowMs).then((raw) => void (/** @type {any} */ (req).rawBody = raw))
      : parseBody(req, { limit: func.bodyLimit, slowMs, anyJson: func.event });
    reading.then(
      () => this.#begin(invocation),
      (error) => {
        if (!(error instanceof BodyError)) return;
        const { status, reason, message } = error;
        sendProblem(res, { status, reason, function: func.name, request_id: id, detail: message });
      },
    );
  }

  /** @param {Invocation} invocation */
  #streamBody(invocation) {
    let tooLarge = false;
    holdTo(invocation.req, invocation.func.bodyLimit, (error) => {
      tooLarge = true;
      invocation.refuseBody(error);
    });
    if (!tooLarge) this.#begin(invocation);
  }

  /** @param {Invocation} invocation */
  #begin(invocation) {
    const { func, res } = invocation;
    func.turns.take({ start: () => invocation.start(), abandoned: () => res.destroyed || res.closed });
  }

  /**
   * @param {FunctionResponse} res
   * @param {string} name
   * @param {string} id
   */
  #notFound(res, name, id) {
    const names = [...this.functions.keys()];
    const hint = names.length === 0 ? "no function is loaded" : `functions here: ${names.join(", ")}`;
    sendProblem(res, { status: 404, reason: "not_found", function: name, request_id: id, hint });
  }

  /**
   * @param {{ id: string }} invocation
   * @param {unknown} error
   * @param {{ fatal?: boolean, hint?: string, cause?: import("./events.js").Cause }} [options]
   */
  failed(invocation, error, options) {
    this.report(error, { request: invocation.id, ...options });
  }

  /**
   * The parts of an error that its client sees: all of it while developing, nothing otherwise.
   *
   * @param {unknown} error
   * @returns {{ detail?: string, stack?: string, hint?: string }}
   */
  shown(error) {
    if (!this.dev || !(error instanceof Error)) return {};
    const { message, stack, hint } = describeFailure(error, { code: this.code });
    return { detail: message, stack: stack.replaceAll(`${this.code}/`, "./"), ...(hint === undefined ? {} : { hint }) };
  }

  /**
   * @param {unknown} error
   * @param {{ request: string | null, fatal?: boolean, hint?: string, cause?: import("./events.js").Cause, nr?: number }} options
   *   `nr`: the number of a crash, which is also written where it cannot get lost
   */
  report(error, { request, fatal = false, hint, cause = "handler", nr }) {
    const failure = describeFailure(error, { code: this.code, hint });
    if (this.events !== undefined) {
      /** @type {import("./events.js").ErrorEvent} */
      const event = { t: "error", request, fatal, cause, nr, error: failure };
      if (nr !== undefined) writeCrash(event);
      this.events.push(event);
    } else console.error(`${request === null ? "" : `[${request}] `}${printFailure(failure)}`);
  }

  /**
   * @param {{ id: string, func: BoundFunction, res?: import("node:http").ServerResponse }} invocation
   * @param {string} [hint]
   */
  timedOut(invocation, hint) {
    const { name, timeoutMs } = invocation.func;
    const error = new Error(`${name} did not answer within ${timeoutMs} ms`);
    error.name = "TimeoutError";
    error.stack = "";
    const last = this.bound !== undefined;
    this.failed(invocation, error, { fatal: last, cause: "timeout", hint });
    // A stuck handler may hold anything; only a fresh process is clean again.
    if (last) this.drain(1);
  }

  /** @param {{ id: string, startedAt: number, cpu: NodeJS.CpuUsage | undefined, status: number }} invocation */
  ended(invocation) {
    const { id, startedAt, cpu, status } = invocation;
    endLines(invocation);
    if (this.events !== undefined) {
      const used = process.cpuUsage(cpu);
      this.events.push({
        t: "done",
        request: id,
        ms: Math.round((performance.now() - startedAt) * 100) / 100,
        cpu_ms: Math.round((used.user + used.system) / 10) / 100,
        status,
      });
    }
    if (this.waiters.length === 0) return;
    const over = this.waiters.filter(({ request }) => isOver(request));
    this.waiters = this.waiters.filter((waiter) => !over.includes(waiter));
    for (const { done } of over) done();
  }
}

/** Signatures of functions that get every path where they are the only one. */
const ROUTING = new Set(["app", "fetch", "lambda"]);

/**
 * Gives an app the objects that node:http would: frameworks put their own beneath.
 *
 * @param {any} req
 * @param {any} res
 */
function bare(req, res) {
  for (const name of ["params", "res", "next"]) delete req[name];
  delete res.locals;
  Object.setPrototypeOf(req, IncomingMessage.prototype);
  Object.setPrototypeOf(res, ServerResponse.prototype);
}

/** @param {string | null} request */
function isOver(request) {
  if (request === null) return running.size === 0;
  return [...running].every(({ id }) => id !== request);
}

/**
 * Makes a request look as Express' router would hand it to a handler mounted at /NAME.
 *
 * @param {any} req
 * @param {any} res
 * @param {string} base
 * @param {string} rest
 * @param {Invocation} invocation
 */
function prepare(req, res, base, rest, invocation) {
  req.originalUrl = req.url;
  req.baseUrl = base;
  req.url = rest;
  req.params = readParams(req.headers[PARAMS]) ?? {};
  req.res = res;
  req.next = (/** @type {unknown} */ error) => invocation.next(error);
  res.locals = Object.create(null);
}
