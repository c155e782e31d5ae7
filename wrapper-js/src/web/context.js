import { currentInvocation } from "../context.js";
import { PARAMS, readParams } from "../lambda/request.js";

/**
 * The arguments that web-standard platforms hand a handler besides the request: `waitUntil` of Cloudflare's `ctx`, and
 * what Netlify's and Next's `context` have of a request's place.
 *
 * @param {any} req
 */
export function webContext(req) {
  const invocation = currentInvocation();
  return {
    waitUntil: (/** @type {unknown} */ promise) => void invocation?.waitUntil(promise),
    passThroughOnException: () => {},
    props: {},
    params: readParams(req.headers[PARAMS]) ?? {},
    requestId: invocation?.id ?? "",
    ip: String(req.headers["x-forwarded-for"] ?? req.socket?.remoteAddress ?? "").split(",").at(-1)?.trim() ?? "",
  };
}
