import Module from "node:module";

/**
 * Stands in for Google's `@google-cloud/functions-framework`, whose functions register themselves
 * instead of being exported. The real one would begin to listen, and knows nothing of us.
 */

const NAME = "@google-cloud/functions-framework";

/** @type {Map<string, unknown>} what the module being imported has registered, by name */
const registered = new Map();

/**
 * @param {string} name
 * @param {(...args: any[]) => unknown} func
 * @param {"http" | "event"} signature
 */
function register(name, func, signature) {
  if (typeof func !== "function") throw new TypeError(`${NAME}: the function ${name} is no function`);
  registered.set(name, { func, config: { signature } });
}

const framework = {
  http: (/** @type {string} */ name, /** @type {any} */ func) => register(name, func, "http"),
  cloudEvent: (/** @type {string} */ name, /** @type {any} */ func) => register(name, func, "event"),
};

const GLOBAL = Symbol.for("fnlocal.functions-framework");
const URL = "fnlocal:functions-framework";
const SOURCE = `const f = globalThis[Symbol.for("fnlocal.functions-framework")];
export const http = f.http; export const cloudEvent = f.cloudEvent; export default f;`;

/** Has code that asks for the framework get this one. To be called before user code is imported. */
export function standIn() {
  const loader = /** @type {any} */ (Module);
  if (Object.hasOwn(globalThis, GLOBAL)) return;
  Object.defineProperty(globalThis, GLOBAL, { value: framework });
  const load = loader._load;
  loader._load = (/** @type {string} */ request, /** @type {any[]} */ ...rest) =>
    request === NAME ? framework : load(request, ...rest);
  // Only for import, and only in Node from 22.15 on: before, import finds the real one.
  loader.registerHooks?.({
    resolve: (/** @type {string} */ specifier, /** @type {any} */ context, /** @type {any} */ next) =>
      specifier === NAME ? { url: URL, format: "module", shortCircuit: true } : next(specifier, context),
    load: (/** @type {string} */ url, /** @type {any} */ context, /** @type {any} */ next) =>
      url === URL ? { format: "module", source: SOURCE, shortCircuit: true } : next(url, context),
  });
}

/**
 * Returns the functions registered since the last call, as a module's exports would be.
 *
 * @returns {Record<string, unknown>}
 */
export function takeRegistered() {
  const all = Object.fromEntries(registered);
  registered.clear();
  return all;
}
