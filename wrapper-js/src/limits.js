import { CONFIG_KEYS } from "./config-keys.js";
import { Turns } from "./turns.js";

/** @typedef {import("./invocation.js").BoundFunction} BoundFunction */

/**
 * The platform's settings of a function; missing ones come from the function's config.
 *
 * @typedef {object} Given
 * @property {number} [timeout_ms]
 * @property {number} [concurrency]
 * @property {number} [body_limit]
 * @property {"parsed" | "stream"} [body]
 * @property {import("./functions.js").Signature | null} [signature]
 * @property {"1.0" | "2.0" | null} [lambda_event]
 * @property {number | null} [memory_mib]
 */

const TIMEOUT_MS = 15_000;
/** The least number of milliseconds that is taken without a unit. */
const LEAST_BARE_MS = 100;
const BODY_LIMIT = 6 * 1024 * 1024;

/**
 * @param {import("./functions.js").FunctionSpec} spec
 * @param {Given} given
 * @param {number} concurrency when neither the platform nor the config says
 * @returns {BoundFunction}
 */
export function bindFunction(spec, given, concurrency) {
  const { name, config, upgrade } = spec;
  const timeoutMs = given.timeout_ms ?? toMs(config.timeout) ?? TIMEOUT_MS;
  const { handler, event, signature, reading } = spec.bind({
    name,
    signature: given.signature,
    lambdaEvent: given.lambda_event ?? config.lambdaEvent ?? config.lambda_event,
    memoryMib: given.memory_mib ?? undefined,
    timeoutMs,
  });
  // An event is read whole, whatever is said of requests.
  const streamBody = reading === "stream" || (!event && reading === undefined && (given.body ?? config.body) === "stream");
  return {
    name,
    handler,
    upgrade,
    event,
    signature,
    timeoutMs,
    // A streamed body need not fit into memory: it has a limit only when one is set.
    bodyLimit: given.body_limit ?? toBytes(config.bodyLimit ?? config.body_limit) ?? (streamBody ? Infinity : BODY_LIMIT),
    streamBody,
    rawBody: reading === "raw",
    plain: signature === "app",
    turns: new Turns(given.concurrency ?? config.concurrency ?? concurrency),
  };
}

/**
 * The keys of a function's config that do not exist, as the author spelt them.
 *
 * @param {import("./functions.js").FunctionSpec} spec
 * @returns {string[]}
 */
export function unknownKeys({ config }) {
  const asInFile = (/** @type {string} */ key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.keys(config).filter((key) => !CONFIG_KEYS.includes(asInFile(key)));
}

/**
 * The keys of a function's config with a time that may be seconds or milliseconds, and the number.
 *
 * @param {import("./functions.js").FunctionSpec} spec
 * @returns {[string, string][]}
 */
export function unitlessTimes({ config }) {
  const times = Object.entries({ timeout: config.timeout });
  const unclear = times.filter(([, value]) =>
    typeof value === "number" ? value > 0 && value < LEAST_BARE_MS : typeof value === "string" && /^[\d.\s]+$/.test(value),
  );
  return unclear.map(([key, value]) => [key, String(value).trim()]);
}

/**
 * @param {unknown} value milliseconds, or a text such as "15s"
 * @returns {number | undefined}
 */
export function toMs(value) {
  return measure(value, { "": 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 });
}

/**
 * @param {unknown} value bytes, or a text such as "6MB"
 * @returns {number | undefined}
 */
export function toBytes(value) {
  return measure(value, { "": 1, b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 });
}

/**
 * @param {unknown} value
 * @param {Record<string, number>} units
 */
function measure(value, units) {
  if (typeof value === "number") return value > 0 ? value : undefined;
  if (typeof value !== "string") return undefined;
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(value.trim());
  const unit = match === null ? undefined : units[match[2].toLowerCase()];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}
