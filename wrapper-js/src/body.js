import { BodyError, receiveBody, tooLarge } from "./receive.js";

const EMPTY = Buffer.alloc(0);

/**
 * @param {import("node:http").IncomingMessage} req
 * @returns {boolean}
 */
export function hasBody(req) {
  const length = req.headers["content-length"];
  return length === undefined ? req.headers["transfer-encoding"] !== undefined : length !== "0";
}

/**
 * Sets what functions-framework gives a request without a body.
 *
 * @param {any} req
 */
export function setEmptyBody(req) {
  req.body = {};
  req.rawBody = EMPTY;
}

/**
 * Reads and parses the body into `req.body` and `req.rawBody`.
 *
 * @param {any} req
 * @param {{ limit: number, slowMs: number, anyJson?: boolean }} bounds `anyJson` takes numbers and texts, too
 * @returns {Promise<void>} fails with a BodyError, or with the stream's error when the client left
 */
export async function parseBody(req, { limit, slowMs, anyJson = false }) {
  const received = await receiveBody(req, limit, slowMs);
  const encoding = codingOf(req.headers["content-encoding"]);
  const raw = encoding === "identity" ? received : await decompress(received, encoding, limit);
  req.rawBody = raw;
  const header = req.headers["content-type"] ?? "";
  const semicolon = header.indexOf(";");
  const type = (semicolon < 0 ? header : header.slice(0, semicolon)).trim().toLowerCase();
  if (type === "application/json" || type === "application/cloudevents+json") {
    req.body = parseJson(decode(raw, header), anyJson);
  } else if (type === "application/x-www-form-urlencoded") {
    req.body = await parseForm(decode(raw, header));
  } else if (type === "text/plain") {
    req.body = decode(raw, header);
  } else {
    req.body = raw;
  }
}

/**
 * @param {string} [header]
 * @returns {string} the coding by its usual name: names have no case, and some have another (RFC 9110, 8.4.1)
 */
function codingOf(header = "") {
  const names = header.toLowerCase().split(",").map((name) => name.trim());
  const coding = names.filter((name) => name !== "" && name !== "identity").join(", ");
  return coding === "" ? "identity" : coding.replace(/^x-gzip$/, "gzip");
}

/**
 * @param {Buffer} raw
 * @param {string} encoding
 * @param {number} limit
 * @returns {Promise<Buffer>}
 */
async function decompress(raw, encoding, limit) {
  const zlib = process.getBuiltinModule("node:zlib");
  /** @type {Map<string, any>} */
  const known = new Map([["gzip", zlib.gunzip], ["deflate", zlib.inflate], ["br", zlib.brotliDecompress]]);
  const unzip = known.get(encoding);
  if (unzip === undefined) throw new BodyError(415, "bad_body", `content-encoding ${encoding} is not supported`);
  return new Promise((resolve, reject) => {
    unzip(raw, { maxOutputLength: limit }, (/** @type {Error | null} */ error, /** @type {Buffer} */ result) => {
      if (error === null) resolve(result);
      else if (/** @type {NodeJS.ErrnoException} */ (error).code === "ERR_BUFFER_TOO_LARGE") reject(tooLarge(limit));
      else reject(new BodyError(400, "bad_body", `the body is no valid ${encoding}: ${error.message}`));
    });
  });
}

/**
 * @param {Buffer} raw
 * @param {string} header
 * @returns {string}
 */
function decode(raw, header) {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(header)?.[1] ?? "utf-8";
  if (/^utf-?8$/i.test(charset)) return raw.toString("utf8");
  try {
    return new TextDecoder(charset).decode(raw);
  } catch {
    throw new BodyError(415, "bad_body", `charset ${charset} is not supported`);
  }
}

/**
 * Like Express: an empty body is an empty object, and only objects and arrays are taken.
 *
 * @param {string} text
 * @param {boolean} any
 */
function parseJson(text, any) {
  if (text.length === 0) return {};
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BodyError(400, "bad_body", `the body is no valid JSON: ${/** @type {Error} */ (error).message}`);
  }
  if (any || (typeof value === "object" && value !== null)) return value;
  throw new BodyError(400, "bad_body", "the JSON body must be an object or an array");
}

/** @param {string} text */
async function parseForm(text) {
  if (text.length === 0) return {};
  const { default: qs } = await import("qs");
  try {
    return qs.parse(text, { allowPrototypes: true, arrayLimit: 100, depth: 32, strictDepth: true, parameterLimit: 1000 });
  } catch (error) {
    throw new BodyError(400, "bad_body", `the form is not valid: ${/** @type {Error} */ (error).message}`);
  }
}
