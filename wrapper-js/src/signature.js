/**
 * Reads what a handler takes from how it was written. Names are a convention and not a proof, so only
 * those that no handler of requests has are taken for one.
 */

const { toString } = Function.prototype;

const CONTEXT = /^_*(?:context|ctx)$/i;
const CALLBACK = /^_*(?:callback|cb|done)$/i;
const REQUEST = /^_*(?:req|request)$/i;
const PLACE = /^_*(?:context|ctx|env|info)$/i;

/** The values of the key `signature`, and the shape that each is known by. */
export const SIGNATURES = {
  http: "(req, res) => …",
  event: "(event) => …, a CloudEvent",
  lambda: "exports.handler = async (event, context) => …",
  fetch: "export default { fetch(request) }, export function GET(request), or (request) => new Response()",
  app: "an Express, Koa, Fastify or Hono app, an http.Server, or a file that calls listen()",
};

/** All shapes, for a hint. */
export const SHAPES = Object.entries(SIGNATURES)
  .map(([name, shape]) => `${name}: ${shape}`)
  .join("; ");

/**
 * @typedef {keyof typeof SIGNATURES} Signature
 * @typedef {"http" | "event" | "callback" | "background" | "lambda" | "fetch" | "app"} Takes
 *   `(req, res)`, `(event)`, `(event, callback)`, `(data, context)` with or without a callback, Lambda's
 *   `(event, context)`, a web-standard `(request)`, or a listener of an application
 *
 * @param {Function} handler
 * @param {unknown} said the function's `signature`
 * @param {{ named?: string, streaming?: boolean }} [how] `named`: the export's name
 * @returns {Takes}
 */
export function takesOf(handler, said, { named, streaming = false } = {}) {
  if (said === "http" || said === "lambda" || said === "fetch" || said === "app") return said;
  const [first = "", second = ""] = parameterNames(handler);
  const takesRequest = REQUEST.test(first);
  if (said !== "event") {
    if (streaming || (named === "handler" && !takesRequest)) return "lambda";
    if (takesRequest && (second === "" ? handler.length === 1 : PLACE.test(second))) return "fetch";
  }
  if (handler.length > 1 && CONTEXT.test(second) && !takesRequest) return "background";
  if (said === "event") return handler.length > 2 ? "background" : handler.length > 1 ? "callback" : "event";
  if (handler.length === 2 && CALLBACK.test(second) && !takesRequest) return "callback";
  // A handler of requests that has no use for the response could not answer.
  return handler.length === 1 ? "event" : "http";
}

/**
 * The names of a function's first two parameters, empty where they are patterns or native.
 *
 * @param {Function} handler
 * @returns {string[]}
 */
function parameterNames(handler) {
  const text = Reflect.apply(toString, handler, []);
  const lone = /^(?:async\s+)?([\w$]+)\s*=>/.exec(text);
  if (lone !== null) return [lone[1]];
  const list = /^(?:async\b\s*)?(?:function\b\s*\*?\s*)?(?:[\w$]*\s*)\(\s*([\w$]+)\s*(?:,\s*([\w$]+)\s*[,)=]|,?\s*\))/.exec(text);
  return list === null ? [] : [list[1], list[2] ?? ""];
}

/** A handler whose signature is not one that is served here, or not one that fits the request. */
export class SignatureError extends Error {
  /**
   * @param {string} message
   * @param {string} hint
   */
  constructor(message, hint) {
    super(message);
    this.name = "SignatureError";
    // The wrapper's own frames tell nothing.
    this.stack = `${this.name}: ${message}`;
    this.hint = hint;
  }
}

/**
 * Why a value that a handler of requests returned, although it did not answer, is a mistake.
 *
 * @param {unknown} value
 * @param {unknown[]} own the request and the response, which handlers return out of habit
 * @param {boolean} promised the handler returned a promise, so nothing else can be meant to answer later
 * @returns {SignatureError | undefined} none where the value may be by accident: `emitter.emit(…)`, a timer
 */
export function misreturned(value, own, promised) {
  if (value === undefined || value === null || own.includes(value)) return undefined;
  const foreign = foreignAnswer(value);
  if (foreign !== undefined) return foreign;
  const plain = isPlain(value);
  // An arrow function that files its response away for later: `(req, res) => waiting[id] = { res }`.
  if (plain && !promised && Object.values(/** @type {object} */ (value)).some((part) => own.includes(part))) return undefined;
  if (!promised && !plain && typeof value !== "string" && !ArrayBuffer.isView(value)) return undefined;
  const call = plain ? "res.json(value)" : "res.send(value)";
  const hint = `answer by the response: ${call}. This function takes (req, res), and what it returns is not sent`;
  return new SignatureError(`the handler returned ${nameOf(value)} and did not answer`, hint);
}

/**
 * @param {unknown} value
 * @param {{ anyJson?: boolean }} [how] `anyJson`: any object that JSON can write is a proper result
 * @returns {SignatureError | undefined} when the value is the answer of another platform's handlers
 */
export function foreignAnswer(value, { anyJson = false } = {}) {
  if (isWebResponse(value)) {
    return new SignatureError("the handler returned a Response, which is not sent", `its signature looks like the web standard's, (request) => Response: ${say("fetch")}; else ${INSTEAD}`);
  }
  if (anyJson || !isLambdaResult(value)) return undefined;
  const hint = `its signature looks like AWS Lambda's, (event, context) => ({ statusCode, body }): ${say("lambda")}; else ${INSTEAD}`;
  return new SignatureError("the handler returned { statusCode, … }, which is not sent", hint);
}

const INSTEAD = "write (req, res) and answer by res.status(…).send(…)";

/** @param {Signature} signature */
function say(signature) {
  return `say signature = "${signature}" in fnlocal.toml or in its config`;
}

/** @param {any} value of any realm, or of a polyfill */
function isWebResponse(value) {
  if (value === null || typeof value !== "object") return false;
  return Object.prototype.toString.call(value) === "[object Response]" && typeof value.arrayBuffer === "function";
}

/** @param {any} value */
function isLambdaResult(value) {
  if (!isPlain(value) || Array.isArray(value)) return false;
  const status = Number(value.statusCode);
  return Number.isInteger(status) && status >= 100 && status <= 599;
}

/** @param {unknown} value an array, or an object of no class */
export function isPlain(value) {
  if (value === null || typeof value !== "object") return false;
  if (Array.isArray(value)) return true;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** @param {unknown} value */
export function nameOf(value) {
  if (typeof value === "string") return "a text";
  if (Array.isArray(value)) return "an array";
  if (typeof value !== "object" || value === null) return `a ${typeof value}`;
  if (isPlain(value)) return "an object";
  const name = String(value.constructor?.name ?? "");
  return /^[\w$]{1,40}$/.test(name) ? `an object of class ${name}` : "an object";
}
