/**
 * @typedef {(req: any, res: any) => unknown} Handler
 * @typedef {(req: import("node:http").IncomingMessage, socket: import("node:stream").Duplex, head: Buffer) => unknown} UpgradeHandler
 *
 * @typedef {object} FunctionSpec
 * @property {string} name
 * @property {any} config as the author wrote it; the platform validates it
 * @property {("http" | "upgrade")[]} kind
 * @property {Handler | undefined} handler
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
 * What a function looks like to the platform.
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
  if (isHandler(value)) return { name, config: {}, kind: ["http"], handler: value, upgrade: undefined };
  if (value === null || typeof value !== "object") return undefined;
  const handler = [value.func, value.definition].find(isHandler);
  const upgrade = isHandler(value.upgrade) ? value.upgrade : undefined;
  if (handler === undefined && upgrade === undefined) return undefined;
  /** @type {("http" | "upgrade")[]} */
  const kind = [];
  if (handler) kind.push("http");
  if (upgrade) kind.push("upgrade");
  // Called as members, so that `this` is the object the author wrote.
  return {
    name,
    config: value.config ?? {},
    kind,
    handler: handler?.bind(value),
    upgrade: upgrade?.bind(value),
  };
}

/** @param {any} value */
function isHandler(value) {
  if (typeof value !== "function") return false;
  return !/^class[\s{]/.test(Function.prototype.toString.call(value));
}
