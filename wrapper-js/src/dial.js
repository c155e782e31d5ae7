import { connect } from "node:net";

/** Unused connections that are kept open: the platform takes one and finds the next there. */
const MIN_SPARE = 2;
const MAX_SPARE = 16;
/** Before an unused connection that was closed is replaced. */
const REPLACE_MS = 10;
const MAX_PAUSE_MS = 1_000;
/** The platform's end is not there any more. */
const GONE = new Set(["ECONNREFUSED", "ENOENT"]);
/** Taken now: user code may put something else in its place. */
const open = connect;

/** @typedef {import("node:net").Socket} Socket */

/**
 * Connects to the platform, which owns the socket that an instance is reached by, and hands each
 * connection to the server as if it had come in. The platform writes to a connection when it has
 * something to ask; the next one is dialed then.
 */
export class Dialer {
  /**
   * @param {import("node:http").Server} server
   * @param {string} path
   * @param {{ connected: () => void, gone: (error: Error) => void, concurrency: () => number }} told
   */
  constructor(server, path, told) {
    this.server = server;
    this.path = path;
    this.told = told;
    /** @type {Set<Socket>} */
    this.unused = new Set();
    this.pause = REPLACE_MS;
    this.over = false;
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
  }

  /** Dials as many connections as are missing. */
  fill() {
    const wanted = Math.min(Math.max(MIN_SPARE, this.told.concurrency()), MAX_SPARE);
    while (!this.over && this.timer === undefined && this.unused.size < wanted) this.#dial();
  }

  /**
   * Called when a request came over a connection.
   *
   * @param {import("node:stream").Duplex} socket
   */
  used(socket) {
    if (this.unused.delete(/** @type {Socket} */ (socket))) this.fill();
  }

  /** Takes no more requests on new connections. */
  stop() {
    this.over = true;
    clearTimeout(this.timer);
    for (const socket of this.unused) socket.destroy();
    this.unused.clear();
  }

  #dial() {
    // The server of node:http makes its own sockets like this.
    const socket = open({ path: this.path, allowHalfOpen: true });
    this.unused.add(socket);
    const failed = (/** @type {NodeJS.ErrnoException} */ error) => this.#failed(socket, error);
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      this.pause = REPLACE_MS;
      this.told.connected();
      this.server.emit("connection", socket);
    });
    socket.once("close", () => {
      if (this.unused.delete(socket)) this.#later();
    });
  }

  /**
   * @param {Socket} socket
   * @param {NodeJS.ErrnoException} error
   */
  #failed(socket, error) {
    this.unused.delete(socket);
    if (this.over) return;
    if (GONE.has(String(error.code))) {
      this.stop();
      return this.told.gone(error);
    }
    this.pause = Math.min(this.pause * 2, MAX_PAUSE_MS);
    this.#later();
  }

  #later() {
    if (this.over) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.fill();
    }, this.pause);
  }
}
