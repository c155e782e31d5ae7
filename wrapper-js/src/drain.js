import { running } from "./context.js";

const GRACE_MS = 1_000;
const ENDLESS_MS = 15_000;

/**
 * Makes the way out: no new connections, what runs may finish, then the process ends. A response
 * that never ends, such as an event stream, is cut after the longest timeout of the functions.
 *
 * @param {() => void} close has nothing new come in
 * @param {import("./instance.js").Instance} instance
 * @param {(code: number) => void} leave
 * @returns {(exitCode: number) => void}
 */
export function makeDrain(close, instance, leave) {
  let draining = false;
  return (exitCode) => {
    if (draining) return;
    draining = true;
    close();
    // Else the platform keeps their connections for requests that would meet the end.
    for (const { res } of running) if (res !== undefined) res.shouldKeepAlive = false;
    const longest = Math.max(ENDLESS_MS, ...[...instance.functions.values()].map(({ timeoutMs }) => timeoutMs));
    setTimeout(() => leave(exitCode), longest + GRACE_MS).unref();
    // Not at once: the response that led here is still being written.
    setImmediate(() => instance.whenOver(null, () => leave(exitCode)));
  };
}

