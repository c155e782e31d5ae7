import { EventError, PLAIN_REQUEST, dataOf, fromBinary, idOf, isBinary, jsonObject, readEvent } from "./cloudevent.js";
import { backgroundOf, fromCloudEvent } from "./google-events.js";
import { sendProblem } from "./problem.js";
import { SignatureError, foreignAnswer } from "./signature.js";
import { isA } from "./thrown.js";

/** @typedef {import("./functions.js").Handler} Handler */

const BACKGROUND =
  "its second parameter is called context, so it is run as Google's first-generation (data, context): POST an event to it. " +
  'For requests write (req, res), or say signature = "http"; for AWS Lambda\'s (event, context) say signature = "lambda"';

/**
 * Makes a handler of events one of requests. The return value is the answer: JSON, or nothing with
 * 204.
 *
 * @param {(event: import("./cloudevent.js").CloudEvent) => unknown} handler
 * @param {boolean} said its author says that it takes events, so that what it returns can be any JSON
 * @returns {Handler}
 */
export function eventHandler(handler, said) {
  return taking(async (req, res) => {
    const result = await handler(readEvent(req, false));
    const foreign = foreignAnswer(result, { anyJson: said });
    if (foreign !== undefined) throw foreign;
    if (result === undefined || result === null) res.status(204).end();
    else res.json(result);
  });
}

/**
 * The same as Google's framework does it, for functions written for it: `(event)` or `(event, callback)`.
 *
 * @param {Function} handler
 * @param {boolean} callback
 * @returns {Handler}
 */
export function googleEventHandler(handler, callback) {
  return taking(async (req, res) => {
    const event = readEvent(req, true);
    const { traceparent } = req.headers;
    if (traceparent !== undefined) event.traceparent = traceparent;
    sendResult(res, await call(handler, [event], callback));
  });
}

/**
 * Google's first generation: `(data, context)` or `(data, context, callback)`.
 *
 * @param {Function} handler
 * @returns {Handler}
 */
export function backgroundHandler(handler) {
  return taking(async (req, res) => {
    const { data, context } = readBackground(req);
    const result = await call(handler, [data, context], handler.length > 2);
    const foreign = foreignAnswer(result);
    if (foreign !== undefined) throw foreign;
    sendResult(res, result);
  });
}

/**
 * Functions that Google's framework calls typed: one value in, one out, by a format that reads and writes.
 *
 * @param {{ handler: (input: any) => unknown, format: any }} typed
 * @returns {Handler}
 */
export function typedHandler({ handler, format }) {
  return taking(async (req, res) => {
    const text = isText(req) ? req.rawBody.toString() : req.rawBody;
    let input;
    try {
      input = await format.deserializeRequest({ body: () => text, header: (/** @type {string} */ name) => req.get(name) });
    } catch (error) {
      throw new EventError(400, `the request cannot be read: ${/** @type {Error} */ (error)?.message ?? error}`, "send what the function's format reads: JSON, unless it has another");
    }
    const output = await handler(input);
    const writer = {
      setHeader: (/** @type {string} */ key, /** @type {string} */ value) => void res.set(key, value),
      write: (/** @type {any} */ data) => void res.write(data),
      end: (/** @type {any} */ data) => void res.end(data),
    };
    await format.serializeResponse(writer, output);
  });
}

/** JSON, as Google's framework reads and writes it where a typed function names no format. */
export class JsonInvocationFormat {
  /** @param {{ body: () => unknown }} request */
  deserializeRequest(request) {
    const body = request.body();
    if (typeof body !== "string") throw new Error("Unsupported Content-Type, expected application/json");
    return JSON.parse(body);
  }

  /**
   * @param {{ setHeader: (key: string, value: string) => void, end: (data: string) => void }} writer
   * @param {unknown} response
   */
  serializeResponse(writer, response) {
    writer.setHeader("content-type", "application/json");
    writer.end(JSON.stringify(response));
  }
}

/**
 * Answers requests that are no event with the reason.
 *
 * @param {(req: any, res: any) => Promise<void>} run
 * @returns {Handler}
 */
function taking(run) {
  return async (req, res) => {
    try {
      await run(req, res);
    } catch (error) {
      if (!isA(error, EventError)) throw error;
      sendProblem(res, { status: error.status, reason: "bad_event", detail: error.message, hint: error.hint });
    }
  };
}

/**
 * @param {Function} handler
 * @param {unknown[]} values
 * @param {boolean} callback the handler tells its end by one more argument; a promise that it returns counts, too
 */
function call(handler, values, callback) {
  if (!callback) return handler(...values);
  return new Promise((resolve, reject) => {
    const done = (/** @type {unknown} */ error, /** @type {unknown} */ result) => (error ? reject(error) : resolve(result));
    const result = handler(...values, done);
    if (typeof result?.then === "function") result.then(resolve, reject);
  });
}

/**
 * Answers with a result as Google's framework does.
 *
 * @param {any} res
 * @param {unknown} result
 */
function sendResult(res, result) {
  if (result === undefined || result === null) return res.sendStatus(204);
  if (typeof result === "number") return res.json(result);
  try {
    res.send(result);
  } catch (error) {
    console.error(`the function's result cannot be sent: ${/** @type {Error} */ (error).message}`);
    res.sendStatus(204);
  }
}

/**
 * @param {any} req
 * @returns {import("./google-events.js").BackgroundEvent}
 */
function readBackground(req) {
  if (isBinary(req)) return fromCloudEvent(fromBinary(req));
  const body = jsonObject(req);
  const event = body && backgroundOf(body, req.url);
  if (event !== undefined) return event;
  const { data } = dataOf(req);
  if (data === undefined) throw new SignatureError("the handler takes (data, context), and the request has no event", BACKGROUND);
  // Any other body is the data of a job.
  return { data, context: { eventId: idOf(req), timestamp: new Date().toISOString(), eventType: PLAIN_REQUEST, resource: req.baseUrl || "/" } };
}

/** @param {any} req */
function isText(req) {
  return /^(?:application\/json|text\/plain)\b/i.test(req.headers["content-type"] ?? "");
}
