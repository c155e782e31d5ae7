import { backgroundHandler, eventHandler, googleEventHandler, typedHandler } from "./adapt.js";
import { appOf } from "./app/kind.js";
import { lambdaHandler } from "./lambda/handler.js";
import { isStreaming } from "./lambda/stream.js";
import { METHODS, fetchHandler, methodsHandler, requestHandler } from "./web/handler.js";
import { takesOf } from "./signature.js";

const { toString } = Function.prototype;

/**
 * @typedef {(req: any, res: any) => unknown} Handler
 * @typedef {(req: import("node:http").IncomingMessage, socket: import("node:stream").Duplex, head: Buffer) => unknown} UpgradeHandler
 * @typedef {import("./signature.js").Signature} Signature
 *
 * @typedef {object} Binding what a function is bound with
 * @property {Signature | null} [signature] what the platform says of it
 * @property {string} [name] the function's, unless it is that of its export
 * @property {"1.0" | "2.0" | null} [lambdaEvent]
 * @property {number} [memoryMib]
 * @property {number} [timeoutMs]
 *
 * @typedef {object} Bound a handler as one of requests
 * @property {Handler | undefined} handler
 * @property {boolean} event it takes a CloudEvent
 * @property {Signature} signature
 * @property {"raw" | "stream" | undefined} reading how it wants a body, if its signature decides that
 *
 * @typedef {object} FunctionSpec
 * @property {string} name
 * @property {any} config as the author wrote it; the platform validates it
 * @property {("http" | "event" | "upgrade")[]} kind
 * @property {Signature} signature
 * @property {(binding: Binding) => Bound} bind
 * @property {UpgradeHandler | undefined} upgrade
 *
 * @typedef {object} Naming
 * @property {string} name of what has no name of its own: a default export
 * @property {boolean} byFile each file in its folder has one function, named after the file
 */

/** Marks what was registered with Google's framework, whose events and answers differ in places from ours. */
export const GOOGLE = Symbol("google");

/** The functions of a Worker's default export. */
const WORKER = new Set(["fetch", "scheduled", "queue", "email", "tail", "trace", "test"]);

/** The export that Lambda and platforms like it call. */
const HANDLER = "handler";

/**
 * Finds the functions among a module's exports. Everything else a module exports is left alone.
 *
 * @param {any} exported `module.exports`, or an ES module's namespace
 * @param {Naming} naming
 * @returns {FunctionSpec[]}
 */
export function findFunctions(exported, naming) {
  const whole = toSpec(naming.name, exported) ?? workerSpec(naming.name, exported);
  if (whole !== undefined) return [whole];
  if (exported === null || typeof exported !== "object" || isInstance(exported)) return [];
  /** @type {Map<string, FunctionSpec>} */
  const found = new Map();
  const methods = methodsOf(exported);
  if (methods !== undefined) {
    const config = configOf(...Object.values(methods));
    found.set(naming.name, fixedSpec(naming.name, config, "fetch", { handler: methodsHandler(methods), upgrade: undefined, reading: "stream" }));
  }
  for (const name of Object.keys(exported)) {
    if (name === "default" || name === "module.exports" || (methods !== undefined && name in methods)) continue;
    const spec = toSpec(name, exported[name]);
    if (spec !== undefined) found.set(name, spec);
  }
  nameHandler(found, naming);
  if (Object.hasOwn(exported, "default")) {
    // A default export is one function, or an object of them as module.exports would be.
    for (const spec of findFunctions(exported.default, naming)) {
      if (!found.has(spec.name)) found.set(spec.name, spec);
    }
  }
  return [...found.values()];
}

/**
 * `handler` is a role and no name: alone in its file, or where files name functions, it is called like its file.
 *
 * @param {Map<string, FunctionSpec>} found
 * @param {Naming} naming
 */
function nameHandler(found, { name, byFile }) {
  const spec = found.get(HANDLER);
  if (spec === undefined || found.has(name)) return;
  if (!byFile && (spec.signature !== "lambda" || found.size > 1)) return;
  found.delete(HANDLER);
  found.set(name, { ...spec, name });
}

/**
 * @param {any} exported
 * @returns {Record<string, Function> | undefined} exports such as `GET` that take a web-standard request
 */
function methodsOf(exported) {
  const takesOne = (/** @type {any} */ value) => isHandler(value) && (value.length === 0 || takesOf(value, undefined) !== "http");
  const own = METHODS.filter((name) => takesOne(exported[name]));
  return own.length === 0 ? undefined : Object.fromEntries(own.map((name) => [name, exported[name]]));
}

/** @param {object} value an object of a class, whose methods are no functions of a project */
function isInstance(value) {
  const prototype = Object.getPrototypeOf(value);
  return prototype !== null && Object.getPrototypeOf(prototype) !== null;
}

/**
 * The platform's view of a function.
 *
 * @param {FunctionSpec} spec
 */
export function describeFunction({ name, config, kind, signature }) {
  return { name, config, kind, signature };
}

/**
 * @param {string} name
 * @param {any} value
 * @returns {FunctionSpec | undefined}
 */
function toSpec(name, value) {
  const app = appOf(value);
  if (app !== undefined) return fixedSpec(name, {}, "app", app);
  if (isHandler(value)) return specOf(name, configOf(value), value, undefined);
  if (value === null || typeof value !== "object") return undefined;
  const upgrade = isHandler(value.upgrade) ? value.upgrade : undefined;
  const inner = [value.func, value.definition].map(appOf).find((one) => one !== undefined);
  if (inner !== undefined) return fixedSpec(name, configOf(value), "app", { ...inner, upgrade: upgrade?.bind(value) ?? inner.upgrade });
  const handler = [value.func, value.definition].find(isHandler);
  if (handler === undefined && upgrade === undefined) return undefined;
  // Called as members, so that `this` is the object the author wrote.
  return specOf(name, configOf(handler, value), handler, upgrade?.bind(value), value);
}

/**
 * The one thing that a module exports, if that has `fetch`: a Worker, or an app of a framework. An object
 * with functions of other names beside it is a module of several functions, one of which is called fetch.
 *
 * @param {string} name
 * @param {any} value
 * @returns {FunctionSpec | undefined}
 */
function workerSpec(name, value) {
  if (value === null || typeof value !== "object" || !isHandler(value.fetch)) return undefined;
  const own = { upgrade: undefined, reading: /** @type {const} */ ("stream") };
  if (isInstance(value)) return fixedSpec(name, {}, "app", { handler: fetchHandler(value, true), ...own });
  if (Object.keys(value).some((key) => isHandler(value[key]) && !WORKER.has(key))) return undefined;
  return fixedSpec(name, configOf(value), "fetch", { handler: fetchHandler(value, false), ...own });
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
 * A function whose shape leaves no doubt of its signature.
 *
 * @param {string} name
 * @param {any} config
 * @param {"app" | "fetch"} signature
 * @param {import("./app/kind.js").App} app
 * @returns {FunctionSpec}
 */
export function fixedSpec(name, config, signature, { handler, upgrade, reading }) {
  /** @type {FunctionSpec["kind"]} */
  const kind = upgrade === undefined ? ["http"] : ["http", "upgrade"];
  return { name, config, kind, signature, bind: () => ({ handler, event: false, signature, reading }), upgrade };
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
  const how = { named: name, streaming: isStreaming(handler) };
  /** @param {Binding} binding @returns {Bound} */
  const bind = (binding) => {
    if (handler === undefined) return { handler, event: false, signature: "http", reading: undefined };
    const said = binding.signature ?? config.signature;
    return adapt({ name, handler, own, owner, takes: google ?? takesOf(handler, said, how), said, binding });
  };
  const { event, signature } = bind({});
  /** @type {FunctionSpec["kind"]} */
  const kind = [];
  if (handler !== undefined) kind.push("http");
  if (google !== "typed" && event) kind.push("event");
  if (upgrade !== undefined) kind.push("upgrade");
  return { name, config, kind, signature, bind, upgrade };
}

/**
 * @param {{ name: string, handler: any, own: any, owner: any, takes: import("./signature.js").Takes | "cloudevent" | "typed", said: unknown, binding: Binding }} from
 *   `own` is the handler as a member of its owner, which has a typed function's format
 * @returns {Bound}
 */
function adapt({ name, handler, own, owner, takes, said, binding }) {
  const event = (/** @type {Handler} */ adapted) => ({ handler: adapted, event: true, signature: /** @type {const} */ ("event"), reading: undefined });
  switch (takes) {
    case "http":
      return { handler: own, event: false, signature: "http", reading: undefined };
    case "event":
      return event(eventHandler(own, said === "event"));
    case "callback":
      return event(googleEventHandler(own, true));
    case "cloudevent":
      return event(googleEventHandler(own, own.length > 1));
    case "background":
      return event(backgroundHandler(own));
    case "typed":
      return { ...event(typedHandler({ handler: own, format: owner.format })), signature: "http" };
    case "lambda":
      return { handler: lambdaHandler(isStreaming(handler) ? handler : own, factsOf(name, binding)), event: false, signature: "lambda", reading: "raw" };
    case "fetch":
      return { handler: requestHandler(own), event: false, signature: "fetch", reading: "stream" };
    case "app":
      return { handler: own, event: false, signature: "app", reading: "stream" };
  }
}

/**
 * @param {string} name
 * @param {Binding} binding
 */
function factsOf(name, { name: known = name, lambdaEvent, memoryMib, timeoutMs }) {
  return { name: known, version: lambdaEvent ?? /** @type {const} */ ("2.0"), memoryMib: memoryMib ?? 512, timeoutMs: timeoutMs ?? 15_000 };
}

/** @param {any} value */
function isHandler(value) {
  if (typeof value !== "function") return false;
  return !/^class[\s{]/.test(Reflect.apply(toString, value, []));
}
