import { sendProblem } from "./problem.js";

/**
 * A CloudEvent as handlers get it: the attributes by their names, and the data.
 *
 * @typedef {{ specversion: string, id: string, source: string, type: string, data?: unknown, [attribute: string]: unknown }} CloudEvent
 * @typedef {(event: CloudEvent) => unknown} EventHandler
 */

const STRUCTURED = "application/cloudevents+json";
const BATCH = "application/cloudevents-batch+json";
const REQUIRED = ["id", "source", "type"];

/** A request that is no event. */
class EventError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Makes a handler of events one of requests. The return value is the answer: JSON, or nothing with 204.
 *
 * @param {EventHandler} handler
 * @returns {import("./functions.js").Handler}
 */
export function eventHandler(handler) {
  return async (req, res) => {
    let event;
    try {
      event = readEvent(req);
    } catch (error) {
      if (!(error instanceof EventError)) throw error;
      const hint = "send a CloudEvent 1.0, in binary or structured mode, or any POST with a body";
      return sendProblem(res, { status: error.status, reason: "bad_event", detail: error.message, hint });
    }
    const result = await handler(event);
    if (result === undefined || result === null) res.status(204).end();
    else res.json(result);
  };
}

/**
 * Reads a request as an event: HTTP binding 1.0, structured and binary mode. A request that is no event
 * becomes one, so that a client that only starts a job need not know about events.
 *
 * @param {any} req with its body parsed
 * @returns {CloudEvent}
 */
export function readEvent(req) {
  const type = mediaType(req);
  if (type === BATCH) throw new EventError(415, "batches of events are not taken: send them one by one");
  if (type === STRUCTURED) return fromStructured(req.body);
  if (type.startsWith("application/cloudevents")) throw new EventError(415, `events are not read from ${type}`);
  if (req.headers["ce-specversion"] !== undefined) return fromBinary(req, type);
  return {
    specversion: "1.0",
    id: String(req.headers["x-fnlocal-request-id"] ?? crypto.randomUUID()),
    source: req.baseUrl || "/",
    type: "dev.fnlocal.request",
    time: new Date().toISOString(),
    ...dataOf(req, type),
  };
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
 * @param {string} type
 */
function fromBinary(req, type) {
  /** @type {Record<string, unknown>} */
  const event = {};
  for (const [name, value] of Object.entries(req.headers)) {
    if (name.startsWith("ce-")) event[name.slice(3)] = decode(String(value));
  }
  return checked({ ...event, ...dataOf(req, type) });
}

/**
 * @param {any} req
 * @param {string} type
 */
function dataOf(req, type) {
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
function decode(value) {
  const plain = /^".*"$/s.test(value) ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
  return plain.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => Buffer.from(encoded.replaceAll("%", ""), "hex").toString());
}

/** @param {any} req */
function mediaType(req) {
  return String(req.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
}
