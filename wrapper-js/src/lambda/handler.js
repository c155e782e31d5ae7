import { currentInvocation } from "../context.js";
import { SignatureError } from "../signature.js";
import { property, textOf, textProperty } from "../thrown.js";
import { SERVER_ERROR, answerOf } from "./answer.js";
import { callHandler } from "./call.js";
import { makeContext } from "./context.js";
import { eventOf1, eventOf2 } from "./http-api.js";
import { readCall } from "./request.js";
import { callStreaming, isStreaming } from "./stream.js";
import { hasFailedItems, triggeredEvent } from "./triggers.js";

/**
 * Makes a Lambda handler one of requests: events in, results out, as API Gateway and Lambda's other
 * callers have them.
 *
 * @param {any} handler
 * @param {import("./context.js").LambdaFacts & { version: "1.0" | "2.0" }} facts
 * @returns {import("../functions.js").Handler}
 */
export function lambdaHandler(handler, facts) {
  return async (req, res) => {
    const requestId = currentInvocation()?.id ?? crypto.randomUUID();
    const context = makeContext(facts, requestId, Date.now());
    const triggered = triggeredEvent(req, facts.name, requestId);
    try {
      const event = triggered === undefined ? requestEvent(req, requestId, facts.version) : triggered.event;
      if (isStreaming(handler)) return await callStreaming(handler, event, context, res);
      const result = await callHandler(handler, event, context);
      if (hasFailedItems(req, result)) throw new SignatureError("the handler returned the message among its batchItemFailures", "the message is tried again");
      if (triggered !== undefined) sendPayload(res, result);
      else send(res, answerOf(result, facts.version));
    } catch (error) {
      if (res.headersSent) throw error;
      fail(res, error, triggered !== undefined);
    }
  };
}

/**
 * @param {any} req
 * @param {string} requestId
 * @param {"1.0" | "2.0"} version
 */
function requestEvent(req, requestId, version) {
  const call = readCall(req, requestId);
  return version === "1.0" ? eventOf1(call) : eventOf2(call);
}

/**
 * @param {any} res
 * @param {import("./answer.js").Answer} answer
 */
function send(res, { status, headers, body }) {
  const bodiless = status === 204 || status === 304 || status < 200;
  /** @type {string[]} */
  const length = bodiless ? [] : ["content-length", String(Buffer.byteLength(body))];
  res.writeHead(status, [...headers.flat(), ...length]);
  res.end(bodiless ? undefined : body);
}

/**
 * The result as Lambda's Invoke gives it.
 *
 * @param {any} res
 * @param {unknown} result
 */
function sendPayload(res, result) {
  const body = JSON.stringify(result ?? null) ?? "null";
  send(res, { status: 200, headers: [["content-type", "application/json"]], body });
}

/**
 * Answers a failure without its reason, which is in the log: API Gateway's answer to a request, Lambda's to
 * its other callers.
 *
 * @param {any} res
 * @param {unknown} error
 * @param {boolean} triggered
 */
function fail(res, error, triggered) {
  currentInvocation()?.report(error);
  if (res.destroyed || res.writableEnded) return;
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  const json = /** @type {[string, string][]} */ ([["content-type", "application/json"]]);
  if (!triggered) return send(res, { status: 502, headers: json, body: SERVER_ERROR });
  const errorMessage = textProperty(error, "message") ?? textOf(error);
  const body = JSON.stringify({ errorType: textProperty(error, "name") ?? "Error", errorMessage, trace: String(property(error, "stack") ?? "").split("\n") });
  send(res, { status: 500, headers: [...json, ["x-amz-function-error", "Unhandled"]], body });
}
