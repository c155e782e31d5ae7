import { backgroundHandler, eventHandler, googleEventHandler, typedHandler } from "./adapt.js";
import { takesOf } from "./signature.js";

const { toString } = Function.prototype;

/**
 * @typedef {(req: any, res: any) => unknown} Handler
 * @typedef {(req: import("node:http").IncomingMessage, socket: import("node:stream").Duplex, head: Buffer) => unknown} UpgradeHandler
 *
 * @typedef {object} FunctionSpec
 * @property {string} name
 * @property {any} config as the author wrote it; the platform validates it
 * @property {("http" | "event" | "upgrade")[]} kind
 * @property {(said?: "http" | "event" | null) => { handler: Handler | undefined, event: boolean }} bind
 *   its handler as one of requests, and whether it takes an event; `said` is what the platform says of that
 * @property {UpgradeHandler | undefined} upgrade
 */

/** Marks what was registered with Google's framework, whose events and answers differ in places from ours. */
export const GOOGLE = Symbol("google");

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
  const google = /** @type {any} */ (owner)?.[GOOGLE];
  const bind = (/** @type {"http" | "event" | null | undefined} */ said) =>
    handler === undefined ? { handler, event: false } : adapt(own, google ?? takesOf(handler, said ?? config.signature), said ?? config.signature, owner);
  /** @type {FunctionSpec["kind"]} */
  const kind = [];
  if (handler !== undefined) kind.push("http");
  if (google !== "typed" && bind(undefined).event) kind.push("event");
  if (upgrade !== undefined) kind.push("upgrade");
  return { name, config, kind, bind, upgrade };
}

/**
 * @param {any} own
 * @param {import("./signature.js").Takes | "cloudevent" | "typed"} takes
 * @param {unknown} said
 * @param {any} owner has a typed function's format
 * @returns {{ handler: Handler, event: boolean }}
 */
function adapt(own, takes, said, owner) {
  switch (takes) {
    case "http":
      return { handler: own, event: false };
    case "event":
      return { handler: eventHandler(own, said === "event"), event: true };
    case "callback":
      return { handler: googleEventHandler(own, true), event: true };
    case "cloudevent":
      return { handler: googleEventHandler(own, own.length > 1), event: true };
    case "background":
      return { handler: backgroundHandler(own), event: true };
    case "typed":
      return { handler: typedHandler({ handler: own, format: owner.format }), event: true };
  }
}

/** @param {any} value */
function isHandler(value) {
  if (typeof value !== "function") return false;
  return !/^class[\s{]/.test(Reflect.apply(toString, value, []));
}
