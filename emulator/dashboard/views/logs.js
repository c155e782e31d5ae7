// Lines of functions, and what the platform says.

import { card, clock, el, options } from "../dom.js";
import { go } from "../go.js";
import { store } from "../store.js";

const SHOWN = 1000;
const TONES = ["accent", "spare", "queued", "boot", "warm", "create"];
const SERIOUS = new Set(["error", "import_failed", "died", "start_failed", "warning", "dropped"]);

export function logs() {
  const search = el("input", { type: "search", placeholder: "text", "aria-label": "Filter", oninput: () => draw() });
  const name = el("select", { "aria-label": "Function", onchange: () => draw() });
  const follow = el("input", { type: "checkbox", checked: true, onchange: () => draw() });
  const log = el("div.log", { role: "log", tabindex: "0", "aria-label": "Log" });
  const node = el("div.panel", null, card("Log", el("div.filters", null, search, name, el("label.inline", null, follow, "follow")), log));
  // Scrolling up is asking it to stay.
  log.addEventListener("wheel", (event) => event.deltaY < 0 && (follow.checked = false), { passive: true });

  const wanted = (one) => (!name.value || one.function === name.value) && (!search.value || `${one.text} ${one.detail ?? ""}`.toLowerCase().includes(search.value.toLowerCase()));

  function draw() {
    options(name, [...store.functions.keys()], "all functions");
    const some = store.lines.filter(wanted).slice(-SHOWN);
    log.replaceChildren(...some.map(line));
    end();
  }

  function end() {
    if (follow.checked) log.scrollTop = log.scrollHeight;
  }

  function add(records) {
    const some = records.filter((record) => record.kind !== "invocation" && wanted(record));
    log.append(...some.map(line));
    while (log.childElementCount > SHOWN) log.firstChild.remove();
    if (some.length) end();
  }

  return { node, update() { options(name, [...store.functions.keys()], "all functions"); }, show(what) { name.value = what ?? ""; draw(); }, records: add, search };
}

/** A stack begins with the message, which stands there already. */
function more({ kind, text, detail }) {
  if (kind !== "platform" || !detail) return "";
  const [first, ...rest] = detail.split("\n");
  return `\n${(text.startsWith(first) ? rest : [first, ...rest]).join("\n")}`;
}

function line(one) {
  const kind = one.kind === "line" ? one.stream : `platform${SERIOUS.has(one.event) ? " serious" : ""}`;
  const tone = TONES[[...(one.function ?? "")].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % TONES.length];
  const text = el("span.text", null, one.text, more(one));
  if (one.request) text.append(" ", el("button.small", { onclick: () => go("requests", one.request), title: "The request that wrote it", "aria-label": "Show the request" }, "↗"));
  return el("p", { class: kind }, el("span.dim.time", null, clock(one.time)), el("span.fn", { style: { color: `var(--${tone})` } }, one.function ?? "fnlocal"), text);
}
