// Requests and their responses, with the parts of each response's time.

import { bytes, card, chip, clock, el, empty, facts, legend, mini, ms, options, START, tone, waterfall } from "../dom.js";
import { store } from "../store.js";
import { ask } from "../token.js";

const SHOWN = 100;

export function requests() {
  const search = el("input", { type: "search", placeholder: "path, id, status", "aria-label": "Filter", oninput: () => draw() });
  const name = el("select", { "aria-label": "Function", onchange: () => draw() });
  const start = el("select", { "aria-label": "Start", onchange: () => draw() });
  options(start, [...START, "refused", "5xx"], "any start");
  const hold = el("input", { type: "checkbox", onchange: () => draw() });
  const list = el("ul.rows");
  const skipped = el("span.dim");
  const node = el("div.panel", null,
    card("Requests", el("div.filters", null, search, name, start, el("label.inline", null, hold, "hold still")),
      el("div.head", null, legend([["queue", "queue"], ["create", "create"], ["boot", "boot"], ["import", "import"], ["handler", "handler"]]), skipped),
      list));

  let wantedId = null;

  const wanted = (one) => {
    if (name.value && one.function !== name.value) return false;
    if (start.value === "5xx" ? one.status < 500 : start.value && (one.start ?? "refused") !== start.value) return false;
    const text = search.value.toLowerCase();
    return !text || `${one.method} ${one.path} ${one.request} ${one.status} ${one.problem ?? ""}`.toLowerCase().includes(text);
  };

  function draw() {
    options(name, [...store.functions.keys()], "all functions");
    const some = store.requests.filter(wanted).slice(0, SHOWN);
    const old = new Map([...list.children].map((item) => [item.dataset.id, item]));
    const focus = document.activeElement;
    list.replaceChildren(...some.map((one) => old.get(one.request) ?? item(one)));
    if (wantedId && some[0]?.request === wantedId) {
      wantedId = null;
      list.querySelector("button").click();
    }
    if (list.contains(focus)) focus.focus({ preventScroll: true });
    if (!some.length) list.replaceChildren(el("li", null, empty(store.requests.length ? "None is like that." : "Nothing was asked yet.", store.requests.length ? null : "fnlocal invoke NAME")));
    skipped.textContent = store.skipped ? `${store.skipped.toLocaleString("en")} more came too fast to list` : "";
  }

  function item(one) {
    const line = el("button.request", { "aria-expanded": "false", type: "button" },
      el("span.mono.dim.when", null, clock(one.time)), el("span.fn", null, one.function ?? "–"),
      el("span.path.mono", { title: `${one.method} ${one.path}` }, `${one.method} ${one.path}`),
      el("span.code", { class: tone(one.status) }, one.status || "–"), chip(one.start, one.problem), el("span.took", null, ms(one.duration_ms)), mini(one.phases, one.duration_ms));
    const whole = el("li", { "data-id": one.request }, line);
    line.addEventListener("click", () => {
      const shown = line.getAttribute("aria-expanded") === "true";
      line.setAttribute("aria-expanded", String(!shown));
      if (shown) whole.lastChild.remove();
      else whole.append(detail(one));
      // A record under the reader's eyes must not scroll away.
      if (!shown) hold.checked = true;
    });
    return whole;
  }

  return {
    node,
    update: () => hold.checked || draw(),
    show(id) {
      search.value = id ?? "";
      name.value = start.value = "";
      hold.checked = false;
      // The record comes a moment after its answer; an old one must be requested.
      wantedId = id ?? null;
      if (id) store.bring(id);
      draw();
    },
    search,
  };
}

function detail(one) {
  const lines = el("div.dim", null, "…");
  let asked = 0;
  const look = async () => {
    const turn = (asked += 1);
    const text = await ask(`logs?request=${encodeURIComponent(one.request)}&limit=200`).then((answer) => answer.text()).catch(() => null);
    if (turn !== asked) return;
    if (text === null) return lines.replaceChildren("The log does not answer.");
    const records = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    const said = records.filter((record) => record.kind !== "invocation");
    lines.replaceChildren(said.length ? el("pre", null, said.map((record) => record.text + (record.detail ? `\n${record.detail}` : "")).join("\n")) : "It wrote nothing.");
  };
  look();
  // The function's lines may come after its answer, and after its end.
  store.addEventListener("records", function more({ detail }) {
    if (!lines.isConnected) store.removeEventListener("records", more);
    else if (detail.some((record) => record.request === one.request && record.kind !== "invocation")) look();
  });
  return el("div.detail", null,
    el("div", null, el("h3", null, "Where the time went"), waterfall(one.phases, one.duration_ms), el("h3", null, "What it wrote"), lines),
    el("div", null, el("h3", null, "What it was"), facts([
      ["request", one.request], ["asked", `${one.method} ${one.path}`], ["answered", one.status || "nothing: the client left"],
      ["start", one.cold ? `${one.start}, ${one.cold}` : one.start], ["problem", one.problem], ["node", one.node], ["instance", one.instance], ["code", one.code],
      ["first byte", ms(one.first_byte_ms)], ["billed", one.billed_ms == null ? null : `${one.billed_ms} ms`], ["processor", one.cpu_ms == null ? null : ms(one.cpu_ms)],
      ["memory at most", one.memory_bytes == null ? null : bytes(one.memory_bytes)], ["trace", one.trace], ["ended", new Date(one.time).toLocaleString()],
    ])));
}

