import { ownConnections } from "./connections.js";

/** Long enough for work Node does not list among its resources, such as hashing and compressing. */
const GRACE_MS = 50;

/**
 * Tells whether something could still answer after a handler has returned without answering.
 * An async handler says so by its promise; a callback-style one leaves only traces: a stream piped
 * into the response, a listener on it, a timer or a socket that was not there before.
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
    this.resources = tally();
  }

  /** @returns {boolean} */
  forListeners() {
    if (this.res.writableEnded) return false;
    if (countListeners(this.res, ANSWERING) > this.listeners) return true;
    return !this.req.readableEnded && countListeners(this.req, READING) > this.readers;
  }

  /** @param {(canAnswer: boolean) => void} done */
  decide(done) {
    if (this.forListeners()) return done(true);
    // Promises nobody returned run first: they may answer, or begin what will.
    looking += 1;
    setImmediate(() => {
      looking -= 1;
      if (this.res.writableEnded || this.forListeners() || this.#moreResources()) return done(true);
      setTimeout(() => done(this.res.writableEnded || this.forListeners() || this.#moreResources()), GRACE_MS).unref();
    });
  }

  #moreResources() {
    return [...tally()].some(([kind, count]) => !OWN.has(kind) && count > (this.resources.get(kind) ?? 0));
  }
}

/** Writes and connects of this server's own, which come and go. */
const OWN = new Set(["WriteWrap", "ShutdownWrap", "SimpleShutdownWrap", "ConnectWrap"]);

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

/** Looks of {@link Waiting} to come, of other requests too. */
let looking = 0;

/** Counts the reasons why the process is busy, by kind, without this server's own connections and looks. */
function tally() {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const { kind, open } = ownConnections;
  counts.set(kind, (counts.get(kind) ?? 0) - open);
  counts.set("Immediate", (counts.get("Immediate") ?? 0) - looking);
  return counts;
}
