import { Readable } from "node:stream";
import { SignatureError } from "../signature.js";

/** Statuses whose responses have no body. */
const BODILESS = new Set([101, 204, 205, 304]);

const TOLD = "return a Response: new Response(…), Response.json(…) or Response.redirect(…)";

/**
 * Sends a web-standard response, streaming its body.
 *
 * @param {any} res
 * @param {any} response of any realm, or of a polyfill
 */
export async function sendResponse(res, response) {
  if (!isResponse(response)) {
    const what = response === undefined ? "nothing" : response === null ? "null" : `a value of type ${typeof response}`;
    throw new SignatureError(`the handler returned ${what} and no Response`, TOLD);
  }
  const { body } = response;
  if (res.destroyed) return void (await body?.cancel?.().catch?.(() => {}));
  res.writeHead(...headOf(response));
  const silent = res.req.method === "HEAD" || BODILESS.has(response.status);
  if (body === null || body === undefined || silent) {
    res.end();
    await body?.cancel?.().catch?.(() => {});
    return;
  }
  res.flushHeaders();
  // Loaded only now: every start would pay for it.
  const { pipeline } = process.getBuiltinModule("node:stream/promises");
  try {
    await pipeline(typeof body.getReader === "function" ? Readable.fromWeb(body) : body, res);
  } catch (error) {
    // The client left, which is no failure of the handler.
    if (/** @type {any} */ (error)?.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}

/**
 * @param {any} response
 * @returns {[number, ...any[]]}
 */
function headOf({ status, statusText, headers }) {
  /** @type {string[]} */
  const raw = [];
  for (const [name, value] of headers) {
    if (!/^(?:set-cookie|connection|keep-alive|transfer-encoding)$/i.test(name)) raw.push(name, value);
  }
  const cookies = headers.getSetCookie?.() ?? [];
  for (const cookie of cookies) raw.push("set-cookie", cookie);
  return statusText ? [status, statusText, raw] : [status, raw];
}

/** @param {any} value */
export function isResponse(value) {
  if (value === null || typeof value !== "object") return false;
  return value instanceof Response || (Number.isInteger(value.status) && typeof value.headers?.get === "function" && typeof value.arrayBuffer === "function");
}
