import { isAbsolute, relative, resolve } from "node:path";
import { cut } from "./cut.js";
import { codeFrame } from "./frame.js";
import { locate } from "./locate.js";
import { missingModuleHint } from "./missing.js";
import { printable } from "./printable.js";
import { mapStack, sourceText } from "./sourcemap.js";
import { isError, property, textOf, textProperty } from "./thrown.js";
import { sourceNames } from "./translated.js";

/** The platform keeps as much. */
const MAX_NAME_BYTES = 256;
const MAX_MESSAGE_BYTES = 8 * 1024;
const MAX_STACK_BYTES = 16 * 1024;
const MAX_FRAME_BYTES = 4 * 1024;
const MAX_HINT_BYTES = 1024;
/** Of one error, without its causes. Beyond it, finding frames in it takes seconds. */
const MAX_RAW_BYTES = 24 * 1024;

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
  const error = /** @type {Error} */ (isError(thrown) ? thrown : new NotAnError(thrown));
  const place = locatePlace(error, code, entry);
  const found = hint ?? textProperty(error, "hint") ?? knownHint(error, code);
  return {
    name: cut(textProperty(error, "name") ?? "Error", MAX_NAME_BYTES),
    message: cut(sourceNames(textProperty(error, "message") ?? ""), MAX_MESSAGE_BYTES),
    stack: error instanceof NotAnError ? "" : cut(sourceNames(mapStack(stackOf(error))), MAX_STACK_BYTES),
    file: place === undefined ? null : cut(shorten(place.file, code), MAX_HINT_BYTES),
    line: place === undefined ? null : bounded(place.line),
    column: bounded(place?.column ?? null),
    frame: place === undefined ? null : readFrame(place),
    ...(found === undefined ? {} : { hint: cut(found, MAX_HINT_BYTES) }),
  };
}

/**
 * @param {Error} error
 * @param {string} code
 * @param {string | undefined} entry
 */
function locatePlace(error, code, entry) {
  try {
    return locate(error, code, entry, mapStack(rawStack(error)));
  } catch {
    // Other people's getters, or files that are gone.
    return undefined;
  }
}

/** @param {number | null} place a stack is a text anybody can write */
function bounded(place) {
  return place === null ? null : Math.min(place, 2 ** 31 - 1);
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
    super(textOf(value));
    this.name = `thrown ${value === null ? "null" : typeof value}`;
  }
}

/**
 * The stack without the wrapper's and Node's own frames, followed by its causes.
 *
 * @param {Error} error
 * @param {number} [depth]
 * @returns {string}
 */
function stackOf(error, depth = 0) {
  const lines = rawStack(error).split("\n");
  const own = lines.filter((line) => !/^\s+at /.test(line) || !isForeignFrame(line));
  const cause = property(error, "cause");
  if (depth > 4 || !isError(cause)) return own.join("\n");
  return `${own.join("\n")}\nCaused by: ${stackOf(cause, depth + 1)}`;
}

/**
 * An error's own stack, of bounded length: the frames come after the message, which may be long.
 *
 * @param {Error} error
 */
function rawStack(error) {
  const message = textProperty(error, "message") ?? "";
  const stack = textProperty(error, "stack") ?? `${textProperty(error, "name")}: ${message}`;
  if (stack.length <= MAX_RAW_BYTES / 3) return stack;
  const end = stack.indexOf(message) + message.length;
  return cut(stack.slice(0, end), MAX_RAW_BYTES / 4) + cut(stack.slice(end), MAX_RAW_BYTES / 2);
}

/** @param {string} line a frame of a stack; whether it is the wrapper's or Node's own */
export function isForeignFrame(line) {
  return line.includes("node:internal/") || line.includes(RUNNER);
}

/** @param {{ file: string, line: number, column: number | null }} place */
function readFrame({ file, line, column }) {
  try {
    return cut(codeFrame(sourceText(file), line, column), MAX_FRAME_BYTES);
  } catch {
    return null;
  }
}

/**
 * @param {string} file
 * @param {string} code
 */
function shorten(file, code) {
  return isInside(code, file) ? relative(code, file) : file;
}

/**
 * @param {string} folder
 * @param {string} file
 */
function isInside(folder, file) {
  const short = relative(folder, file);
  return !short.startsWith("..") && !isAbsolute(short);
}

/**
 * Returns the hint that an error's code alone establishes.
 *
 * @param {Error} error
 * @param {string} code
 */
function knownHint(error, code) {
  try {
    if (property(error, "code") === "EADDRINUSE") return ADDRESS_IN_USE;
    if (isWriteToCode(error, code)) return CODE_IS_READ_ONLY;
    return missingModuleHint(error, code);
  } catch {
    // Files that are gone, or cannot be read.
    return undefined;
  }
}

/**
 * @param {Error} error
 * @param {string} code
 */
function isWriteToCode(error, code) {
  const refused = ["EROFS", "EACCES", "EPERM"].includes(textProperty(error, "code") ?? "");
  const path = textProperty(error, "dest") ?? textProperty(error, "path");
  if (!refused || path === undefined) return false;
  // In a container the working folder is above the version of the code, and as read-only.
  return isInside(code, resolve(path)) || !isAbsolute(path);
}

const CODE_IS_READ_ONLY = "the folder of the code is read-only: write to /tmp (os.tmpdir())";
const ADDRESS_IN_USE =
  "another process listens there, such as another instance of this code: export the handler instead, fnlocal listens for it";

// A file of the bundle, or the folder of the sources.
const RUNNER = typeof __filename === "string" ? __filename : new URL(".", import.meta.url).pathname;
