import { running, storage } from "./context.js";
import { FunctionResponse } from "./express.js";
import { sendRawProblem } from "./problem.js";
import { restoreTarget } from "./target.js";

/**
 * @typedef {import("./invocation.js").BoundFunction} BoundFunction
 * @typedef {import("./instance.js").Instance} Instance
 */

/**
 * Takes upgrades for the functions that handle them. Node turns every request that mentions an
 * upgrade into this event once anyone listens, so the server listens only when such a function is
 * served, and requests to the others (an h2c offer, say) go their usual way.
 *
 * @param {import("node:http").Server} server
 * @param {Instance} instance
 */
export function acceptUpgrades(server, instance) {
  if (server.listenerCount("upgrade") > 0) return;
  server.on("upgrade", (req, socket, head) => {
    instance.dialer?.used(socket);
    if (instance.events !== undefined) restoreTarget(req);
    socket.on("error", () => {});
    const { func, base, rest } = instance.find(/** @type {string} */ (req.url));
    if (func?.upgrade === undefined) return serveWithout(server, req, /** @type {import("node:net").Socket} */ (socket));
    const upgrade = new Upgrade(instance, func, req, socket, head);
    const seen = /** @type {any} */ (req);
    seen.originalUrl = req.url;
    seen.baseUrl = base;
    req.url = rest;
    func.turns.take({ start: () => upgrade.start(), abandoned: () => socket.destroyed });
  });
}

/**
 * @param {import("node:http").Server} server
 * @param {import("node:http").IncomingMessage} req
 * @param {import("node:net").Socket} socket
 */
function serveWithout(server, req, socket) {
  const res = new FunctionResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket);
  res.on("finish", () => socket.end());
  server.emit("request", req, res);
}

/** One upgraded connection: it counts as a running invocation until its socket is closed. */
class Upgrade {
  /**
   * @param {Instance} instance
   * @param {BoundFunction} func
   * @param {import("node:http").IncomingMessage} req
   * @param {import("node:stream").Duplex} socket
   * @param {Buffer} head
   */
  constructor(instance, func, req, socket, head) {
    this.instance = instance;
    this.func = func;
    this.req = req;
    this.socket = socket;
    this.head = head;
    this.writtenBefore = /** @type {import("node:net").Socket} */ (socket).bytesWritten;
    this.id = instance.requestId(req);
    this.expired = false;
    this.status = 101;
    this.startedAt = 0;
    /** @type {NodeJS.CpuUsage | undefined} */
    this.cpu = undefined;
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
  }

  start() {
    const { socket, func, req, head } = this;
    running.add(/** @type {any} */ (this));
    this.startedAt = performance.now();
    this.cpu = process.cpuUsage();
    this.#arm();
    socket.on("close", () => this.#end());
    // Else a client that hangs up leaves a handler that does not listen for it holding its turn.
    /** @type {import("node:net").Socket} */ (socket).allowHalfOpen = false;
    this.#followSocket();
    const handler = /** @type {import("./functions.js").UpgradeHandler} */ (func.upgrade);
    storage.run(/** @type {any} */ (this), async () => {
      try {
        await handler(req, socket, head);
      } catch (error) {
        this.fail(error);
      }
    });
  }

  /**
   * @param {unknown} error
   */
  fail(error) {
    this.instance.failed(this, error);
    this.#refuse(500, "handler_error");
  }

  /** Node raises a socket's events outside of any request; the logs need to know which. */
  #followSocket() {
    const { socket } = this;
    const emit = socket.emit;
    socket.emit = (/** @type {any[]} */ ...args) =>
      storage.run(/** @type {any} */ (this), () => emit.apply(socket, /** @type {any} */ (args)));
  }

  crash() {
    this.#refuse(500, "crashed");
  }

  #arm() {
    const { debugged } = this.instance;
    this.timer = setTimeout(() => this.#expire(debugged), this.func.timeoutMs).unref();
  }

  /** @param {number} debugged */
  #expire(debugged) {
    if (this.instance.debuggedSince(debugged)) return this.#arm();
    if (this.#written()) return;
    this.expired = true;
    this.instance.timedOut(this);
    this.#refuse(504, "timeout");
  }

  /**
   * @param {number} status
   * @param {string} reason
   */
  #refuse(status, reason) {
    if (this.#written()) return void this.socket.destroy();
    this.status = status;
    sendRawProblem(this.socket, { status, reason, function: this.func.name, request_id: this.id });
  }

  #written() {
    const { bytesWritten } = /** @type {import("node:net").Socket} */ (this.socket);
    return bytesWritten > this.writtenBefore;
  }

  #end() {
    clearTimeout(this.timer);
    running.delete(/** @type {any} */ (this));
    this.instance.ended(this);
    this.func.turns.release();
  }
}
