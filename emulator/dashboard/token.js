// The platform shows and changes nothing without the run's token. `fnlocal open` puts it behind the
// address's `#`, which is sent to nobody; it stays in this tab. No cookie holds it: functions' pages
// have the same host, and browsers do not keep cookies of two ports apart.

import { HEADERS } from "./facts.js";

const KEY = "fnlocal.token";

function take() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return false;
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname);
  return true;
}

take();
// Pasted into a page that is open already.
addEventListener("hashchange", () => take() && location.reload());

/** Milliseconds until a question that changes nothing is asked again, once: see the page's first script. */
const AGAIN_MS = 200;

/** @param {string} path below `/_fnlocal/` @param {RequestInit} [how] */
export function ask(path, how) {
  const send = () => fetch(path, { ...how, headers: { [HEADERS.TOKEN]: sessionStorage.getItem(KEY) ?? "" } });
  if (how) return send();
  return send().catch(() => new Promise((done) => setTimeout(done, AGAIN_MS)).then(send));
}

/** @param {string} path below `/_fnlocal/` @returns {Promise<string | null>} why it failed */
export async function act(path) {
  const answer = await ask(path, { method: "POST" }).catch(() => null);
  if (answer?.ok) return null;
  const problem = await answer?.json().catch(() => null);
  return problem?.detail ?? problem?.hint ?? "The platform does not answer.";
}
