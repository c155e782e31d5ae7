// The nodes, and how many there were wanted.

import { Chart } from "../chart.js";
import { card, count, el, empty, figure, legend, memory } from "../dom.js";
import { act } from "../token.js";
import { store } from "../store.js";

export function fleet() {
  const said = el("div", { role: "status" });
  const body = el("tbody");
  const names = ["node", "stage", "balancer", "instances", "running", "waiting", "memory", "functions", ""];
  const optional = new Set(["running", "functions"]);
  const head = el("tr", null, ...names.map((name) => el(`th${optional.has(name) ? ".opt" : ""}`, { scope: "col" }, name)));
  const table = el("div.wide", null, el("table", null, el("thead", null, head), body));
  const chart = new Chart([{ name: "wanted", colour: "queued", dash: true, stepped: true }, { name: "serving", colour: "busy", stepped: true }], { format: figure, label: "Nodes wanted and serving" });
  const about = el("span.dim");
  const course = card("Nodes wanted and serving", legend([["wanted", "queued"], ["serving", "busy"]]), chart.node);
  const alone = empty("This is one node. Several run behind a load balancer with", "fnlocal dev --nodes 3    or    fnlocal dev --scale 2..10");
  const node = el("div.panel", null, said, card("Nodes", about, table), course, alone);

  async function tell(path) {
    const failed = await act(path);
    said.replaceChildren(...(failed ? [el("p.notice.wrong", null, failed)] : []));
  }

  function row(one) {
    const core = one.picture?.node;
    const sum = (key) => core?.functions.reduce((all, each) => all + each[key], 0) ?? 0;
    const acts = store.fleet && ["drain", "kill"].map((what) => el("button.small", { "aria-label": `${what} ${one.name}`, onclick: () => tell(`nodes/${encodeURIComponent(one.name)}/${what}`) }, what));
    const tones = { serving: "warm", dead: "fault", gone: "refused", draining: "queued" };
    return el("tr", { "data-name": one.name }, el("td.name", null, one.name), el("td", null, el(`span.chip.${tones[one.stage] ?? "spare"}`, null, one.stage)), el("td", null, target(one.target)),
      el("td", null, core ? count(core.instances) : "–"), el("td.opt", null, core ? count(sum("running")) : "–"), el("td", null, core ? count(sum("queued")) : "–"),
      el("td", null, core ? `${memory(core.memory_promised_mib)} of ${memory(core.limits.memory_mib)}` : "–"),
      el("td.opt", null, core ? core.functions.filter((each) => Object.values(each.instances).some((number) => number > 0)).map((each) => one.picture.functions[each.function]).join(", ") || "none yet" : "–"),
      el("td", null, ...(acts || [])));
  }

  return {
    node,
    update() {
      const several = store.fleet != null;
      alone.hidden = several;
      course.hidden = !several;
      about.textContent = several ? [store.fleet.pooled ? `${store.fleet.pooled} in the warm pool` : "", store.fleet.time_scale !== 1 ? `time runs ${store.fleet.time_scale} times as fast` : ""].filter(Boolean).join(", ") : "";
      // A button that has the focus must not be swapped away.
      if (!body.contains(document.activeElement) || body.rows.length !== store.nodes.length) body.replaceChildren(...store.nodes.map(row));
      if (several) chart.draw(store.history.at, [store.history.desired, store.history.serving]);
    },
  };
}

/** How the balancer sees it: a word, or a word with more. */
function target(state) {
  if (state == null) return "–";
  return typeof state === "string" ? state.replaceAll("_", " ") : Object.keys(state)[0];
}
