import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Written where files were made: `plain` if Node can run every source as it is, `made` if not. */
const MARK = ".fnlocal-typescript";
const SOURCE = /\.(?:[mc]?ts|[jt]sx)$/;
const MADE = /(\.(?:[mc]?ts|[jt]sx))\.[mc]js\b/g;

/**
 * The file that runs for a source: the one that was made of it, or itself.
 *
 * @param {string} code folder of the user's code
 * @param {string} file
 * @returns {string}
 */
export function runnable(code, file) {
  if (!SOURCE.test(file)) return file;
  const mark = readMark(code);
  if (mark === undefined || (mark === "plain" && stripsTypes())) return file;
  return [`${file}.mjs`, `${file}.cjs`].find((made) => existsSync(made)) ?? file;
}

/**
 * Returns whether Node can run a source as it is.
 *
 * @param {string} file
 */
export function runsItself(file) {
  return !SOURCE.test(file) || (/\.[mc]?ts$/.test(file) && stripsTypes());
}

/**
 * Returns whether imports were resolved by `tsconfig.json`.
 *
 * @param {string} code
 */
export function isTranslated(code) {
  return readMark(code) !== undefined;
}

/**
 * A text in which files that were made have the names of their sources.
 *
 * @param {string} text
 */
export function sourceNames(text) {
  return text.replace(MADE, "$1");
}

function stripsTypes() {
  return Boolean(/** @type {any} */ (process.features).typescript);
}

/** @param {string} code */
function readMark(code) {
  try {
    return readFileSync(join(code, MARK), "utf8").trim();
  } catch {
    return undefined;
  }
}
