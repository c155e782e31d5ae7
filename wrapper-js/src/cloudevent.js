import { backgroundOf, toCloudEvent } from "./google-events.js";

/**
 * A CloudEvent as handlers get it: the attributes by their names, and the data.
 *
 * @typedef {{ specversion: string, id: string, source: string, type: string, data?: unknown, [attribute: string]: unknown }} CloudEvent
 */

const STRUCTURED = "application/cloudevents+json";
const BATCH = "application/cloudevents-batch+json";
const REQUIRED = ["id", "source", "type"];

/** A request that is no event. */
export class EventError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {string} [hint]
   */
  constructor(status, message, hint = "send a CloudEvent 1.0, in binary or structured mode, or any POST with a body") {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/**
 * Reads a request as an event: HTTP binding 1.0, structured and binary mode, or one of Google's older
 * events. A request that is no event becomes one, so that a client that wants to start a job need
 * not know about events.
 *
 * @param {any} req with its body parsed
 * @param {boolean} bare any JSON object is the event itself, as for Google's framework
 * @returns {CloudEvent}
 */
export function readEvent(req, bare) {
  const type = mediaType(req);
  if (type === BATCH) throw new EventError(415, "batches of events are not taken: send them one by one");
  if (type === STRUCTURED) return fromStructured(req.body);
  if (type.startsWith("application/cloudevents")) throw new EventError(415, `events are not read from ${type}`);
  if (isBinary(req)) return fromBinary(req, type);
  const body = jsonObject(req, type);
  if (body !== undefined) {
    const background = backgroundOf(body, req.url);
    const converted = background && toCloudEvent(background);
    if (converted !== undefined) return converted;
    if (typeof body.specversion === "string") return fromStructured(body);
    if (bare) return body;
    // A job's own data may well have these three.
    if (REQUIRED.every((name) => typeof body[name] === "string") && "data" in body) return fromStructured({ specversion: "1.0", ...body });
  }
  return {
    specversion: "1.0",
    id: idOf(req),
    source: req.baseUrl || "/",
    type: PLAIN_REQUEST,
    time: new Date().toISOString(),
    ...dataOf(req, type),
  };
}

/** The type of events made of requests that are none. */
export const PLAIN_REQUEST = "dev.fnlocal.request";

/** @param {any} req */
export function idOf(req) {
  return String(req.headers["x-fnlocal-request-id"] ?? crypto.randomUUID());
}

/** @param {any} req */
export function isBinary(req) {
  return req.headers["ce-specversion"] !== undefined;
}

/**
 * @param {any} req
 * @param {string} [type]
 * @returns {any} the body if it is one JSON object
 */
export function jsonObject(req, type = mediaType(req)) {
  const { body, rawBody } = req;
  if (!rawBody?.length || (type !== "application/json" && type !== STRUCTURED)) return undefined;
  return body !== null && typeof body === "object" && !Array.isArray(body) ? body : undefined;
}

/** @param {any} body */
function fromStructured(body) {
  if (body === null || typeof body !== "object" || Array.isArray(body)) throw new EventError(400, "the event is no JSON object");
  const { data_base64, ...event } = body;
  if (data_base64 !== undefined) {
    if (typeof data_base64 !== "string") throw new EventError(400, "data_base64 is no text");
    if (event.data !== undefined) throw new EventError(400, "the event has both data and data_base64");
    event.data = Buffer.from(data_base64, "base64");
  }
  return checked(event);
}

/**
 * @param {any} req
 * @param {string} [type]
 * @returns {CloudEvent}
 */
export function fromBinary(req, type = mediaType(req)) {
  /** @type {Record<string, unknown>} */
  const event = {};
  for (const [name, value] of Object.entries(req.headers)) {
    if (name.startsWith("ce-")) event[name.slice(3)] = decodeAttribute(String(value));
  }
  return checked({ ...event, ...dataOf(req, type) });
}

/**
 * @param {any} req
 * @param {string} [type]
 * @returns {{ data?: any, datacontenttype?: string }}
 */
export function dataOf(req, type = mediaType(req)) {
  if (req.rawBody === undefined || req.rawBody.length === 0) return {};
  return { datacontenttype: req.headers["content-type"], data: type.endsWith("+json") ? parse(req.rawBody) : req.body };
}

/** @param {Buffer} raw */
function parse(raw) {
  try {
    return JSON.parse(raw.toString());
  } catch (error) {
    throw new EventError(400, `the data is no valid JSON: ${/** @type {Error} */ (error).message}`);
  }
}

/**
 * @param {any} event
 * @returns {CloudEvent}
 */
function checked(event) {
  if (event.specversion !== "1.0") throw new EventError(400, `the event's specversion is ${JSON.stringify(event.specversion)}, not "1.0"`);
  for (const name of REQUIRED) {
    if (typeof event[name] !== "string" || event[name] === "") throw new EventError(400, `the event has no ${name}`);
  }
  return event;
}

/**
 * HTTP binding, 3.1.3.2: headers are percent-encoded UTF-8, and may be quoted.
 *
 * @param {string} value
 */
export function decodeAttribute(value) {
  const plain = /^".*"$/s.test(value) ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
  return plain.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => Buffer.from(encoded.replaceAll("%", ""), "hex").toString());
}

/** @param {any} req */
function mediaType(req) {
  return String(req.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
}
