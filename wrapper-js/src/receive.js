import { IncomingMessage } from "node:http";

/** Node's parser calls it with each piece of a body, and with null at the end. */
const { push } = IncomingMessage.prototype;

const DRAIN_MS = 5_000;

/** A request body that cannot be taken; `reason` and `status` go into the problem. */
export class BodyError extends Error {
  /**
   * @param {number} status
   * @param {string} reason
   * @param {string} message
   */
  constructor(status, reason, message) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/**
 * Takes a whole body and leaves the request unread: whoever reads its stream later, a parser of the
 * author's own for one, gets the same bytes.
 *
 * @param {IncomingMessage} req
 * @param {number} limit
 * @param {number} slowMs
 * @returns {Promise<Buffer>}
 */
export function receiveBody(req, limit, slowMs) {
  return new Promise((resolve, reject) => {
    /** @type {Buffer[]} */
    const chunks = [];
    let size = 0;
    /** @type {NodeJS.Timeout | undefined} */
    let slow;
    /** @param {Error | undefined} error */
    const finish = (error) => {
      clearTimeout(slow);
      req.push = push;
      req.off("error", finish).off("close", onClose);
      if (error === undefined) return resolve(putBack(req, chunks, size));
      if (error instanceof BodyError) drain(req);
      reject(error);
    };
    const onClose = () => finish(new Error("the client left before its body was complete"));
    if (Number(req.headers["content-length"]) > limit) return finish(tooLarge(limit));
    req.push = (chunk) => {
      if (chunk === null) finish(undefined);
      else if ((size += chunk.length) > limit) finish(tooLarge(limit));
      else chunks.push(chunk);
      return true;
    };
    req.on("error", finish).on("close", onClose);
    if (slowMs > 0) {
      slow = setTimeout(() => finish(new BodyError(408, "slow_request", `the body took longer than ${slowMs} ms`)), slowMs);
      slow.unref();
    }
  });
}

/**
 * @param {IncomingMessage} req
 * @param {Buffer[]} chunks
 * @param {number} size
 */
function putBack(req, chunks, size) {
  const whole = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size);
  if (size > 0) req.push(whole);
  req.push(null);
  return whole;
}

/**
 * Keeps what comes of a body until it is known who takes it.
 *
 * @param {IncomingMessage} req
 * @returns {() => void} hands it on, in order, to what takes the body by then
 */
export function keepBody(req) {
  /** @type {any[]} */
  const kept = [];
  const keep = (/** @type {any} */ chunk) => kept.push(chunk) > 0;
  req.push = keep;
  return () => {
    if (req.push === keep) req.push = push;
    for (const chunk of kept) req.push(chunk);
  };
}

/**
 * Holds a body that the handler reads by itself to a size. Bytes beyond it are thrown away, and the
 * reader gets an error.
 *
 * @param {IncomingMessage} req
 * @param {number} limit
 * @param {(error: BodyError) => void} refuse called once, when there is more
 */
export function holdTo(req, limit, refuse) {
  const over = () => {
    const error = tooLarge(limit);
    drain(req);
    refuse(error);
    // Not destroyed, which would close the connection before the client has read the answer.
    if (req.listenerCount("error") > 1) req.emit("error", error);
  };
  if (Number(req.headers["content-length"]) > limit) return over();
  let left = limit;
  req.push = (chunk, encoding) => {
    if (left < 0) return chunk === null ? push.call(req, null) : true;
    if (chunk === null || (left -= chunk.length) >= 0) return push.call(req, chunk, encoding);
    over();
    return true;
  };
}

/**
 * Lets the client finish sending, for a while: closing at once would reset the connection, and the
 * client would never read why.
 *
 * @param {IncomingMessage} req
 */
function drain(req) {
  req.on("error", () => {});
  req.resume();
  const timer = setTimeout(() => req.destroy(), DRAIN_MS).unref();
  req.on("end", () => clearTimeout(timer));
}

/** @param {number} limit */
export function tooLarge(limit) {
  return new BodyError(413, "body_too_large", `the body is larger than ${limit} bytes`);
}
