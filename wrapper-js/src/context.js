import { AsyncLocalStorage } from "node:async_hooks";

/** @typedef {import("./invocation.js").Invocation} Invocation */

/** @type {AsyncLocalStorage<Invocation>} */
export const storage = new AsyncLocalStorage();

/** @type {Set<Invocation>} every invocation that has begun and not ended */
export const running = new Set();

/**
 * The invocation the present code runs for. Where Node lost the thread (an event of a shared
 * socket, say) and only one invocation runs, it is that one.
 *
 * @returns {Invocation | undefined}
 */
export function currentInvocation() {
  const stored = storage.getStore();
  if (stored !== undefined || running.size !== 1) return stored;
  const [only] = running;
  return only;
}
