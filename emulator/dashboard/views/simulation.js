// A report of `fnlocal simulate --json`, beside the live fleet. The file stays in this tab.

import { Chart } from "../chart.js";
import { card, count, el, figure, legend, ms } from "../dom.js";

const MOST = 64 << 20;

export function simulation() {
  const file = el("input", { type: "file", accept: ".json,application/json", "aria-label": "A report", onchange: () => file.files[0] && read(file.files[0]) });
  const shown = el("div.panel", { "aria-live": "polite" });
  const drop = el("div.drop", null, el("div", null, "Drop here what a simulation of a surge or a spike came to:"), el("p", null, el("code", null, "fnlocal simulate --load spike:2..500 --json > spike.json")), file);
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
    });
  }
  const node = el("div.panel", null, drop, shown);
  let draws = [];

  async function read(chosen) {
    try {
      if (chosen.size > MOST) throw new Error("it is too large");
      const reports = found(JSON.parse(await chosen.text()));
      if (!reports.length) throw new Error("it has no course of requests: is it from `fnlocal simulate --json`?");
      draws = [];
      shown.replaceChildren(...reports.flatMap(([title, report]) => page(title || chosen.name, report, draws)));
      for (const draw of draws) draw();
    } catch (error) {
      shown.replaceChildren(el("p.notice.wrong", null, `${chosen.name} cannot be shown: ${error.message}`));
    }
  }

  return { node, update() {}, show: () => draws.forEach((draw) => draw()) };
}

/** Reports wherever they stand: one, those of a sweep, or one beside what was searched. */
function found(value, title = "", depth = 0) {
  if (value == null || typeof value !== "object" || depth > 4) return [];
  if (value.series?.arrived && value.requests) return [[title, value]];
  const name = (key, one) => (one?.label ?? one?.title ?? (typeof one?.value === "string" || typeof one?.value === "number" ? String(one.value) : Array.isArray(value) ? `${title} ${Number(key) + 1}`.trim() : key));
  return Object.entries(value).flatMap(([key, one]) => found(one, name(key, one), depth + 1));
}

function page(title, report, draws) {
  const { series, requests, slo, peak, cost } = report;
  const at = series.arrived.map((_, bucket) => bucket * series.width);
  const per = (values) => values.map((value) => value / series.width);
  const tile = (value, name, bad) => el("div.tile", { class: bad ? "bad" : "" }, el("b", null, value), el("span", null, name));
  const chart = (name, lines, how, ...values) => {
    const drawn = new Chart(lines, { ...how, clock: false, label: name });
    draws.push(() => drawn.draw(at, values));
    return card(name, legend(lines.map((line) => [line.name, line.colour])), drawn.node);
  };
  const states = [["busy", 4], ["idle", 3], ["paused", 5], ["starting", 0]];
  return [
    el("h2", null, title),
    el("div.tiles", null, tile(slo.holds ? "holds" : "breaks", slo.objective, !slo.holds), tile(count(requests.arrived), "requests"), tile(`${requests.error_percent.toFixed(2)} %`, "without an answer", requests.error_percent > 0.1),
      tile(`${requests.cold_percent.toFixed(1)} %`, "waited for a start"), tile(count(peak.nodes), "nodes at the peak"), tile(count(peak.instances), "instances at the peak"), tile(cost.month == null ? "–" : `$${Math.round(cost.month).toLocaleString("en")}`, "a month")),
    !slo.holds && slo.breaks_at != null && el("p.notice.wrong", null, `The objective first breaks after ${Math.floor(slo.breaks_at / 60)} min ${Math.round(slo.breaks_at % 60)} s, for ${Math.round(slo.broken)} s in all.`),
    el("div.pair", null,
      chart("Requests a second", [{ name: "arrived", colour: "spare" }, { name: "refused", colour: "bad", fill: true }], { format: figure }, per(series.arrived), per(series.refused)),
      chart("Latency", [{ name: "p50", colour: "accent" }, { name: "p99", colour: "cold" }], { format: ms }, series.p50, series.p99),
      chart("Nodes", [{ name: "paid for", colour: "queued", dash: true, stepped: true }, { name: "serving", colour: "busy", stepped: true }], { format: figure }, series.paid, series.serving),
      chart("Instances", states.map(([name]) => ({ name, colour: name, fill: true })), { format: figure, stacked: true }, ...states.map(([, index]) => series.instances.map((bucket) => bucket[index]))),
      chart("Requests waiting", [{ name: "waiting", colour: "queued", fill: true }], { format: figure }, series.waiting)),
  ].filter(Boolean);
}
