import http from "node:http";

/** Turns of the event loop after which code that still waits for `listening` gets it. */
const DECISION_MS = 20;

/**
 * A call of `listen` that was held back.
 *
 * @typedef {object} Held
 * @property {import("node:http").Server} server
 * @property {any[]} args
 * @property {boolean} told its code believes that the server listens
 * @property {NodeJS.Timeout | undefined} timer
 */

/** @type {Held[] | undefined} while code is being imported */
let holding;

let patched = false;

/**
 * Holds back all calls of `listen` on HTTP servers from now on: an application that would listen is given
 * its requests by the platform, and opens no port. To be called before user code is imported.
 */
export function holdListen() {
  holding = [];
  if (patched) return;
  patched = true;
  const { listen } = http.Server.prototype;
  /** @this {any} @param {any[]} args */
  http.Server.prototype.listen = function (...args) {
    if (holding === undefined) return Reflect.apply(listen, this, args);
    hold(holding, this, args);
    return this;
  };
}

/** Returns whether a server would listen by now. */
export function wouldListen() {
  return holding !== undefined && holding.length > 0;
}

/**
 * Ends the hold. Servers that are no application of the platform's listen now.
 *
 * @param {boolean} serves the first of them is the function
 * @returns {import("node:http").Server | undefined} that first one
 */
export function releaseListen(serves) {
  const held = holding ?? [];
  holding = undefined;
  if (!serves) {
    for (const one of held) reallyListen(one);
    return undefined;
  }
  for (const one of held) pretend(one);
  return held[0]?.server;
}

/**
 * @param {Held[]} all
 * @param {any} server
 * @param {any[]} args
 */
function hold(all, server, args) {
  /** @type {Held} */
  const held = { server, args, told: false, timer: undefined };
  // A module may wait for its server at the top level, before it can be known what it exports.
  held.timer = setTimeout(pretend, DECISION_MS, held);
  all.push(held);
}

/** @param {Held} held */
function pretend(held) {
  if (held.told) return;
  held.told = true;
  clearTimeout(held.timer);
  const server = /** @type {any} */ (held.server);
  const callback = held.args.findLast((one) => typeof one === "function");
  if (callback !== undefined) server.once("listening", callback);
  const port = portOf(held.args);
  const own = {
    address: () => ({ address: "127.0.0.1", family: "IPv4", port }),
    close: (/** @type {any} */ done) => {
      if (typeof done === "function") server.once("close", done);
      setImmediate(() => server.emit("close"));
      return server;
    },
    ref: () => server,
    unref: () => server,
  };
  for (const [name, value] of Object.entries(own)) Object.defineProperty(server, name, { value, configurable: true, writable: true });
  Object.defineProperty(server, "listening", { value: true, configurable: true, writable: true });
  server.emit("listening");
}

/** @param {Held} held */
function reallyListen({ server, args, told, timer }) {
  clearTimeout(timer);
  if (told) {
    for (const name of ["address", "close", "ref", "unref", "listening"]) delete (/** @type {any} */ (server)[name]);
  }
  Reflect.apply(http.Server.prototype.listen, server, args);
}

/** @param {any[]} args */
function portOf([first]) {
  const port = Number(typeof first === "object" && first !== null ? first.port : first);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : 3000;
}
