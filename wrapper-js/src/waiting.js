/**
 * Tells whether something could still answer although the handler's promise has settled: a stream piped
 * into the response, a listener on it, or one that reads the request's body.
 */
export class Waiting {
  /**
   * @param {import("node:http").IncomingMessage} req
   * @param {import("node:http").ServerResponse} res
   */
  constructor(req, res) {
    this.req = req;
    this.res = res;
    this.listeners = countListeners(res, ANSWERING);
    this.readers = countListeners(req, READING);
  }

  /** @returns {boolean} */
  canAnswer() {
    if (this.res.writableEnded) return false;
    if (countListeners(this.res, ANSWERING) > this.listeners) return true;
    return !this.req.readableEnded && countListeners(this.req, READING) > this.readers;
  }
}

const ANSWERING = ["unpipe", "drain", "finish", "close", "error", "prefinish"];
const READING = ["data", "end", "readable"];

/**
 * @param {import("node:events").EventEmitter} emitter
 * @param {string[]} events
 */
function countListeners(emitter, events) {
  let count = 0;
  for (const event of events) count += emitter.listenerCount(event);
  return count;
}
