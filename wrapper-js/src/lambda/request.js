/**
 * The common parts of API Gateway's two formats of an event, read from a request.
 *
 * @typedef {object} Call
 * @property {string} method
 * @property {string} path percent-decoded, as an HTTP API gives it
 * @property {string} query as the client sent it, without the question mark
 * @property {[string, string][]} headers with names in lower case, sorted, without cookies
 * @property {string[]} cookies
 * @property {string | undefined} body
 * @property {boolean} base64
 * @property {string} routeKey
 * @property {Record<string, string> | undefined} params of the route's path
 * @property {string} host
 * @property {string} sourceIp
 * @property {string} protocol
 * @property {string} requestId
 * @property {Date} at
 */

/** Media types whose bodies an HTTP API hands on as text; all others, and none, are base64. */
const TEXT = /^(?:text\/[^;\s]+|application\/(?:json|xml|javascript))\s*(?:;|$)/i;

/** Headers between the gateway and an instance that no client sent. */
const OWN = /^x-fnlocal-|^x-forwarded-host$|^(?:connection|transfer-encoding|keep-alive)$/;

export const ROUTE = "x-fnlocal-route";
export const PARAMS = "x-fnlocal-params";

/**
 * @param {any} req with its whole body in `rawBody`
 * @param {string} requestId
 * @returns {Call}
 */
export function readCall(req, requestId) {
  const url = /** @type {string} */ (req.originalUrl ?? req.url);
  const question = url.indexOf("?");
  const path = question < 0 ? url : url.slice(0, question);
  /** @type {Map<string, string>} */
  const headers = new Map();
  /** @type {string[]} */
  const cookies = [];
  for (let index = 0; index < req.rawHeaders.length; index += 2) {
    const name = req.rawHeaders[index].toLowerCase();
    const value = req.rawHeaders[index + 1];
    if (name === "cookie") cookies.push(...value.split(/;\s*/).filter(Boolean));
    else if (!OWN.test(name)) headers.set(name, headers.has(name) ? `${headers.get(name)},${value}` : value);
  }
  const base64 = !TEXT.test(headers.get("content-type") ?? "") || headers.has("content-encoding");
  const raw = /** @type {Buffer | undefined} */ (req.rawBody);
  const body = raw?.length ? raw.toString(base64 ? "base64" : "utf8") : undefined;
  return {
    method: req.method,
    path: decodePath(path),
    query: question < 0 ? "" : url.slice(question + 1),
    headers: [...headers].sort(([one], [other]) => (one < other ? -1 : 1)),
    cookies,
    body,
    base64: body !== undefined && base64,
    routeKey: req.headers[ROUTE] ?? "$default",
    params: readParams(req.headers[PARAMS]),
    host: (headers.get("host") ?? "localhost").replace(/:\d+$/, ""),
    sourceIp: addressOf(headers.get("x-forwarded-for"), req.socket?.remoteAddress),
    protocol: `HTTP/${req.httpVersion}`,
    requestId,
    at: new Date(),
  };
}

/**
 * The values of each key of a query, decoded, in their order.
 *
 * @param {string} query
 * @returns {Map<string, string[]>}
 */
export function readQuery(query) {
  /** @type {Map<string, string[]>} */
  const all = new Map();
  for (const [key, value] of new URLSearchParams(query)) {
    const values = all.get(key);
    if (values === undefined) all.set(key, [value]);
    else values.push(value);
  }
  return all;
}

/**
 * The parameters of a route's path, which the gateway sends as a query.
 *
 * @param {string | undefined} header
 * @returns {Record<string, string> | undefined}
 */
export function readParams(header) {
  if (header === undefined) return undefined;
  const params = Object.fromEntries(new URLSearchParams(header));
  return Object.keys(params).length > 0 ? params : undefined;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * A time in the form of Apache's log, in UTC: `12/Mar/2020:19:03:58 +0000`.
 *
 * @param {Date} at
 */
export function logTime(at) {
  const [date, time] = at.toISOString().split("T");
  const [year, month, day] = date.split("-");
  return `${day}/${MONTHS[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000`;
}

/** @param {string} path what is no percent-encoding stays as it is */
function decodePath(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/**
 * @param {string | undefined} forwarded the gateway appends the client's address
 * @param {string | undefined} peer
 */
function addressOf(forwarded, peer) {
  const last = forwarded?.split(",").at(-1)?.trim();
  return (last || peer || "127.0.0.1").replace(/^::ffff:/, "");
}
