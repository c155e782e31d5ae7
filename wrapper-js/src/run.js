import { unlinkSync } from "node:fs";
import { createServer } from "node:http";
import { inspect } from "node:util";
import { Assignment } from "./assignment.js";
import { UsageError, hideInternals } from "./config.js";
import { Control, isControl } from "./control.js";
import { watchCrashes, watchExits } from "./crash.js";
import { describe } from "./describe.js";
import { Dialer } from "./dial.js";
import { makeDrain } from "./drain.js";
import { Events } from "./events.js";
import { FunctionRequest, FunctionResponse, loadExpress } from "./express.js";
import { Instance } from "./instance.js";
import { captureOutput } from "./output.js";
import { printable } from "./printable.js";
import { sendRawProblem } from "./problem.js";
import { printServing, serveAll, serveOne } from "./serve.js";
import { restoreTarget } from "./target.js";
import { acceptUpgrades } from "./upgrade.js";

/** @typedef {import("./config.js").Config} Config */

/** Of a request's head, in bytes: fnlocal's own default. */
const HEADER_SIZE = 64 * 1024;
/** Twice what a gateway can be told to let through, since it adds to what clients send. */
const GATEWAY_HEADER_SIZE = 2 * 1024 * 1024;

/**
 * Listens or dials at once, since that is what a cold start waits for; Express and user code are loaded
 * after, and a request that comes too early waits for them.
 *
 * @param {Config} config
 */
export function run(config) {
  hideInternals(process.env, config);
  if (config.mode === "describe") return void describe(config);
  const platform = config.token !== undefined;
  const events = platform ? new Events() : undefined;
  const instance = new Instance(config, events);
  const server = createServer(serverOptions(platform));
  const assignment = new Assignment(instance, () => acceptUpgrades(server, instance));
  const exit = watchExits(instance);
  const leave = (/** @type {number} */ code) => {
    instance.debuggers?.detach();
    if (events === undefined) exit(code);
    else events.finish(() => exit(code));
  };
  watchCrashes(instance, leave);
  instance.drain = makeDrain(
    () => {
      instance.dialer?.stop();
      server.close();
    },
    instance,
    leave,
  );
  process.on("SIGTERM", () => instance.drain(0));
  // Ctrl-C reaches a whole process group; under a gateway it is the gateway's to act on. Alone,
  // whoever presses it again will not wait.
  let interrupts = 0;
  process.on("SIGINT", () => {
    if (platform) return;
    interrupts += 1;
    if (interrupts === 1) instance.drain(0);
    else leave(130);
  });

  const control = new Control(config.token ?? "", assignment, events ?? new Events(), instance);
  server.on("request", (req, res) => {
    instance.dialer?.used(req.socket);
    if (platform) restoreTarget(req);
    if (platform && isControl(/** @type {string} */ (req.url))) control.handle(req, res);
    else instance.handle(/** @type {FunctionRequest} */ (req), res);
  });
  server.on("clientError", refuseHead);
  server.on("error", (error) => leaveWith(error, exit));
  const listening = () => {
    control.bootMs ||= Math.round(performance.now() * 10) / 10;
    if (!platform) printServing(server, config, instance);
  };
  const gone = (/** @type {Error} */ error) => (control.bootMs > 0 ? instance.drain(0) : leaveWith(error, exit));
  listen(server, config.listen, instance, listening, gone);
  instance.starting = start(config, instance, assignment, server)?.then(
    () => void (instance.starting = undefined),
    (error) => leaveWith(error, leave),
  );
  setImmediate(() => prepareSpare(config, events, exit));
}

/** @param {boolean} platform */
function serverOptions(platform) {
  const classes = { IncomingMessage: FunctionRequest, ServerResponse: FunctionResponse };
  // The gateway keeps one connection to each instance, and watches the time and the size itself.
  const patient = { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0, maxHeaderSize: GATEWAY_HEADER_SIZE };
  return platform ? { ...classes, ...patient } : { ...classes, requestTimeout: 0, headersTimeout: 30_000, maxHeaderSize: HEADER_SIZE };
}

/**
 * Answers a head that Node cannot read with the reason; Node's own answer has none.
 *
 * @param {NodeJS.ErrnoException} error
 * @param {import("node:stream").Duplex} socket
 */
function refuseHead({ code, message }, socket) {
  if (!socket.writable || code === "ECONNRESET") return void socket.destroy();
  if (code === "HPE_HEADER_OVERFLOW") {
    return sendRawProblem(socket, { status: 431, reason: "headers_too_large", detail: `the request's head has more than ${HEADER_SIZE} bytes` });
  }
  const late = code === "ERR_HTTP_REQUEST_TIMEOUT";
  sendRawProblem(socket, { status: late ? 408 : 400, reason: late ? "slow_request" : "bad_head", detail: message });
}

/**
 * @param {import("node:http").Server} server
 * @param {Config["listen"]} where
 * @param {Instance} instance
 * @param {() => void} listening
 * @param {(error: Error) => void} gone
 */
function listen(server, where, instance, listening, gone) {
  if ("dial" in where) {
    const concurrency = () => instance.bound?.turns.limit ?? 0;
    instance.dialer = new Dialer(server, where.dial, { connected: listening, gone, concurrency });
    return instance.dialer.fill();
  }
  if ("port" in where) return void server.listen(where, listening);
  try {
    unlinkSync(where.path);
  } catch {
    // There was no stale socket.
  }
  server.listen(where, listening);
}

/**
 * @param {Config} config
 * @param {Instance} instance
 * @param {Assignment} assignment
 * @param {import("node:http").Server} server
 * @returns {Promise<void> | undefined}
 */
function start(config, instance, assignment, server) {
  if (config.function !== undefined) return serveOne(config, config.function, assignment);
  if (config.mode === "all") return serveAll(config, instance, () => acceptUpgrades(server, instance));
  return undefined;
}

/**
 * Loads the parts that are not needed to listen but will be soon.
 *
 * @param {Config} config
 * @param {Events | undefined} events
 * @param {(code: number) => void} exit
 */
function prepareSpare(config, events, exit) {
  loadExpress();
  if (events !== undefined) captureOutput(events, config.code);
  if (config.token === undefined) return;
  const end = () => endGroup(exit);
  process.stdin.on("end", end).on("error", end).resume();
}

/**
 * The platform is gone: ends with all that the functions started in this process's group.
 *
 * @param {(code: number) => void} exit
 */
function endGroup(exit) {
  try {
    process.kill(-process.pid, "SIGKILL");
  } catch {
    // This process leads no group of its own.
  }
  exit(0);
}

/**
 * @param {any} error
 * @param {(code: number) => void} exit
 */
function leaveWith(error, exit) {
  const known = error instanceof UsageError || error.syscall === "listen" || error.syscall === "connect";
  console.error(printable(known ? `fnlocal-runner: ${error.message}` : inspect(error)));
  exit(error instanceof UsageError ? error.exitCode : 1);
}
