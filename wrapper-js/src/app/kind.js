import { Server } from "node:http";
import { fetchHandler } from "../web/handler.js";

/**
 * An application of a framework, as one function.
 *
 * @typedef {object} App
 * @property {import("../functions.js").Handler} handler
 * @property {import("../functions.js").UpgradeHandler | undefined} upgrade
 * @property {"stream" | undefined} reading `undefined`: parsed like any other function.s, which is also there as a stream
 */

/**
 * Recognises what people export where they would listen: Express, Koa, Fastify, Hono and others with
 * `fetch`, and a server of node:http. By what each can do, since each project has its own copy.
 *
 * @param {any} value
 * @returns {App | undefined}
 */
export function appOf(value) {
  if (typeof value === "function") return isExpress(value) ? { handler: listenerHandler(value), upgrade: undefined, reading: undefined } : undefined;
  if (value === null || typeof value !== "object") return undefined;
  if (isServer(value)) return serverApp(value);
  if (isFastify(value)) return { handler: fastifyHandler(value), upgrade: undefined, reading: "stream" };
  if (isKoa(value)) return { handler: listenerHandler(value.callback()), upgrade: undefined, reading: "stream" };
  if (isFetchApp(value)) return { handler: fetchHandler(value, true), upgrade: undefined, reading: "stream" };
  return undefined;
}

/**
 * A server that was made but does not listen: its listeners get the requests.
 *
 * @param {import("node:http").Server} server
 * @returns {App}
 */
export function serverApp(server) {
  const upgrade = server.listenerCount("upgrade") > 0;
  return {
    handler: listenerHandler((req, res) => void server.emit("request", req, res)),
    upgrade: upgrade ? (req, socket, head) => void server.emit("upgrade", req, socket, head) : undefined,
    reading: "stream",
  };
}

/** @param {any} value */
export function isServer(value) {
  return value instanceof Server;
}

/** @param {any} value Express' and Connect's apps are functions that route */
function isExpress(value) {
  return typeof value.handle === "function" && typeof value.use === "function";
}

/** @param {any} value */
function isKoa(value) {
  return typeof value.callback === "function" && typeof value.use === "function" && Array.isArray(value.middleware);
}

/** @param {any} value */
function isFastify(value) {
  return typeof value.ready === "function" && typeof value.inject === "function" && isServer(value.server);
}

/** @param {any} value of a class that routes, unlike an object with `fetch` that somebody wrote */
function isFetchApp(value) {
  if (typeof value.fetch !== "function" || typeof value.use !== "function") return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype !== null && prototype !== Object.prototype;
}

/**
 * @param {any} app
 * @returns {import("../functions.js").Handler}
 */
function fastifyHandler(app) {
  const listen = listenerHandler((req, res) => void app.server.emit("request", req, res));
  return async (req, res) => {
    await app.ready();
    await listen(req, res);
  };
}

/**
 * A handler that is over once the response is: a listener tells by nothing else.
 *
 * @param {(req: any, res: any) => unknown} listener
 * @returns {import("../functions.js").Handler}
 */
function listenerHandler(listener) {
  return (req, res) =>
    new Promise((resolve, reject) => {
      res.on("close", resolve);
      Promise.resolve(listener(req, res)).catch(reject);
    });
}
