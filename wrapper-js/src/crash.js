import { currentInvocation, storage } from "./context.js";
import { writeNow } from "./last.js";

/** @typedef {import("./instance.js").Instance} Instance */

const ANSWER_MS = 500;
const UNAWAITED = "the handler had returned before this answer, so the request got an empty 200: await the work";

/**
 * Ends the process when user code broke it: says which request did, answers it, leaves nothing half.
 *
 * @param {Instance} instance
 * @param {(code: number) => void} exit
 */
export function watchCrashes(instance, exit) {
  let crashed = false;
  process.on("uncaughtException", (error) => {
    if (isLateAnswer(error)) return reportLateAnswer(instance, error);
    if (crashed) return;
    crashed = true;
    crash(instance, error, "uncaught", exit);
  });
  process.on("unhandledRejection", (reason) => {
    if (isLateAnswer(reason)) return reportLateAnswer(instance, reason);
    if (crashed) return;
    // An author who listens for rejections has decided to live with them.
    if (process.listenerCount("unhandledRejection") > 1) {
      return instance.report(reason, { request: currentInvocation()?.id ?? null, cause: "rejection" });
    }
    crashed = true;
    crash(instance, reason, "rejection", exit);
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
    const invocation = currentInvocation();
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
  const invocation = currentInvocation();
  crashes += 1;
  instance.report(error, { request: invocation?.id ?? null, fatal: true, cause, nr: crashes });
  const leave = () => exit(1);
  const { res } = /** @type {any} */ (invocation ?? {});
  if (res === undefined || res.headersSent || res.destroyed) {
    // Cut, so that nobody takes a broken answer for a whole one.
    if (res !== undefined && !res.writableEnded) res.destroy();
    return leave();
  }
  const timer = setTimeout(leave, ANSWER_MS);
  res.on("close", () => {
    clearTimeout(timer);
    leave();
  });
  invocation?.answerCrash(error);
}

/** @param {any} error */
function isLateAnswer(error) {
  const invocation = storage.getStore();
  return error?.code === "ERR_HTTP_HEADERS_SENT" && (invocation?.answeredForHandler || invocation?.expired);
}

/**
 * @param {Instance} instance
 * @param {unknown} error
 */
function reportLateAnswer(instance, error) {
  const invocation = storage.getStore();
  if (invocation?.answeredForHandler) instance.report(error, { request: invocation.id, hint: UNAWAITED });
}

/** @param {string} stack */
function callerOf(stack) {
  // Of this error, of what made it, and of what it stands for.
  const line = stack.split("\n")[3] ?? "";
  const place = /\(?((?:file:\/\/)?\/[^()]*:\d+:\d+)\)?$/.exec(line)?.[1];
  return place === undefined ? "" : ` at ${place.replace(/^file:\/\//, "")}`;
}
