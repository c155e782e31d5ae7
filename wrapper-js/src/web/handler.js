import { webContext } from "./context.js";
import { webRequest } from "./request.js";
import { sendResponse } from "./response.js";

/** Names of exports that answer one method each. */
export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/**
 * A handler `(request, context) => Response`.
 *
 * @param {Function} handler
 * @returns {import("../functions.js").Handler}
 */
export function requestHandler(handler) {
  return async (req, res) => sendResponse(res, await handler(webRequest(req, res, req.originalUrl), webContext(req)));
}

/**
 * An object with `fetch(request, env, ctx)`, and perhaps `scheduled(controller, env, ctx)`.
 *
 * @param {any} owner
 * @param {boolean} mounted it sees paths without the function's name, as an app does
 * @returns {import("../functions.js").Handler}
 */
export function fetchHandler(owner, mounted) {
  /** @type {Record<string, string | undefined> | undefined} */
  let variables;
  return async (req, res) => {
    variables ??= { ...process.env };
    const ctx = webContext(req);
    if (req.headers["x-fnlocal-trigger"] === "schedule" && typeof owner.scheduled === "function") {
      await owner.scheduled(controllerOf(req), variables, ctx);
      return void res.writeHead(204).end();
    }
    const request = webRequest(req, res, mounted ? req.url : req.originalUrl);
    await sendResponse(res, await owner.fetch(request, variables, ctx));
  };
}

/**
 * Handlers by method. HEAD is answered by GET, OPTIONS by the list, and the rest with 405.
 *
 * @param {Record<string, Function>} handlers
 * @returns {import("../functions.js").Handler}
 */
export function methodsHandler(handlers) {
  const known = new Set(Object.keys(handlers));
  if (known.has("GET")) known.add("HEAD");
  known.add("OPTIONS");
  const allow = METHODS.filter((method) => known.has(method)).join(", ");
  return async (req, res) => {
    const handler = handlers[req.method] ?? (req.method === "HEAD" ? handlers.GET : undefined);
    if (handler !== undefined) return sendResponse(res, await handler(webRequest(req, res, req.originalUrl), webContext(req)));
    if (req.method === "OPTIONS") return void res.writeHead(204, { allow }).end();
    const body = JSON.stringify({ type: "about:blank", title: "Method Not Allowed", status: 405, reason: "method", detail: `${req.method} is not one of ${allow}` });
    res.writeHead(405, { allow, "content-type": "application/problem+json", "content-length": Buffer.byteLength(body) }).end(body);
  };
}

/**
 * Cloudflare's controller of a scheduled run.
 *
 * @param {any} req
 */
function controllerOf(req) {
  const at = Date.parse(String(req.headers["ce-time"] ?? ""));
  return { scheduledTime: Number.isNaN(at) ? Date.now() : at, cron: "", type: "scheduled", noRetry: () => {} };
}
