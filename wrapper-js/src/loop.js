/**
 * The things that keep the event loop alive, by kind. Sockets between the platform and an instance come and go
 * by themselves, and so do immediates.
 */
const OWN = new Set(["PipeWrap", "PipeServerWrap", "TCPServerWrap", "TCPServer", "TTYWrap", "Immediate", "WriteWrap", "ShutdownWrap", "HTTPServerRequest"]);
/** Quiet turns after which nothing is expected to begin. */
const QUIET_TURNS = 3;
const MAX_PAUSE_MS = 20;

/** @typedef {Map<string, number>} Active */

/** @returns {Active} */
export function countActive() {
  /** @type {Active} */
  const counts = new Map();
  for (const kind of process.getActiveResourcesInfo()) {
    if (!OWN.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/**
 * Waits until no more keeps the event loop alive than did before.
 *
 * @param {Active} before
 * @param {() => boolean} wanted asked again and again; `false` ends the wait
 * @returns {Promise<boolean>} `true` once it is quiet
 */
export async function whenQuiet(before, wanted) {
  let pause = 0;
  for (let quiet = 0; quiet < QUIET_TURNS; ) {
    if (!wanted()) return false;
    if (hasMore(before)) {
      quiet = 0;
      pause = Math.min(pause + 1, MAX_PAUSE_MS);
      await new Promise((resolve) => setTimeout(resolve, pause).unref());
    } else {
      quiet += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return wanted();
}

/** @param {Active} before */
function hasMore(before) {
  for (const [kind, count] of countActive()) {
    if (count > (before.get(kind) ?? 0)) return true;
  }
  return false;
}
