// The limits: those of the cloud apply here too.

import { card, count, el, facts, memory, span } from "../dom.js";
import { store } from "../store.js";

const COLUMNS = [
  ["function", (one) => one.name], ["instances", (_, limits) => `${limits.min_instances} to ${count(limits.max_instances)}`],
  ["now", (one) => count(Object.values(one.instances).reduce((sum, number) => sum + number, 0))],
  ["at once each", (_, limits) => count(limits.concurrency)], ["requests/s", (_, limits) => (limits.rps == null ? "any" : count(limits.rps))],
  ["timeout", (_, limits) => span(limits.timeout)], ["memory", (_, limits) => memory(limits.memory_mib)],
  ["queue", (_, limits) => count(limits.queue)], ["longest wait", (_, limits) => span(limits.queue_timeout)],
  ["paused after", (_, limits) => span(limits.pause_after)], ["stopped after", (_, limits) => span(limits.stop_after)],
];

export function limits() {
  const body = el("tbody");
  const own = el("div");
  const head = el("tr", null, ...COLUMNS.map(([name], at) => el(at ? "th.n" : "th", { scope: "col" }, name)));
  const node = el("div.panel", null, card("Functions", null, el("div.wide", null, el("table", null, el("thead", null, head), body))), card("The node", null, own));
  return {
    node,
    update() {
      body.replaceChildren(...[...store.functions.values()].map((one) => el("tr", null, ...COLUMNS.map(([, value], at) => el(at ? "td.n" : "td.name", null, value(one, one.limits))))));
      const first = store.nodes.find((one) => one.picture)?.picture.node.limits;
      if (!first) return;
      own.replaceChildren(facts([
        ["memory for instances", memory(first.memory_mib)], ["maximum instances", count(first.max_instances)], ["requests a second", first.rps == null ? "any" : count(first.rps)],
        ["starts in parallel", first.parallel_starts], ["spares a package", first.spares], ["memory of a spare", memory(first.spare_memory_mib)],
      ]));
    },
  };
}
