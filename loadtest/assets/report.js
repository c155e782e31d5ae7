"use strict";
(() => {
  const { report, charts, comparison, verdicts, labels } = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  /** Milliseconds as people write them. */
  const ms = (value) => {
    if (value == null) return "–";
    if (value < 10) return `${value.toFixed(2)} ms`;
    if (value < 10_000) return `${Math.round(value)} ms`;
    return `${(value / 1000).toFixed(1)} s`;
  };
  const us = (value) => ms(value / 1000);
  const percent = (share) => `${(share * 100).toFixed(share > 0 && share < 0.001 ? 3 : 2)} %`;
  const make = (name, text, attributes = {}) => {
    const node = document.createElement(name);
    if (text != null) node.textContent = text;
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const row = (cells, name = "td", numbers = 99) => {
    const line = make("tr");
    cells.forEach((cell, at) => {
      const node = cell instanceof Node ? make(name) : make(name, cell);
      if (cell instanceof Node) node.append(cell);
      if (at >= numbers) node.className = "n";
      line.append(node);
    });
    return line;
  };
  const marked = (kind) => {
    const span = make("span");
    span.append(make("i", null, { class: "mark", style: `background: var(--${kind})` }), labels[kind]);
    return span;
  };

  function head() {
    const share = report.errors / Math.max(report.sent, 1);
    byId("shape").textContent = report.shape;
    byId("load").textContent = report.load;
    const began = new Date(report.began).toLocaleString("en-GB", { timeZoneName: "short" });
    byId("what").textContent = `${report.scenario} → ${report.target}, ${began}`;
    byId("omission").textContent = report.omission;
    byId("version").textContent = `fnlocal ${report.environment.fnlocal}.`;
    document.title = `${report.shape} ${report.scenario}: fnlocal loadtest`;
    const card = (value, name, kind = "") => {
      const node = make("div");
      node.append(make("b", value, { class: kind }), make("span", name));
      byId("cards").append(node);
    };
    card(report.sent.toLocaleString("en"), "requests");
    card(percent(share), `${report.errors.toLocaleString("en")} errors`, report.errors ? "bad" : "good");
    card((report.total.count / (report.took_ms / 1000)).toFixed(1), "answers a second");
    card(us(report.total.p50), "p50");
    card(us(report.total.p99), "p99");
    card(us(report.total.max), "slowest");
    const notice = (text, kind) => byId("notices").append(make("p", text, { class: `notice ${kind}` }));
    for (const reason of report.invalid) notice(`Not valid: the generator was the bottleneck. ${reason}.`, "wrong");
    if (report.interrupted) notice("The run was ended early.", "");
    if (report.dropped) notice(`${report.dropped} requests were due and could not be sent.`, "wrong");
  }

  // Charts with a time axis: uPlot.
  const plots = [];
  const stroke = (name) => () => colour(name);
  function plot(id, options, data) {
    const place = byId(id);
    const axis = (more) => ({
      stroke: () => colour("dim"), font: "12px system-ui", size: 60,
      grid: { stroke: () => colour("grid"), width: 1 }, ticks: { stroke: () => colour("grid"), width: 1 }, ...more,
    });
    const chart = new uPlot({
      width: place.clientWidth, height: 240,
      cursor: { sync: { key: "time" }, points: { size: 7 } },
      legend: { markers: { width: 0, fill: (chart, at) => chart.series[at].stroke() } },
      scales: { x: { time: false, range: [0, end] }, ...options.scales },
      axes: [axis({ size: 34, values: (_, ticks) => ticks.map((tick) => `${tick} s`) }), axis(options.axis)],
      series: [{ label: "time", value: (_, at) => (at == null ? "" : `${at} s`) }, ...options.series],
      hooks: { draw: [parts] },
    }, data, place);
    plots.push([chart, place]);
    return chart;
  }
  const end = Math.max(report.took_ms / 1000, ...charts.seconds.slice(-1), 1);

  /** Where a part of the load begins: a line, and its name where there is room. */
  function parts(chart) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui`;
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    let free = 0;
    for (const { name, from_ms } of report.parts) {
      const x = chart.valToPos(from_ms / 1000, "x", true);
      if (from_ms > 0) {
        ctx.fillStyle = colour("line");
        ctx.fillRect(Math.round(x), bbox.top, devicePixelRatio, bbox.height);
      }
      if (report.parts.length > 1 && x >= free) {
        ctx.fillStyle = colour("dim");
        ctx.fillText(name, x + 4 * devicePixelRatio, bbox.top + 11 * devicePixelRatio);
        free = x + ctx.measureText(name).width + 12 * devicePixelRatio;
      }
    }
    ctx.restore();
  }

  function latency() {
    const series = charts.kinds.map(({ kind }) => ({
      label: labels[kind], stroke: stroke(kind), width: 1.6, spanGaps: false,
      points: { show: true, size: 4, fill: stroke(kind) }, value: (_, value) => ms(value),
    }));
    const data = (quantile) => [charts.seconds, ...charts.kinds.map((lines) => lines[quantile])];
    const values = charts.kinds.flatMap(({ p50, max }) => [...p50, ...max]).filter((value) => value > 0);
    const low = 10 ** Math.floor(Math.log10(Math.min(...values, 1)));
    const high = 10 ** Math.ceil(Math.log10(Math.max(...values, 1) * 1.05));
    const whole = (tick) => tick != null && Number.isInteger(Math.round(Math.log10(tick) * 1e6) / 1e6);
    const tens = (_, ticks) => ticks.map((tick) => (whole(tick) ? tick : null));
    const label = (tick) => (tick >= 1000 ? `${tick / 1000} s` : `${tick} ms`);
    const chart = plot("latency", {
      series, scales: { y: { distr: 3, range: [low, high] } },
      axis: {
        filter: tens, grid: { filter: tens, stroke: () => colour("grid"), width: 1 },
        ticks: { filter: tens, stroke: () => colour("grid"), width: 1 },
        values: (_, ticks) => ticks.map((tick) => (tick == null ? null : label(Number(tick.toPrecision(1))))),
      },
    }, data("p99"));
    for (const [name, text] of [["p50", "p50"], ["p99", "p99"], ["max", "slowest"]]) {
      const button = make("button", text, { type: "button", "aria-pressed": String(name === "p99") });
      button.addEventListener("click", () => {
        for (const other of button.parentNode.children) other.setAttribute("aria-pressed", String(other === button));
        chart.setData(data(name));
      });
      byId("quantile").append(button);
    }
  }

  function rate() {
    const perSecond = (_, value) => (value == null ? "" : `${value.toFixed(1)}/s`);
    plot("rate", {
      series: [
        { label: "requests", stroke: stroke("other"), width: 1.6, value: perSecond, points: { show: false } },
        { label: "errors", stroke: stroke("bad"), width: 1.6, value: perSecond, points: { show: false } },
      ],
      scales: { y: { range: (_, __, high) => [0, Math.max(high * 1.1, 1)] } },
    }, [charts.seconds, charts.rate, charts.errors]);
  }

  function gateway() {
    const samples = report.gateway?.samples ?? [];
    if (samples.length === 0) {
      for (const node of document.querySelectorAll("section.gateway")) node.hidden = true;
      return;
    }
    const seconds = samples.map((sample) => sample.at_ms / 1000);
    const line = (label, name, more = {}) => ({
      label, stroke: stroke(name), width: 1.6, points: { show: false }, value: (_, value) => value ?? "", ...more,
    });
    const state = (name) => samples.map(({ instances }) => instances[name]);
    const counts = { incrs: [1, 2, 5].flatMap((step) => [0, 1, 2, 3, 4].map((power) => step * 10 ** power)).sort((a, b) => a - b) };
    const fromZero = { y: { range: (_, __, high) => [0, Math.max(high * 1.1, 2)] } };
    plot("instances", {
      series: [
        line("all", "text", { dash: [4, 4] }), line("busy", "scale_out"), line("idle", "warm"),
        line("starting", "first"), line("importing", "spare"), line("paused", "queued"), line("spares", "other"),
      ],
      scales: fromZero, axis: counts,
    }, [
      seconds, samples.map(({ all }) => all), state("busy"), state("idle"), state("starting"),
      state("assigning"), state("paused"), samples.map(({ spares }) => spares),
    ]);
    const refused = samples.map(({ refused, at_ms }, at) => {
      const before = samples[at - 1] ?? { refused: 0, at_ms: 0 };
      return (refused - before.refused) / Math.max((at_ms - before.at_ms) / 1000, 0.001);
    });
    plot("queue", {
      series: [
        line("waiting", "queued"), line("running", "warm"),
        line("refused a second", "bad", { value: (_, value) => value?.toFixed(1) ?? "" }),
      ],
      scales: fromZero,
    }, [seconds, samples.map(({ queued }) => queued), samples.map(({ running }) => running), refused]);
  }

  // Charts without a time axis: SVG.
  const svg = (name, attributes = {}, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text != null) node.textContent = text;
    return node;
  };
  const legend = (place, names) => {
    const line = make("div", null, { class: "legend" });
    for (const [name, text] of names) {
      const item = make("span");
      item.append(make("i", null, { style: `background: var(--${name})` }), text);
      line.append(item);
    }
    place.append(line);
  };

  function histogram() {
    const place = byId("histogram");
    const { edges, counts } = charts.histogram;
    const kinds = Object.keys(counts);
    const bars = edges.length - 1;
    if (bars < 1 || kinds.length === 0) return;
    const [width, height, left, bottom] = [1000, 240, 50, 26];
    // A handful of cold starts must be seen beside a hundred thousand warm answers: each kind has
    // a row of its own, and its highest bar is full.
    const rows = kinds.length;
    const tall = Math.max(34, (height - bottom) / rows);
    const chart = svg("svg", { viewBox: `0 0 ${width} ${tall * rows + bottom}`, role: "img" });
    const step = (width - left - 110) / bars;
    kinds.forEach((kind, at) => {
      const base = tall * (at + 1);
      const most = Math.max(...counts[kind], 1);
      const sum = counts[kind].reduce((all, one) => all + one, 0);
      counts[kind].forEach((count, bar) => {
        if (count === 0) return;
        const high = Math.max((count / most) * (tall - 12), 1.5);
        const rect = svg("rect", {
          x: left + 60 + bar * step + 0.5, y: base - high, width: Math.max(step - 1, 1), height: high,
          fill: `var(--${kind})`, rx: 1,
        });
        rect.append(svg("title", {}, `${labels[kind]}: ${count} of ${sum} from ${ms(edges[bar])} to ${ms(edges[bar + 1])}`));
        chart.append(rect);
      });
      chart.append(svg("line", { x1: left + 60, x2: width - 50, y1: base, y2: base, stroke: "var(--line)" }));
      chart.append(svg("text", { x: left + 52, y: base - 5, "text-anchor": "end", class: "strong" }, labels[kind]));
      chart.append(svg("text", { x: width - 44, y: base - 5 }, sum.toLocaleString("en")));
    });
    const position = (value) => left + 60 + ((Math.log10(value) - Math.log10(edges[0])) / (Math.log10(edges[bars]) - Math.log10(edges[0]))) * step * bars;
    const factors = Math.log10(edges[bars] / edges[0]) > 1.5 ? [1] : [1, 2, 5];
    for (let power = -3; power < 7; power++) {
      for (const factor of factors) {
        const value = factor * 10 ** power;
        if (value < edges[0] || value > edges[bars]) continue;
        const text = value >= 1000 ? `${value / 1000} s` : `${Number(value.toPrecision(1))} ms`;
        chart.append(svg("text", { x: position(value), y: tall * rows + 18, "text-anchor": "middle" }, text));
      }
    }
    place.append(chart);
  }

  const PHASES = ["queue", "create", "boot", "import", "handler"];
  const TIMES = ["lag", ...PHASES, "rest"];
  const PHASE_NAMES = {
    lag: "sent late", queue: "waiting", create: "container", boot: "node’s boot", import: "import", handler: "handler", rest: "network and reading",
  };
  function waterfall() {
    if (report.colds.length === 0) {
      byId("cold").hidden = true;
      return;
    }
    const place = byId("waterfall");
    const lines = [];
    for (const kind of ["first", "scale_out"]) {
      const of = report.colds.filter((cold) => cold.kind === kind).sort((a, b) => a.latency - b.latency);
      if (of.length === 0) continue;
      lines.push({ title: `${labels[kind]}: ${of.length}` });
      const picks = [["fastest", 0], ["p50", 0.5], ["p90", 0.9], ["slowest", 1]];
      const seen = new Set();
      for (const [name, share] of picks) {
        const at = Math.round((of.length - 1) * share);
        if (seen.has(at)) continue;
        seen.add(at);
        lines.push({ name: of.length === 1 ? "the only one" : name, cold: of[at] });
      }
    }
    const [width, left, right, tall] = [1000, 190, 80, 24];
    const most = Math.max(...lines.map(({ cold }) => cold?.latency ?? 0));
    const scale = (width - left - right) / most;
    const chart = svg("svg", { viewBox: `0 0 ${width} ${tall * lines.length + 4}`, role: "img" });
    lines.forEach(({ title, name, cold }, at) => {
      const y = at * tall;
      if (title) {
        chart.append(svg("text", { x: 0, y: y + 17, class: "strong" }, title));
        return;
      }
      chart.append(svg("text", { x: left - 10, y: y + 16, "text-anchor": "end" }, `${name}, ${cold.function}`));
      const times = { lag: cold.lag, ...cold.phases };
      // A start may have been under way when the request came: what was over by then is cut off.
      let over = Object.values(times).reduce((sum, time) => sum + time, 0) - cold.latency;
      for (const phase of ["create", "boot", "import"]) {
        const cut = Math.max(Math.min(over, times[phase]), 0);
        times[phase] -= cut;
        over -= cut;
      }
      times.rest = Math.max(cold.latency - Object.values(times).reduce((sum, time) => sum + time, 0), 0);
      let x = left;
      for (const phase of TIMES) {
        const time = times[phase];
        const rect = svg("rect", { x, y: y + 4, width: Math.max(time * scale, 0), height: tall - 8, fill: `var(--${phase})` });
        rect.append(svg("title", {}, `${PHASE_NAMES[phase]}: ${us(time)}`));
        chart.append(rect);
        x += time * scale;
      }
      chart.append(svg("text", { x: x + 8, y: y + 16, class: "strong" }, us(cold.latency)));
    });
    place.append(chart);
    legend(place, Object.entries(PHASE_NAMES));
  }

  function tables() {
    const functions = byId("functions");
    functions.append(row(["function", "met", "requests", "errors", "p50", "p90", "p99", "p99.9", "slowest", "handler p50"], "th", 2));
    for (const { function: name, kind, errors, latency, service } of report.functions) {
      functions.append(row([
        name, marked(kind), latency.count.toLocaleString("en"), errors.toLocaleString("en"), us(latency.p50), us(latency.p90),
        us(latency.p99), us(latency.p999), us(latency.max), service ? us(service.p50) : "–",
      ], "td", 2));
    }
    if (verdicts.length > 0) {
      byId("budgets").hidden = false;
      const table = byId("budgets").querySelector("table");
      for (const { budget, failed, found } of verdicts) {
        const word = failed ? "exceeded" : found == null ? "nothing to measure" : "kept";
        const line = row([budget, found ?? "–", make("span", word, { class: failed ? "bad" : found == null ? "dim" : "good" })]);
        table.append(line);
      }
    }
    if (report.gateway) {
      const table = byId("counts").querySelector("table");
      const { counts, differences } = report.gateway;
      byId("counts").querySelector("p").textContent = differences.length === 0
        ? "Counted by the gateway; the generator’s own counts agree."
        : `Counted by the gateway. The generator’s own counts differ: ${differences.join("; ")}.`;
      table.append(row(["function", "start", "status", "reason", "requests"], "th", 4));
      for (const { function: name, start, status, problem, requests } of counts) {
        table.append(row([name ?? "–", start ?? "–", status || "none", problem ?? "–", requests.toLocaleString("en")], "td", 4));
      }
    }
    const { environment } = report;
    const facts = [
      ["target", report.target], ["runtime", environment.runtime ?? "not known"],
      ["generator", [environment.processor, `${environment.cores} cores`, environment.memory_mib ? `${environment.memory_mib} MiB` : "", environment.system].filter(Boolean).join(", ")],
      ["maximum connections", environment.connections], ["maximum time of a request", ms(environment.timeout_ms)],
      ["sent late by", `p50 ${us(report.lag.p50)}, p99 ${us(report.lag.p99)}, maximum ${us(report.lag.max)}`],
      ["fnlocal", environment.fnlocal],
    ];
    for (const fact of facts) {
      const line = row(fact);
      line.lastChild.className = "long";
      byId("environment").append(line);
    }
  }

  function changes() {
    if (!comparison) return;
    const place = byId("comparison");
    place.hidden = false;
    const [before, after] = comparison.errors;
    place.querySelector("p").textContent = [
      `The run of ${comparison.old}. Errors: ${percent(before)}, now ${percent(after)}.`, ...comparison.warnings,
    ].join(" ");
    const table = place.querySelector("table");
    table.append(row(["met", "figure", "then", "now", "change", "99 % between", ""], "th", 2));
    const signed = (value) => (value > 0 ? "+" : "") + (value / 1000).toFixed(2);
    for (const { scope, metric, old, new: now, low, high, significant } of comparison.changes) {
      const word = !significant ? "no significant change" : now > old ? "slower" : "faster";
      const kind = !significant ? "dim" : now > old ? "bad" : "good";
      const change = (now / Math.max(old, 1) - 1) * 100;
      table.append(row([
        scope, metric, us(old), us(now), `${change > 0 ? "+" : ""}${change.toFixed(1)} %`,
        low == null ? "too few intervals" : `${signed(low)} and ${signed(high)} ms`, make("span", word, { class: kind }),
      ], "td", 2));
    }
  }

  head();
  latency();
  rate();
  gateway();
  histogram();
  waterfall();
  tables();
  changes();
  addEventListener("resize", () => {
    for (const [chart, place] of plots) chart.setSize({ width: place.clientWidth, height: 240 });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const [chart] of plots) chart.redraw(false, true);
  });
})();
