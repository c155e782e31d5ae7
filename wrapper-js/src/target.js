const HEADER = "x-fnlocal-target";

/**
 * Gives a request the target that its client sent, which the gateway tells beside one that is a URI where
 * it has characters such as a quotation mark.
 *
 * @param {import("node:http").IncomingMessage} req from the gateway, which lets no client send this header
 */
export function restoreTarget(req) {
  const { headers, rawHeaders } = req;
  const target = headers[HEADER];
  if (typeof target !== "string") return;
  req.url = target;
  delete headers[HEADER];
  const at = rawHeaders.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === HEADER);
  if (at >= 0) rawHeaders.splice(at, 2);
}
