import { ACCOUNT } from "./http-api.js";
import { region } from "./context.js";
import { decodeAttribute, isBinary } from "../cloudevent.js";

/**
 * The events that Lambda's other callers send: made of what fnlocal's triggers, clients' CloudEvents and
 * `fnlocal invoke --event` bring. `undefined` for a request, which API Gateway would bring.
 *
 * @param {any} req with its whole body in `rawBody`
 * @param {string} name the function's
 * @param {string} requestId
 * @returns {{ event: any } | undefined}
 */
export function triggeredEvent(req, name, requestId) {
  const { headers } = req;
  if (headers["x-fnlocal-event"] === "lambda") return { event: payloadOf(req) };
  const trigger = headers["x-fnlocal-trigger"];
  const attributes = attributesOf(req);
  if (trigger === "schedule") return { event: scheduledEvent(attributes, name, requestId) };
  if (trigger === "sqs") return { event: { Records: [sqsRecord(req, attributes)] } };
  if (trigger === "s3" || trigger === "folder") return { event: { Records: [s3Record(payloadOf(req), attributes)] } };
  if (attributes !== undefined) return { event: busEvent(attributes, payloadOf(req)) };
  return trigger === undefined ? undefined : { event: payloadOf(req) };
}

/**
 * The body as Lambda's own Invoke takes it: JSON, or else a text.
 *
 * @param {any} req
 */
function payloadOf({ rawBody, structured }) {
  if (structured !== undefined) return structured.data;
  if (!rawBody?.length) return {};
  const text = rawBody.toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * @param {any} req
 * @returns {Record<string, string> | undefined} those of a CloudEvent, in binary or structured mode
 */
function attributesOf(req) {
  if (isBinary(req)) {
    const named = Object.entries(req.headers).filter(([name]) => name.startsWith("ce-"));
    return Object.fromEntries(named.map(([name, value]) => [name.slice(3), decodeAttribute(String(value))]));
  }
  if (!/^application\/cloudevents\+json\b/i.test(req.headers["content-type"] ?? "")) return undefined;
  const event = payloadOf(req);
  if (event === null || typeof event !== "object" || typeof event.specversion !== "string") return undefined;
  req.structured = event;
  return event;
}

/**
 * @param {Record<string, string> | undefined} attributes
 * @param {string} name
 * @param {string} requestId
 */
function scheduledEvent(attributes, name, requestId) {
  return {
    version: "0",
    id: attributes?.id ?? requestId,
    "detail-type": "Scheduled Event",
    source: "aws.events",
    account: ACCOUNT,
    time: secondsOf(attributes?.time),
    region: region(),
    resources: [`arn:aws:events:${region()}:${ACCOUNT}:rule/${name}`],
    detail: {},
  };
}

/**
 * An event on EventBridge's bus, as a CloudEvent is put there.
 *
 * @param {Record<string, string>} attributes
 * @param {any} data
 */
function busEvent({ id, type, source, subject, time }, data) {
  return {
    version: "0",
    id,
    "detail-type": type,
    source,
    account: ACCOUNT,
    time: secondsOf(time),
    region: region(),
    resources: subject === undefined ? [] : [subject],
    detail: data !== null && typeof data === "object" ? data : { data },
  };
}

/**
 * @param {any} req
 * @param {Record<string, string> | undefined} attributes
 */
function sqsRecord({ rawBody, headers }, attributes) {
  const queue = attributes?.source ?? "";
  const name = queue.slice(queue.lastIndexOf("/") + 1);
  const where = /^https?:\/\/sqs\.([\w-]+)\.amazonaws\./.exec(queue)?.[1] ?? region();
  const account = /\/(\d{12})\/[^/]+$/.exec(queue)?.[1] ?? ACCOUNT;
  const sent = String(Date.parse(attributes?.time ?? "") || Date.now());
  const { createHash } = process.getBuiltinModule("node:crypto");
  return {
    messageId: attributes?.id ?? "",
    receiptHandle: attributes?.id ?? "",
    body: rawBody?.toString() ?? "",
    attributes: {
      ApproximateReceiveCount: String(headers["x-fnlocal-attempt"] ?? 1),
      SentTimestamp: sent,
      SenderId: account,
      ApproximateFirstReceiveTimestamp: sent,
    },
    messageAttributes: {},
    md5OfBody: createHash("md5").update(rawBody ?? "").digest("hex"),
    eventSource: "aws:sqs",
    eventSourceARN: `arn:aws:sqs:${where}:${account}:${name}`,
    awsRegion: where,
  };
}

/**
 * A record of a bucket's notification; what a folder's event lacks of one is added.
 *
 * @param {any} data
 * @param {Record<string, string> | undefined} attributes
 */
function s3Record(data, attributes) {
  const bucket = data?.s3?.bucket ?? {};
  return {
    eventVersion: "2.1",
    awsRegion: region(),
    eventTime: attributes?.time ?? new Date().toISOString(),
    userIdentity: { principalId: "fnlocal" },
    requestParameters: { sourceIPAddress: "127.0.0.1" },
    responseElements: {},
    ...data,
    eventSource: "aws:s3",
    s3: {
      s3SchemaVersion: "1.0",
      configurationId: "fnlocal",
      ...data?.s3,
      bucket: { ownerIdentity: { principalId: "fnlocal" }, arn: `arn:aws:s3:::${bucket.name}`, ...bucket },
    },
  };
}

/**
 * Lambda's partial failure of a batch: a batch has one message here.
 *
 * @param {any} req
 * @param {any} result
 */
export function hasFailedItems(req, result) {
  return req.headers["x-fnlocal-trigger"] === "sqs" && Array.isArray(result?.batchItemFailures) && result.batchItemFailures.length > 0;
}

/** @param {string | undefined} time without fractions of a second, as EventBridge has it */
function secondsOf(time) {
  const at = new Date(time ?? Date.now());
  return `${(Number.isNaN(at.getTime()) ? new Date() : at).toISOString().slice(0, 19)}Z`;
}
