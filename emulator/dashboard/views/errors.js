// Errors by where they come from.

import { ago, card, el, empty, facts } from "../dom.js";
import { go } from "../go.js";
import { store } from "../store.js";
import { ask } from "../token.js";

const CAUSES = {
  handler: "thrown by the handler", uncaught: "not caught", rejection: "a promise nobody handles", timeout: "no answer in time",
  out_of_memory: "out of memory", exit: "the process ended",
};

export function errors() {
  const list = el("ul.rows");
  const again = el("button.small", { onclick: () => load() }, "look again");
  const node = el("div.panel", null, card("Errors, the last seen first", again, list));
  const open = new Set();
  let seen = -1;

  let asked = 0;

  async function load() {
    seen = store.errors;
    const turn = (asked += 1);
    const answer = await ask("errors").catch(() => null);
    const body = answer?.ok ? await answer.json() : [];
    // An older question's answer may come later, and knows less.
    if (turn !== asked) return;
    const groups = Array.isArray(body) ? body : (body.errors ?? body.groups ?? []);
    const focus = document.activeElement?.closest?.("[data-id]")?.dataset.id;
    list.replaceChildren(...groups.map(item));
    if (focus) list.querySelector(`[data-id="${CSS.escape(focus)}"] button`)?.focus();
    if (!groups.length) list.replaceChildren(el("li", null, empty("No function has failed.")));
  }

  function item(group) {
    const place = group.file ? `${group.file}:${group.line ?? 1}:${group.column ?? 1}` : "";
    const line = el("button.error", { type: "button", "aria-expanded": String(open.has(group.id)) },
      el("span.times", { title: `${group.count} times` }, `${group.count}×`),
      el("span.what", null, el("b", null, `${group.name}: `), group.message, el("small.mono", null, place || CAUSES[group.cause])),
      el("span.opt", null, group.function ?? "–"), el("span.dim.opt", null, ago(group.last_seen)));
    const whole = el("li", { "data-id": group.id }, line);
    if (open.has(group.id)) whole.append(detail(group));
    line.addEventListener("click", () => {
      const shown = open.has(group.id);
      if (shown) {
        open.delete(group.id);
        whole.lastChild.remove();
      } else {
        open.add(group.id);
        whole.append(detail(group));
      }
      line.setAttribute("aria-expanded", String(!shown));
    });
    return whole;
  }

  return { node, update: () => seen !== store.errors && load(), show: load };
}

function detail(group) {
  const { request } = group;
  const asked = request && el("button.small", { onclick: () => go("requests", request.id) }, `${request.method ?? ""} ${request.path ?? request.id}`.trim());
  return el("div.detail", null,
    el("div", null, group.frame && el("h3", null, "Where"), group.frame && el("pre.asis", null, group.frame), group.stack && el("h3", null, "Stack"), group.stack && el("pre.asis", null, group.stack)),
    el("div", null, el("h3", null, "What it was"), facts([
      ["function", group.function], ["cause", CAUSES[group.cause] ?? group.cause], ["times", group.count],
      ["first seen", `${new Date(group.first_seen).toLocaleString()}, code ${group.first_code}`],
      ["last seen", `${new Date(group.last_seen).toLocaleString()}, code ${group.last_code}`], ["hint", group.hint],
    ]), asked && el("h3", null, "The last request that caused it"), asked));
}
