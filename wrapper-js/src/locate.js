import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { mapPlace } from "./sourcemap.js";
import { runnable, sourceNames } from "./translated.js";

const MOST_CHECKED = 20;

/** @typedef {{ file: string, line: number, column: number | null }} Place */

/**
 * Finds the line of the user's code an error is about: where the syntax is wrong, where a missing
 * package is asked for, or the nearest frame of the stack.
 *
 * @param {Error & { code?: string }} error
 * @param {string} code folder of the user's code
 * @param {string | undefined} entry the file being imported, when that is what failed
 * @param {string} stack the error's, in terms of the files somebody wrote
 * @returns {Place | undefined}
 */
export function locate(error, code, entry, stack) {
  if (error.code === "MODULE_NOT_FOUND" || error.code === "ERR_MODULE_NOT_FOUND") {
    const place = fromImporter(/** @type {any} */ (error));
    if (place !== undefined) return place;
  }
  const header = fromHeader(stack);
  if (header !== undefined) return mapPlace(header);
  const frame = fromFrames(stack, code);
  if (frame !== undefined) return frame;
  // Node does not say where an ES module's syntax is wrong; its own checker does.
  const place = error instanceof SyntaxError && entry !== undefined ? fromChecker(runnable(code, entry)) : undefined;
  return place === undefined ? undefined : mapPlace(place);
}

/**
 * `file:line`, the source line and carets, as Node puts before the stack of a syntax error.
 *
 * @param {string} stack
 * @returns {Place | undefined}
 */
function fromHeader(stack) {
  const match = /^((?:file:\/\/)?\/[^\n]*):(\d+)\n([\s\S]*?)^([ \t]*)\^/m.exec(stack);
  if (match === null || match.index > 0) return undefined;
  return { file: toPath(match[1]), line: Number(match[2]), column: match[4].length + 1 };
}

/**
 * @param {string} stack
 * @param {string} code
 * @returns {Place | undefined}
 */
function fromFrames(stack, code) {
  /** @type {Place | undefined} */
  let outside;
  for (const text of stack.split("\n")) {
    const match = /^\s+at (?:.*?\()?((?:file:\/\/)?\/.*?):(\d+):(\d+)\)?$/.exec(text);
    if (match === null) continue;
    const place = { file: toPath(match[1]), line: Number(match[2]), column: Number(match[3]) };
    if (!place.file.startsWith(`${code}/`)) continue;
    if (!place.file.includes("/node_modules/")) return place;
    outside ??= place;
  }
  return outside;
}

/**
 * @param {Error & { requireStack?: string[] }} error
 * @returns {Place | undefined}
 */
function fromImporter({ message, requireStack }) {
  const wanted = /Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1];
  const named = /imported from (.+)$/m.exec(message)?.[1];
  const importer = named ?? requireStack?.find((file) => !file.includes("/node_modules/")) ?? requireStack?.[0];
  if (wanted === undefined || importer === undefined) return undefined;
  const file = sourceNames(toPath(importer));
  let lines;
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch {
    return undefined;
  }
  // A relative import is named by its absolute path, so only its last part stands in the source.
  const part = wanted.startsWith("/") ? basename(wanted, extname(wanted)) : wanted;
  const index = lines.findIndex((line) => line.includes(part) && /\b(?:import|from|require)\b/.test(line));
  if (index < 0) return { file, line: 1, column: null };
  return { file, line: index + 1, column: lines[index].indexOf(part) + 1 };
}

/**
 * Asks `node --check` about the entry and the files it imports, nearest first.
 *
 * @param {string} entry
 * @returns {Place | undefined}
 */
function fromChecker(entry) {
  // Loaded only now: every start would pay for it.
  const { execFileSync } = process.getBuiltinModule("node:child_process");
  const files = [entry];
  for (let index = 0; index < files.length && index < MOST_CHECKED; index += 1) {
    const file = files[index];
    try {
      execFileSync(process.execPath, ["--check", file], { stdio: ["ignore", "ignore", "pipe"], timeout: 5_000 });
    } catch (error) {
      return fromHeader(String(/** @type {any} */ (error).stderr));
    }
    for (const imported of relativeImports(file)) {
      if (!files.includes(imported)) files.push(imported);
    }
  }
  return undefined;
}

/** @param {string} file */
function relativeImports(file) {
  const source = readFileSync(file, "utf8");
  const found = source.matchAll(/\b(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g);
  return [...found].map((match) => resolve(dirname(file), match[1])).filter((path) => existsSync(path));
}

/** @param {string} pathOrUrl */
function toPath(pathOrUrl) {
  return pathOrUrl.startsWith("file:") ? fileURLToPath(pathOrUrl) : pathOrUrl;
}
