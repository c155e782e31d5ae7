import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { describeFailure } from "./failure.js";
import { standIn, standInForImport, takeRegistered } from "./framework.js";
import { describeFunction, findFunctions } from "./functions.js";
import { runnable, runsItself } from "./translated.js";

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
 * @returns {Promise<LoadedModule>}
 */
export async function loadModule(code, entry, packageName) {
  let file = resolve(code, entry);
  try {
    // Node knows a module by its real path, and so do stacks.
    file = realpathSync(file);
    standIn();
    takeRegistered();
    const exported = await importFile(runnable(code, file));
    const functions = findFunctions(exported, defaultName(file, packageName));
    // Those that Google's framework registers have no export of their own.
    const registered = findFunctions(takeRegistered(), "");
    const names = new Set(registered.map(({ name }) => name));
    return { entry, functions: [...functions.filter(({ name }) => !names.has(name)), ...registered], error: null };
  } catch (error) {
    return { entry, functions: [], error: describeFailure(error, { code, entry: file }) };
  }
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
