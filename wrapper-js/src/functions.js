import { eventHandler } from "./cloudevent.js";

const { toString } = Function.prototype;

/**
 * @typedef {(req: any, res: any) => unknown} Handler
 * @typedef {(req: import("node:http").IncomingMessage, socket: import("node:stream").Duplex, head: Buffer) => unknown} UpgradeHandler
 *
 * @typedef {object} FunctionSpec
 * @property {string} name
 * @property {any} config as the author wrote it; the platform validates it
 * @property {("http" | "event" | "upgrade")[]} kind
 * @property {Handler | undefined} handler
 * @property {any} onRequest the handler as the author wrote it
 * @property {UpgradeHandler | undefined} upgrade
 */

/**
 * Finds the functions among a module's exports. Everything else a module exports is left alone.
 *
 * @param {any} exported `module.exports`, or an ES module's namespace
 * @param {string} defaultName
 * @returns {FunctionSpec[]}
 */
export function findFunctions(exported, defaultName) {
  const whole = toSpec(defaultName, exported);
  if (whole !== undefined) return [whole];
  if (exported === null || typeof exported !== "object") return [];
  /** @type {Map<string, FunctionSpec>} */
  const found = new Map();
  for (const name of Object.keys(exported)) {
    if (name === "default" || name === "module.exports") continue;
    const spec = toSpec(name, exported[name]);
    if (spec !== undefined) found.set(name, spec);
  }
  if (Object.hasOwn(exported, "default")) {
    // A default export is one function, or an object of them as module.exports would be.
    for (const spec of findFunctions(exported.default, defaultName)) {
      if (!found.has(spec.name)) found.set(spec.name, spec);
    }
  }
  return [...found.values()];
}

/**
 * The platform's view of a function.
 *
 * @param {FunctionSpec} spec
 */
export function describeFunction({ name, config, kind }) {
  return { name, config, kind };
}

/**
 * @param {string} name
 * @param {any} value
 * @returns {FunctionSpec | undefined}
 */
function toSpec(name, value) {
  if (isHandler(value)) return specOf(name, configOf(value), value, undefined);
  if (value === null || typeof value !== "object") return undefined;
  const handler = [value.func, value.definition].find(isHandler);
  const upgrade = isHandler(value.upgrade) ? value.upgrade : undefined;
  if (handler === undefined && upgrade === undefined) return undefined;
  // Called as members, so that `this` is the object the author wrote.
  return specOf(name, configOf(handler, value), handler, upgrade?.bind(value), value);
}

/**
 * The config on the handler itself, under the one beside it. One that is no object is left as it is:
 * the platform says so.
 *
 * @param {any[]} owners
 * @returns {any}
 */
function configOf(...owners) {
  const given = owners.map((owner) => owner?.config ?? undefined).filter((one) => one !== undefined && typeof one !== "function");
  return given.length === 1 ? given[0] : Object.assign({}, ...given);
}

/**
 * @param {string} name
 * @param {any} config
 * @param {any} handler
 * @param {UpgradeHandler | undefined} upgrade
 * @param {object} [owner]
 * @returns {FunctionSpec}
 */
function specOf(name, config, handler, upgrade, owner) {
  const own = owner === undefined ? handler : handler?.bind(owner);
  const event = handler !== undefined && takesEvent(handler, config.signature);
  /** @type {FunctionSpec["kind"]} */
  const kind = [];
  if (handler !== undefined) kind.push("http");
  if (event) kind.push("event");
  if (upgrade !== undefined) kind.push("upgrade");
  return { name, config, kind, handler: event ? eventHandler(own) : own, onRequest: own, upgrade };
}

/**
 * Returns whether a handler takes an event: by its configuration, or by its one parameter. A handler of
 * requests that has no use for the response could not answer.
 *
 * @param {Function} handler
 * @param {unknown} said
 */
function takesEvent(handler, said) {
  if (said === "event" || said === "http") return said === "event";
  return handler.length === 1;
}

/**
 * The function's handler when the platform says what it takes.
 *
 * @param {FunctionSpec} spec
 * @param {"http" | "event" | null | undefined} said
 * @returns {{ handler: Handler | undefined, event: boolean }}
 */
export function handlerOf({ handler, onRequest, kind }, said) {
  const event = said === undefined || said === null ? kind.includes("event") : said === "event";
  if (onRequest === undefined) return { handler, event: false };
  return { handler: event ? eventHandler(onRequest) : onRequest, event };
}

/** @param {any} value */
function isHandler(value) {
  if (typeof value !== "function") return false;
  return !/^class[\s{]/.test(Reflect.apply(toString, value, []));
}
