import { ACCOUNT } from "./http-api.js";

/**
 * The facts that Lambda tells of a function besides the event.
 *
 * @typedef {object} LambdaFacts
 * @property {string} name the function's
 * @property {number} memoryMib
 * @property {number} timeoutMs
 */

export const VERSION = "$LATEST";

/** The names of an instance's log, one for its life. */
let stream = "";

/** @returns {string} */
export function region() {
  return process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || "us-east-1";
}

/** @param {string} name */
export function functionArn(name) {
  return `arn:aws:lambda:${region()}:${ACCOUNT}:function:${name}`;
}

/** @param {string} name */
export function logGroup(name) {
  return `/aws/lambda/${name}`;
}

export function logStream() {
  stream ||= `${new Date().toISOString().slice(0, 10).replaceAll("-", "/")}/[${VERSION}]${crypto.randomUUID().replaceAll("-", "")}`;
  return stream;
}

/**
 * The context object of one invocation.
 *
 * @param {LambdaFacts} facts
 * @param {string} requestId
 * @param {number} startedAt in ms since 1970
 */
export function makeContext({ name, memoryMib, timeoutMs }, requestId, startedAt) {
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: name,
    functionVersion: VERSION,
    invokedFunctionArn: functionArn(name),
    memoryLimitInMB: String(memoryMib),
    awsRequestId: requestId,
    logGroupName: logGroup(name),
    logStreamName: logStream(),
    identity: undefined,
    clientContext: undefined,
    getRemainingTimeInMillis: () => Math.max(0, startedAt + timeoutMs - Date.now()),
  };
}
