import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { describeFailure } from "./failure.js";
import { standIn, standInForImport, takeRegistered } from "./framework.js";
import { holdListen, releaseListen, wouldListen } from "./app/listen.js";
import { serverApp } from "./app/kind.js";
import { describeFunction, findFunctions, fixedSpec } from "./functions.js";
import { provideGlobal } from "./lambda/stream.js";
import { setLikelyVariables } from "./lambda/variables.js";
import { countActive, whenQuiet } from "./loop.js";
import { namedAfter } from "./modules.js";
import { provideListener, takeListener } from "./web/worker.js";
import { SHAPES, SignatureError, isPlain, nameOf } from "./signature.js";
import { runnable, runsItself } from "./translated.js";

/** The time that code which exports nothing has to listen. */
const LISTEN_MS = 10_000;

/**
 * @typedef {object} LoadedModule
 * @property {string} entry
 * @property {import("./functions.js").FunctionSpec[]} functions
 * @property {import("./failure.js").Failure | null} error
 */

/**
 * Imports an entry file and finds its functions. A failure is part of the answer.
 *
 * @param {string} code
 * @param {string} entry
 * @param {string | undefined} packageName
 * @param {import("./functions.js").Signature | null} [said] the signature of the function that is wanted
 * @returns {Promise<LoadedModule>}
 */
export async function loadModule(code, entry, packageName, said) {
  let file = resolve(code, entry);
  try {
    // Node knows a module by its real path, and so do stacks.
    file = realpathSync(file);
    standIn();
    takeRegistered();
    provideGlobal();
    const source = readFileSync(file, "utf8");
    setLikelyVariables(code, file, source, said);
    provideListener(source);
    return { entry, functions: await importFunctions(file, runnable(code, file), entry, packageName), error: null };
  } catch (error) {
    return { entry, functions: [], error: describeFailure(error, { code, entry: file }) };
  } finally {
    releaseListen(true);
  }
}

/**
 * @param {string} file
 * @param {string} runs the file that is imported for it
 * @param {string} entry
 * @param {string | undefined} packageName
 * @returns {Promise<import("./functions.js").FunctionSpec[]>}
 */
async function importFunctions(file, runs, entry, packageName) {
  const before = countActive();
  holdListen();
  const exported = await importFile(runs);
  const after = namedAfter(entry);
  const naming = { name: after ?? defaultName(file, packageName), byFile: after !== undefined };
  const exports = findFunctions(exported, naming);
  // Those that Google's framework registers have no export of their own.
  const registered = findFunctions(takeRegistered(), { name: "", byFile: false });
  const names = new Set(registered.map(({ name }) => name));
  const functions = [...exports.filter(({ name }) => !names.has(name)), ...registered];
  if (functions.length > 0) {
    releaseListen(functions.some(({ signature }) => signature === "app"));
    return functions;
  }
  const listener = takeListener();
  if (listener !== undefined) return [fixedSpec(naming.name, {}, "fetch", listener)];
  const until = performance.now() + LISTEN_MS;
  await whenQuiet(before, () => !wouldListen() && performance.now() < until);
  const server = releaseListen(true);
  if (server === undefined) return refuseUnknown(exported);
  return [fixedSpec(naming.name, {}, "app", serverApp(server))];
}

/**
 * A module without functions is fine, unless it exports one thing that was meant to be one.
 *
 * @param {any} exported
 * @returns {never[]}
 */
function refuseUnknown(exported) {
  const meant = isPlain(exported) || Object.prototype.toString.call(exported) === "[object Module]" ? exported.default : exported;
  if (meant === undefined || meant === null || isPlain(meant)) return [];
  throw new SignatureError(`the module exports ${nameOf(meant)}, whose shape is not known`, `known shapes are ${SHAPES}`);
}

/** @param {LoadedModule[]} modules */
export function describeModules(modules) {
  return modules.map(({ entry, functions, error }) => ({ entry, functions: functions.map(describeFunction), error }));
}

/** Node can not run this file; the hint says which Node can. */
class UnsupportedError extends Error {
  /** @param {string} file */
  constructor(file) {
    super(`Node ${process.versions.node} cannot run TypeScript (${basename(file)})`);
    this.name = "UnsupportedError";
    this.stack = `${this.name}: ${this.message}`;
    this.hint = /\.[mc]?ts$/.test(file) ? "use Node 22.18 or later" : "compile JSX to JavaScript";
  }
}

/**
 * CommonJS comes by require, which is faster than import() and leaves the ES module loader alone.
 *
 * @param {string} file
 * @returns {Promise<any>}
 */
async function importFile(file) {
  if (!runsItself(file)) throw new UnsupportedError(file);
  const extension = extname(file);
  const require = createRequire(file);
  if (!looksLikeModule(file, extension)) {
    try {
      return require(file);
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code !== "ERR_REQUIRE_ESM" && code !== "ERR_REQUIRE_ASYNC_MODULE") throw error;
    }
  }
  standInForImport(file);
  const namespace = await import(pathToFileURL(file).href);
  // Node may still have found CommonJS in it, whose exports the namespace only mirrors.
  return require.cache[file]?.exports ?? namespace;
}

/**
 * @param {string} file
 * @param {string} extension
 */
function looksLikeModule(file, extension) {
  if (extension.startsWith(".m")) return true;
  if (extension.startsWith(".c")) return false;
  const type = nearestPackage(dirname(file))?.type;
  if (type !== undefined) return type === "module";
  return MODULE_SYNTAX.test(readFileSync(file, "utf8"));
}

const MODULE_SYNTAX = /^\s*(?:import\s*(?:[\w$*{]|["'])|export\s*(?:[{*]|default\b|const\b|let\b|var\b|async\b|function\b|class\b))/m;

/**
 * A function exported without a name is called like its file, or like its package when the file is
 * only called index.
 *
 * @param {string} file
 * @param {string | undefined} packageName
 */
function defaultName(file, packageName) {
  const stem = basename(file, extname(file));
  if (stem !== "index") return stem;
  const folder = dirname(file);
  const name = readPackage(folder)?.name ?? packageName ?? basename(folder);
  return name.slice(name.lastIndexOf("/") + 1);
}

/** @param {string} folder */
function nearestPackage(folder) {
  for (let at = folder; ; at = dirname(at)) {
    const found = readPackage(at);
    if (found !== undefined) return found;
    if (dirname(at) === at) return undefined;
  }
}

/**
 * @param {string} folder
 * @returns {{ name?: string, type?: string, main?: string } | undefined}
 */
export function readPackage(folder) {
  const file = join(folder, "package.json");
  if (!existsSync(file)) return undefined;
  try {
    // Node, too, passes over a byte order mark.
    return JSON.parse(readFileSync(file, "utf8").replace(/^\uFEFF/, ""));
  } catch {
    // Node says it better when it meets the same file.
    return undefined;
  }
}
