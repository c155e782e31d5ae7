// What changes something wants the run's token. `fnlocal open` puts it behind the address's `#`,
// which is sent to nobody; it stays in this tab.

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

export const hasToken = () => sessionStorage.getItem(KEY) != null;

/** @param {string} path below `/_fnlocal/` @returns {Promise<string | null>} why it failed */
export async function act(path) {
  const token = sessionStorage.getItem(KEY);
  if (!token) return "This wants the run's token: come here with `fnlocal open`.";
  const answer = await fetch(path, { method: "POST", headers: { "x-fnlocal-token": token } }).catch(() => null);
  if (answer?.ok) return null;
  if (answer?.status === 401) sessionStorage.removeItem(KEY);
  const problem = await answer?.json().catch(() => null);
  return problem?.detail ?? problem?.hint ?? "The platform does not answer.";
}
