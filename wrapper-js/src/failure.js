import { isBuiltin } from "node:module";
import { isAbsolute, relative } from "node:path";
import { codeFrame } from "./frame.js";
import { locate } from "./locate.js";
import { printable } from "./printable.js";
import { mapStack, sourceText } from "./sourcemap.js";

/**
 * An error as the platform and the developer see it.
 *
 * @typedef {object} Failure
 * @property {string} name
 * @property {string} message
 * @property {string} stack
 * @property {string | null} file relative to the code's folder when inside it
 * @property {number | null} line
 * @property {number | null} column
 * @property {string | null} frame
 * @property {string} [hint]
 */

/**
 * @param {unknown} thrown
 * @param {{ code: string, entry?: string, hint?: string }} where `entry` is the absolute path being imported
 * @returns {Failure}
 */
export function describeFailure(thrown, { code, entry, hint }) {
  const error = thrown instanceof Error || isErrorLike(thrown) ? /** @type {Error} */ (thrown) : new NotAnError(thrown);
  const stack = mapStack(stackOf(error));
  const place = locate(error, code, entry, mapStack(String(error.stack ?? "")));
  const found = hint ?? /** @type {any} */ (error).hint ?? missingPackageHint(error);
  return {
    name: String(error.name ?? "Error"),
    message: String(error.message ?? ""),
    stack: error instanceof NotAnError ? "" : stack,
    file: place === undefined ? null : shorten(place.file, code),
    line: place?.line ?? null,
    column: place?.column ?? null,
    frame: place === undefined ? null : readFrame(place),
    ...(found === undefined ? {} : { hint: found }),
  };
}

/**
 * For a terminal: what happened, where, and what to do.
 *
 * @param {Failure} failure
 * @returns {string}
 */
export function printFailure({ name, message, stack, file, line, column, frame, hint }) {
  const parts = [stack.includes(message) && frame === null ? stack : `${name}: ${message}`];
  if (file !== null) parts.push(`  at ${file}:${line}${column === null ? "" : `:${column}`}`);
  if (frame !== null) parts.push(frame);
  if (hint !== undefined) parts.push(`hint: ${hint}`);
  return printable(parts.join("\n"));
}

/** Wraps what was thrown when it was no error: `throw "text"`. */
class NotAnError extends Error {
  /** @param {unknown} value */
  constructor(value) {
    super(String(value));
    this.name = `thrown ${value === null ? "null" : typeof value}`;
  }
}

/** @param {unknown} value an error of another realm, say of node:vm, is no instance of our Error */
function isErrorLike(value) {
  return typeof value === "object" && value !== null && "message" in value && "stack" in value;
}

/**
 * The stack without the wrapper's and Node's own frames, followed by its causes.
 *
 * @param {Error} error
 * @param {number} [depth]
 * @returns {string}
 */
function stackOf(error, depth = 0) {
  const lines = String(error.stack ?? `${error.name}: ${error.message}`).split("\n");
  const own = lines.filter((line) => !/^\s+at /.test(line) || !isForeignFrame(line));
  const { cause } = error;
  if (!(cause instanceof Error) || depth > 4) return own.join("\n");
  return `${own.join("\n")}\nCaused by: ${stackOf(cause, depth + 1)}`;
}

/** @param {string} line */
function isForeignFrame(line) {
  return line.includes("node:internal/") || line.includes(RUNNER);
}

/** @param {{ file: string, line: number, column: number | null }} place */
function readFrame({ file, line, column }) {
  try {
    return codeFrame(sourceText(file), line, column);
  } catch {
    return null;
  }
}

/**
 * @param {string} file
 * @param {string} code
 */
function shorten(file, code) {
  const short = relative(code, file);
  return short.startsWith("..") || isAbsolute(short) ? file : short;
}

/** @param {Error & { code?: string }} error */
function missingPackageHint(error) {
  if (error.code !== "MODULE_NOT_FOUND" && error.code !== "ERR_MODULE_NOT_FOUND") return undefined;
  const wanted = /Cannot find (?:module|package) '([^']+)'/.exec(error.message)?.[1];
  if (wanted === undefined) return undefined;
  if (wanted.startsWith(".") || isAbsolute(wanted)) return `there is no file ${wanted}`;
  if (isBuiltin(wanted)) return undefined;
  return `npm install ${wanted.split("/").slice(0, wanted.startsWith("@") ? 2 : 1).join("/")}`;
}

// A file of the bundle, or the folder of the sources.
const RUNNER = typeof __filename === "string" ? __filename : new URL(".", import.meta.url).pathname;
