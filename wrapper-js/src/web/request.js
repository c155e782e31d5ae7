import { Readable } from "node:stream";

const BODILESS = new Set(["GET", "HEAD"]);

/**
 * The web standard's view of a request. Its signal is aborted when the client leaves.
 *
 * @param {any} req
 * @param {any} res
 * @param {string} target path and query that the handler sees
 * @returns {Request}
 */
export function webRequest(req, res, target) {
  const headers = new Headers();
  for (let index = 0; index < req.rawHeaders.length; index += 2) {
    const name = req.rawHeaders[index];
    if (!/^x-fnlocal-/i.test(name)) headers.append(name, req.rawHeaders[index + 1]);
  }
  const left = new AbortController();
  res.on("close", () => {
    if (!res.writableFinished) left.abort(new DOMException("the client left", "AbortError"));
  });
  const hasBody = !BODILESS.has(req.method) && (req.headers["content-length"] ?? "0") + (req.headers["transfer-encoding"] ?? "") !== "0";
  /** @type {any} */
  const init = { method: req.method, headers, signal: left.signal };
  if (hasBody) Object.assign(init, { body: Readable.toWeb(req), duplex: "half" });
  return new Request(urlOf(req, target), init);
}

/**
 * @param {any} req
 * @param {string} target
 */
function urlOf(req, target) {
  const protocol = String(req.headers["x-forwarded-proto"] ?? "http").split(",")[0].trim();
  const base = `${protocol === "https" ? "https" : "http"}://`;
  const host = req.headers["x-forwarded-host"] ?? req.headers.host;
  // A target that begins with two slashes is a path, not a host.
  return URL.canParse(`${base}${host}${target}`) ? `${base}${host}${target}` : `${base}localhost${target}`;
}
