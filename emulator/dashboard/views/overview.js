// The whole at a glance: figures, their course, and the functions.

import { Chart } from "../chart.js";
import { card, count, el, empty, figure, legend, memory, ms, START, states, STATES } from "../dom.js";
import { go } from "../go.js";
import { store } from "../store.js";

const KINDS = [...START, "refused"];
const ROOM = ["busy", "idle", "paused", "starting", "spares"];

export function overview() {
  const tiles = el("div.tiles");
  const tile = (name) => {
    const value = el("b", null, "–");
    const label = el("span", null, name);
    const box = el("div.tile", null, value, label);
    tiles.append(box);
    return { box, value, name: label };
  };
  const shown = {
    rate: tile("requests/s"), p50: tile("p50"), p99: tile("p99"), failed: tile("5xx/s"),
    queued: tile("waiting"), instances: tile("instances"), memory: tile("memory"), all: tile("requests"),
  };

  const rate = new Chart(
    KINDS.map((kind) => ({ name: kind, colour: kind, fill: true })),
    { format: figure, stacked: true, label: "Requests a second by what they waited for" },
  );
  const latency = new Chart(
    [{ name: "p50", colour: "accent" }, { name: "p99", colour: "cold" }],
    { format: short, label: "Latency" },
  );
  const instances = new Chart(
    ROOM.map((state) => ({ name: state, colour: state === "spares" ? "spare" : state, fill: true, stepped: true })),
    { format: figure, stacked: true, label: "Instances by state" },
  );
  const queue = new Chart(
    [{ name: "waiting", colour: "queued", fill: true, stepped: true }, { name: "running", colour: "busy", stepped: true }],
    { format: figure, label: "Requests waiting and running" },
  );
  const body = el("tbody");
  const head = ["function", "requests/s", "p50", "p99", "instances", "running", "waiting", "requests", "5xx", "code"];
  const optional = new Set(["p50", "running", "requests", "5xx", "code"]);
  const cells = head.map((name) => el(`th${name === "function" || name === "instances" || name === "code" ? "" : ".n"}${optional.has(name) ? ".opt" : ""}`, { scope: "col" }, name));
  const functions = card("Functions", null, el("div.wide", null, el("table", null, el("thead", null, el("tr", null, ...cells)), body)));

  const node = el("div.panel", null, tiles,
    el("div.pair", null,
      card("Requests a second", legend(KINDS.map((kind) => [kind, kind])), rate.node),
      card("Latency to the answer's end", legend([["p50", "accent"], ["p99", "cold"]]), latency.node)),
    functions,
    el("div.pair", null,
      card("Instances", legend(ROOM.map((state) => [state, state === "spares" ? "spare" : state])), instances.node),
      card("Requests under way", legend([["waiting", "queued"], ["running", "busy"]]), queue.node)));

  function update() {
    const { totals, rates, history } = store;
    const all = store.latency[""];
    shown.rate.value.textContent = figure(rates.all);
    shown.p50.value.textContent = ms(all?.p50);
    shown.p99.value.textContent = ms(all?.p99);
    shown.failed.value.textContent = figure(rates.failed);
    shown.failed.box.classList.toggle("bad", rates.failed > 0);
    shown.queued.value.textContent = count(totals.queued);
    shown.instances.value.textContent = count(totals.all);
    shown.memory.value.textContent = memory(totals.promised);
    shown.memory.name.textContent = `of ${memory(totals.memory)}`;
    shown.all.value.textContent = count(totals.requests);
    rate.draw(history.at, KINDS.map((kind) => history[kind]));
    latency.draw(history.at, [history.p50, history.p99]);
    instances.draw(history.at, ROOM.map((state) => history[state]));
    queue.draw(history.at, [history.queued, history.running]);
    // A row that has the focus must keep it.
    if (body.contains(document.activeElement)) refresh();
    else body.replaceChildren(...[...store.functions.values()].map(row));
    if (!store.functions.size) body.replaceChildren(el("tr", null, el("td", { colspan: head.length }, empty("No function is served yet."))));
  }

  function refresh() {
    for (const old of body.rows) {
      const one = store.functions.get(old.dataset.name);
      if (!one) continue;
      const fresh = row(one);
      [...old.cells].slice(1).forEach((cell, at) => cell.replaceWith(fresh.cells[1]));
    }
  }

  return { node, update };
}

const short = (value) => (value >= 1000 ? `${+(value / 1000).toFixed(1)} s` : `${+value.toFixed(1)} ms`);

function row(one) {
  const link = el("button.small", { onclick: () => go("invoke", one.name), title: `Call ${one.name}` }, "call");
  return el("tr", { "data-name": one.name },
    el("td.name", null, link, " ", one.name, one.broken && el("span.chip.fault", null, "broken")),
    el("td.n", null, figure(one.rate)), el("td.n.opt", null, ms(one.latency?.p50)), el("td.n", null, ms(one.latency?.p99)),
    el("td", null, states(one.instances)), el("td.n.opt", null, count(one.running)), el("td.n", null, count(one.queued)),
    el("td.n.opt", null, count(one.requests)), el("td.n.opt", { class: one.failed ? "bad" : "" }, count(one.failed)),
    el("td.mono.dim.opt", null, store.codes.get(one.name)?.slice(0, 8) ?? "–"));
}
