import fs from "node:fs";
import Module, { syncBuiltinESMExports } from "node:module";
import { extname, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * What happened while modules were loaded whose functions carry marks.
 *
 * @typedef {object} Watched
 * @property {number[]} ran the marks that were reached
 * @property {boolean} settled nothing was left that could run later, and nobody changed how code is loaded
 * @property {boolean} read the modules' code read its own text, in which the marks are
 */

/** The platform puts `fnlocal$ran(7);` at the beginning of functions. */
const MARK = "fnlocal$ran";
const CODE = new Set([".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"]);
const READERS = ["readFileSync", "readFile", "openSync", "open", "openAsBlob"];

/**
 * Notices which marks are reached, and who reads them as text. To be called before user code is
 * imported.
 *
 * @param {string} code the folder of the code
 * @returns {() => Watched} to be called when it has been
 */
export function watch(code) {
  const ran = Object.create(null);
  let read = false;
  Object.defineProperty(globalThis, MARK, { value: (/** @type {number} */ mark) => void (ran[mark] = true) });

  const { toString } = Function.prototype;
  Function.prototype.toString = new Proxy(toString, {
    apply(target, self, args) {
      const text = Reflect.apply(target, self, args);
      read ||= text.includes(MARK);
      return text;
    },
  });

  const folder = code.endsWith(sep) ? code : code + sep;
  /** @param {unknown} path */
  const isCode = (path) => {
    const file = toPath(path);
    return file !== undefined && file.startsWith(folder) && CODE.has(extname(file));
  };
  for (const [owner, names] of [[fs, READERS], [fs.promises, ["readFile", "open"]]]) {
    for (const name of /** @type {string[]} */ (names)) {
      const real = /** @type {any} */ (owner)[name];
      if (typeof real !== "function") continue;
      /** @type {any} */ (owner)[name] = new Proxy(real, {
        apply(target, self, args) {
          if (!read && isCode(args[0])) read = !isLoader();
          return Reflect.apply(target, self, args);
        },
      });
    }
  }
  syncBuiltinESMExports();

  const loader = loaderParts();
  return () => ({
    ran: Object.keys(ran).map(Number),
    settled: process.getActiveResourcesInfo().length === 0 && loaderParts().every((part, at) => part === loader[at]),
    read,
  });
}

/** What packages replace that compile code in their own way, and so read all of it. */
function loaderParts() {
  const { prototype, _extensions } = /** @type {any} */ (Module);
  return [prototype._compile, ...[...CODE].map((extension) => _extensions[extension])];
}

/** @param {unknown} path */
function toPath(path) {
  if (typeof path === "string") return resolve(path);
  if (Buffer.isBuffer(path)) return resolve(path.toString());
  try {
    return path instanceof URL ? fileURLToPath(path) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether Node's loader reads a file, or this runner in order to tell what Node will take it for. */
function isLoader() {
  const errors = /** @type {any} */ (Error);
  const { prepareStackTrace, stackTraceLimit } = errors;
  try {
    errors.prepareStackTrace = undefined;
    errors.stackTraceLimit = 4;
    // Of an error's lines the first is its name, the next two are this function's and the reader's.
    const caller = String(new Error().stack).split("\n")[3] ?? "";
    return caller.includes("node:internal/modules/") || caller.includes(RUNNER);
  } finally {
    errors.prepareStackTrace = prepareStackTrace;
    errors.stackTraceLimit = stackTraceLimit;
  }
}

// The bundle's file, or this very one's folder.
const RUNNER = typeof __filename === "string" ? __filename : fileURLToPath(new URL(".", import.meta.url));
