import { validateHeaderName, validateHeaderValue } from "node:http";
import { SignatureError } from "../signature.js";

/**
 * The answer that API Gateway makes of a Lambda handler's result.
 *
 * @typedef {{ status: number, headers: [string, string][], body: string | Buffer }} Answer
 */

/** Headers that belong to the connection or follow from the body. */
const DROPPED = new Set(["connection", "content-length", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);

/** The answer to a result of a wrong shape, and to a handler that failed. */
export const SERVER_ERROR = JSON.stringify({ message: "Internal Server Error" });

const SHAPE = 'return { statusCode: 200, headers: { … }, body: "text" }, or any JSON without statusCode';

/**
 * @param {any} result
 * @param {"1.0" | "2.0"} version the format of the event; 1.0 infers nothing
 * @returns {Answer}
 * @throws {SignatureError} for a result of a wrong shape
 */
export function answerOf(result, version) {
  if (result !== null && typeof result === "object" && !Array.isArray(result) && "statusCode" in result) {
    return { ...headOf(result, version), body: bodyOf(result) };
  }
  if (version === "1.0") throw wrong("the handler's result has no statusCode, which format 1.0 requires");
  const body = typeof result === "string" ? result : jsonOf(result ?? null);
  return { status: 200, headers: [["content-type", "application/json"]], body };
}

/**
 * Status and headers of a result, or of a streamed answer's prelude.
 *
 * @param {any} result
 * @param {"1.0" | "2.0"} version
 * @param {string} [type] the media type of an answer that names none
 * @returns {{ status: number, headers: [string, string][] }}
 */
export function headOf({ statusCode, headers, multiValueHeaders, cookies }, version, type = version === "1.0" ? "application/json" : "text/plain;charset=UTF-8") {
  const status = typeof statusCode === "string" && /^\d{3}$/.test(statusCode) ? Number(statusCode) : statusCode;
  if (!Number.isInteger(status) || status < 100 || status > 599) throw wrong("the result's statusCode is no number from 100 to 599");
  const many = pairs(multiValueHeaders, "multiValueHeaders").flatMap(([name, values]) => {
    if (!Array.isArray(values)) throw wrong(`the result's multiValueHeaders.${name} is no list`);
    return values.map((value) => one(name, value, "multiValueHeaders"));
  });
  const given = new Set(many.map(([name]) => name.toLowerCase()));
  const single = pairs(headers, "headers").filter(([name]) => !given.has(name.toLowerCase()));
  const all = [...single.map(([name, value]) => one(name, value, "headers")), ...many];
  const kept = all.filter(([name]) => !DROPPED.has(name.toLowerCase()));
  if (cookies !== undefined && cookies !== null) {
    if (!Array.isArray(cookies)) throw wrong("the result's cookies are no list of texts");
    kept.push(...cookies.map((cookie) => one("set-cookie", cookie, "cookies")));
  }
  const typed = kept.some(([name]) => name.toLowerCase() === "content-type");
  if (!typed && status !== 204 && status !== 304) kept.push(["content-type", type]);
  return { status, headers: kept };
}

/** @param {any} result */
function bodyOf({ body, isBase64Encoded }) {
  if (isBase64Encoded !== undefined && isBase64Encoded !== null && typeof isBase64Encoded !== "boolean") {
    throw wrong("the result's isBase64Encoded is neither true nor false");
  }
  if (body === undefined || body === null) return "";
  if (typeof body !== "string") throw wrong(`the result's body is ${Array.isArray(body) ? "a list" : `a value of type ${typeof body}`}, not a text`, "write body: JSON.stringify(…)");
  return isBase64Encoded === true ? Buffer.from(body, "base64") : body;
}

/**
 * @param {any} object
 * @param {string} name
 * @returns {[string, any][]}
 */
function pairs(object, name) {
  if (object === undefined || object === null) return [];
  if (typeof object !== "object" || Array.isArray(object)) throw wrong(`the result's ${name} are no object`);
  return Object.entries(object).filter(([, value]) => value !== undefined && value !== null);
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {string} where
 * @returns {[string, string]}
 */
function one(name, value, where) {
  if (!["string", "number", "boolean"].includes(typeof value)) throw wrong(`the result's ${where} have a ${name} that is no text`, "several values of a header stand in multiValueHeaders, as a list");
  const text = String(value);
  try {
    validateHeaderName(name);
    validateHeaderValue(name, text);
  } catch (error) {
    throw wrong(`the result's ${where} cannot be sent: ${/** @type {Error} */ (error).message}`);
  }
  return [name, text];
}

/** @param {unknown} value */
function jsonOf(value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw wrong(`the handler's result cannot be written as JSON: ${/** @type {Error} */ (error).message}`);
  }
  if (text === undefined) throw wrong(`the handler's result is a ${typeof value}, which is no JSON`);
  return text;
}

/**
 * @param {string} message
 * @param {string} [hint]
 */
function wrong(message, hint = SHAPE) {
  return new SignatureError(message, hint);
}
