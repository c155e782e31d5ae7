import { readFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { JsonInvocationFormat } from "./adapt.js";
import { GOOGLE } from "./functions.js";

/**
 * Stands in for Google's `@google-cloud/functions-framework`, whose functions register themselves
 * instead of being exported. The real one would begin to listen, and knows nothing of us.
 */

const NAME = "@google-cloud/functions-framework";

/** @type {Map<string, unknown>} what the module being imported has registered, by name */
const registered = new Map();

/**
 * @param {string} name
 * @param {any} func
 * @param {"http" | "event"} signature
 * @param {{ [GOOGLE]?: "cloudevent" | "typed", format?: object }} [kind]
 */
function register(name, func, signature, kind) {
  if (typeof func !== "function") throw new TypeError(`${NAME}: the function ${name} is no function`);
  registered.set(name, { func, config: { signature }, ...kind });
}

const framework = {
  http: (/** @type {string} */ name, /** @type {any} */ func) => register(name, func, "http"),
  cloudEvent: (/** @type {string} */ name, /** @type {any} */ func) => register(name, func, "event", { [GOOGLE]: "cloudevent" }),
  typed: (/** @type {string} */ name, /** @type {any} */ typed) => {
    const { handler, format } = typeof typed === "function" ? { handler: typed, format: new JsonInvocationFormat() } : typed ?? {};
    register(name, handler, "http", { [GOOGLE]: "typed", format });
  },
  JsonInvocationFormat,
};

const GLOBAL = Symbol.for("fnlocal.functions-framework");
const URL = "fnlocal:functions-framework";
const SOURCE = `const f = globalThis[Symbol.for("fnlocal.functions-framework")];
export const { ${Object.keys(framework).join(", ")} } = f; export default f;`;

/** Has code that asks for the framework get this one. To be called before user code is imported. */
export function standIn() {
  const loader = /** @type {any} */ (Module);
  if (Object.hasOwn(globalThis, GLOBAL)) return;
  Object.defineProperty(globalThis, GLOBAL, { value: framework });
  const load = loader._load;
  loader._load = (/** @type {string} */ request, /** @type {any[]} */ ...rest) =>
    request === NAME ? framework : load(request, ...rest);
  // For import. A Node before 22.15 lacks it: see standInForImport.
  loader.registerHooks?.({
    resolve: (/** @type {string} */ specifier, /** @type {any} */ context, /** @type {any} */ next) =>
      specifier === NAME ? { url: URL, format: "module", shortCircuit: true } : next(specifier, context),
    load: (/** @type {string} */ url, /** @type {any} */ context, /** @type {any} */ next) =>
      url === URL ? { format: "module", source: SOURCE, shortCircuit: true } : next(url, context),
  });
}

const LOADER = `
export const resolve = (specifier, context, next) =>
  specifier === ${JSON.stringify(NAME)} ? { url: ${JSON.stringify(URL)}, format: "module", shortCircuit: true } : next(specifier, context);
export const load = (url, context, next) =>
  url === ${JSON.stringify(URL)} ? { format: "module", source: ${JSON.stringify(SOURCE)}, shortCircuit: true } : next(url, context);`;

let loading = false;

/**
 * The same for an ES module where Node has its hooks on a thread only, which takes longer to start than all
 * else here. So there is one only for code that may import the framework.
 *
 * @param {string} file
 */
export function standInForImport(file) {
  const loader = /** @type {any} */ (Module);
  if (loading || loader.registerHooks !== undefined || !mayImport(file)) return;
  loading = true;
  loader.register(`data:text/javascript,${encodeURIComponent(LOADER)}`);
}

/** @param {string} file */
function mayImport(file) {
  if (readFileSync(file, "utf8").includes(NAME)) return true;
  try {
    return createRequire(file).resolve(NAME) !== "";
  } catch {
    return false;
  }
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
