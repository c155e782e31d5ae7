import { STATUS_CODES } from "node:http";

/**
 * @typedef {object} Problem
 * @property {number} status
 * @property {string} reason
 * @property {string} [function]
 * @property {string} [request_id]
 * @property {string} [hint]
 * @property {string} [detail]
 * @property {string} [stack]
 */

/**
 * @param {Problem} problem
 * @returns {string} an `application/problem+json` body
 */
export function problemBody({ status, ...rest }) {
  return JSON.stringify({ type: "about:blank", title: STATUS_CODES[status] ?? "Error", status, ...rest });
}

/**
 * Answers with a problem, in place of whatever the handler had prepared.
 *
 * @param {import("node:http").ServerResponse} res
 * @param {Problem} problem
 */
export function sendProblem(res, problem) {
  if (res.headersSent || res.destroyed) return;
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  const body = problemBody(problem);
  res.statusCode = problem.status;
  res.statusMessage = STATUS_CODES[problem.status] ?? "Error";
  res.setHeader("content-type", "application/problem+json");
  res.setHeader("content-length", Buffer.byteLength(body));
  res.end(body);
}

/**
 * Answers an upgrade, where there is no response object, and closes.
 *
 * @param {import("node:stream").Duplex} socket
 * @param {Problem} problem
 */
export function sendRawProblem(socket, problem) {
  const body = problemBody(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n` +
      `content-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `connection: close\r\n\r\n${body}`,
  );
}
