/**
 * Reads what was thrown: other people's objects, whose getters and methods may throw in turn.
 *
 * @param {any} from
 * @param {string} key
 * @returns {any} undefined where reading throws
 */
export function property(from, key) {
  try {
    return from[key];
  } catch {
    return undefined;
  }
}

/**
 * @param {unknown} value
 * @returns {string}
 */
export function textOf(value) {
  try {
    return String(value);
  } catch {
    return "(it cannot be written as a text)";
  }
}

/**
 * @param {any} from
 * @param {string} key
 * @returns {string | undefined} undefined where there is nothing
 */
export function textProperty(from, key) {
  const value = property(from, key);
  return value === undefined || value === null ? undefined : textOf(value);
}

/**
 * @template T
 * @param {unknown} value
 * @param {new (...args: any[]) => T} kind
 * @returns {value is T}
 */
export function isA(value, kind) {
  try {
    return value instanceof kind;
  } catch {
    return false;
  }
}

/** @param {unknown} value */
export function isError(value) {
  try {
    return value instanceof Error || isErrorLike(value);
  } catch {
    // A proxy that tells nothing.
    return false;
  }
}

/** @param {unknown} value an error of another realm, say of node:vm, is no instance of our Error */
function isErrorLike(value) {
  return typeof value === "object" && value !== null && "message" in value && "stack" in value;
}
