import { storage } from "./context.js";
import { writeNow } from "./last.js";
import { property } from "./thrown.js";

/** @typedef {import("./instance.js").Instance} Instance */

/** The time other requests have to end once one has broken the process; a stop by the platform gives as long. */
const CRASH_GRACE_MS = 5_000;
const ANSWERED = "the request had its answer already: answer once, and return after it";

/**
 * Ends the process when user code broke it: says which request did, answers it, leaves nothing half. An
 * error belongs to the request whose asynchronous context it was thrown in, or to none: the request that
 * happens to run meanwhile may have nothing to do with it.
 *
 * @param {Instance} instance
 * @param {(code: number) => void} exit
 */
export function watchCrashes(instance, exit) {
  let crashed = false;
  const uncaught = (/** @type {unknown} */ error, /** @type {import("./events.js").Cause} */ cause) => {
    const invocation = storage.getStore();
    const request = invocation?.id ?? null;
    // Answering twice breaks nothing but that answer.
    if (property(error, "code") === "ERR_HTTP_HEADERS_SENT") {
      if (invocation?.res?.writableEnded === false) invocation.fail(error);
      else if (!invocation?.expired) instance.report(error, { request, cause, hint: ANSWERED });
    } else if (crashed) {
      instance.report(error, { request, cause });
      invocation?.crash(error);
    } else {
      crashed = true;
      crash(instance, error, cause, exit);
    }
  };
  process.on("uncaughtException", (error) => uncaught(error, "uncaught"));
  process.on("unhandledRejection", (reason) => {
    // An author who listens for rejections has decided to live with them.
    if (process.listenerCount("unhandledRejection") === 1) return uncaught(reason, "rejection");
    instance.report(reason, { request: storage.getStore()?.id ?? null, cause: "rejection" });
  });
}

/**
 * Reports the code that ended the process; without this an instance would be gone without a reason.
 *
 * @param {Instance} instance
 * @returns {(code?: number) => never} the real exit, for the wrapper's own use
 */
export function watchExits(instance) {
  const exit = process.exit.bind(process);
  const abort = process.abort.bind(process);
  const kill = process.kill.bind(process);
  const tell = (/** @type {string} */ call) => {
    const invocation = storage.getStore();
    const whom = invocation === undefined ? "user code" : `function ${invocation.func.name} (request ${invocation.id})`;
    instance.events?.spill();
    writeNow(2, `fnlocal: ${whom} called process.${call}${callerOf(new Error().stack ?? "")}`);
  };
  process.exit = (code) => {
    tell(`exit(${code ?? ""})`);
    return exit(code);
  };
  process.abort = () => {
    tell("abort()");
    return abort();
  };
  process.kill = (pid, signal) => {
    if (pid === process.pid && signal !== 0) tell(`kill(process.pid${signal === undefined ? "" : `, ${signal}`})`);
    return kill(pid, signal);
  };
  return /** @type {any} */ (exit);
}

let crashes = 0;

/**
 * @param {Instance} instance
 * @param {unknown} error
 * @param {import("./events.js").Cause} cause
 * @param {(code: number) => void} exit
 */
function crash(instance, error, cause, exit) {
  const invocation = storage.getStore();
  crashes += 1;
  instance.report(error, { request: invocation?.id ?? null, fatal: true, cause, nr: crashes });
  const leave = () => exit(1);
  setTimeout(leave, CRASH_GRACE_MS);
  instance.drain(1);
  invocation?.crash(error);
  // One that was told to end before still does so, once nothing runs.
  instance.whenOver(null, leave);
}

/** @param {string} stack */
function callerOf(stack) {
  // Of this error, of what made it, and of what it stands for.
  const line = stack.split("\n")[3] ?? "";
  const place = /\(?((?:file:\/\/)?\/[^()]*:\d+:\d+)\)?$/.exec(line)?.[1];
  return place === undefined ? "" : ` at ${place.replace(/^file:\/\//, "")}`;
}
