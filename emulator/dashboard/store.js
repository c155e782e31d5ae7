// The platform's state, which arrives at most four times a second and is kept for 15 minutes.

import { START, STATES } from "./dom.js";
import { ask } from "./token.js";

/** Seconds of history. */
const KEPT = 900;
const REQUESTS = 500;
const LINES = 3000;
/** Ticks over which a rate is taken: a second. */
const WINDOW = 4;
/** Milliseconds until a lost platform is asked again. */
const RETRY_MS = 1000;

const zero = (names) => Object.fromEntries(names.map((name) => [name, 0]));
const series = (names) => Object.fromEntries(names.map((name) => [name, []]));

class Store extends EventTarget {
  about = { project: "", runtime: "", version: "" };
  nodes = [];
  fleet = null;
  /** @type {Map<string, any>} */
  functions = new Map();
  totals = { ...zero(STATES), spares: 0, all: 0, queued: 0, running: 0, promised: 0, memory: 0, requests: 0, failed: 0 };
  /** Per second, over the last second. */
  rates = { all: 0, failed: 0, ...zero(START), refused: 0 };
  latency = {};
  history = { at: [], ...series(["all", "failed", ...START, "refused", "p50", "p99", "queued", "running", "desired", "serving", "spares", ...STATES]) };
  requests = [];
  lines = [];
  /** The code that answered last, by function. */
  codes = new Map();
  skipped = 0;
  errors = 0;
  #ticks = [];

  /** Reads the events for as long as the page is open: an `EventSource` cannot send the token. */
  async connect() {
    for (;;) {
      const answer = await ask("events").catch(() => null);
      if (answer?.status === 401) return this.#link("locked");
      if (answer?.ok) {
        this.#link("live");
        await this.#read(answer.body.pipeThrough(new TextDecoderStream()).getReader()).catch(() => null);
      }
      this.#link("lost");
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }

  async #read(reader) {
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const [, kind, data] = event.match(/^event: (\w+)\ndata: (.*)$/) ?? [];
        if (kind === "about") this.#about(JSON.parse(data));
        else if (kind === "state") this.#state(JSON.parse(data));
        else if (kind === "records") this.#records(JSON.parse(data));
      }
    }
  }

  #link(state) {
    this.link = state;
    this.dispatchEvent(new Event("link"));
  }

  #about(about) {
    // Another run counts from zero.
    if (this.about.run !== about.run) {
      this.#ticks = [];
      this.requests = [];
      this.lines = [];
      for (const values of Object.values(this.history)) values.length = 0;
      this.#past();
    }
    this.about = about;
    this.dispatchEvent(new Event("about"));
    this.#catchUp();
  }

  /** A request that is not listed any more, if the log has it. */
  async bring(id) {
    if (this.requests.some((one) => one.request === id)) return;
    const answer = await ask(`logs?kind=invocation&request=${encodeURIComponent(id)}`).catch(() => null);
    const line = answer?.ok ? (await answer.text()).split("\n")[0] : "";
    if (!line || this.requests.some((one) => one.request === id)) return;
    this.requests.push(JSON.parse(line));
    this.dispatchEvent(new CustomEvent("records", { detail: [] }));
  }

  /** The charts' points from before this page was opened. */
  async #past() {
    const answer = await ask("history").catch(() => null);
    const points = answer?.ok ? await answer.json() : [];
    const first = this.history.at[0] ?? Infinity;
    const older = points.filter((point) => point.at < first);
    for (const [key, values] of Object.entries(this.history)) values.unshift(...older.map((point) => point[key]));
    if (this.nodes.length) this.dispatchEvent(new Event("state"));
  }

  /** Reads the records from before this page was opened. */
  async #catchUp() {
    if (this.requests.length || this.lines.length) return;
    const answer = await ask("logs?limit=300").catch(() => null);
    const text = answer?.ok ? await answer.text() : "";
    const before = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    // A log is in the order of its times: what was told meanwhile is the end of this.
    const known = [...this.requests, ...this.lines].map((record) => record.time).sort()[0] ?? "~";
    const older = before.filter((record) => record.time < known);
    this.requests.push(...older.filter((record) => record.kind === "invocation").reverse());
    this.lines.unshift(...older.filter((record) => record.kind !== "invocation"));
    this.dispatchEvent(new Event("caught-up"));
  }

  #state(state) {
    this.fleet = state.fleet;
    this.nodes = Object.entries(state.nodes).map(([name, node]) => ({ name, ...node }));
    this.latency = state.latency;
    this.errors = state.errors;
    this.#merge();
    this.#rate(state.at);
    this.#remember(state.at);
    this.dispatchEvent(new Event("state"));
  }

  /** One picture of all nodes. */
  #merge() {
    const functions = new Map();
    const totals = { ...zero(STATES), spares: 0, all: 0, queued: 0, running: 0, promised: 0, memory: 0, requests: 0, failed: 0 };
    for (const { picture } of this.nodes) {
      if (!picture) continue;
      const { node } = picture;
      totals.all += node.instances;
      totals.promised += node.memory_promised_mib;
      totals.memory += node.limits.memory_mib;
      for (const one of node.packages) totals.spares += one.spares + one.spares_paused;
      for (const one of node.functions) {
        const name = picture.functions[one.function];
        const known = functions.get(name) ?? {
          name, limits: one.limits, code: one.code, broken: false, nodes: 0, queued: 0, running: 0, service: null,
          instances: zero(STATES), requests: 0, failed: 0, ends: [],
        };
        known.broken ||= one.broken;
        known.nodes += 1;
        known.service ??= one.service;
        for (const key of ["queued", "running"]) {
          known[key] += one[key];
          totals[key] += one[key];
        }
        for (const state of STATES) {
          known.instances[state] += one.instances[state];
          totals[state] += one.instances[state];
        }
        functions.set(name, known);
      }
    }
    for (const end of this.#ends()) {
      totals.requests += end.requests;
      if (end.status >= 500) totals.failed += end.requests;
      const known = functions.get(end.function);
      if (!known) continue;
      known.requests += end.requests;
      if (end.status >= 500) known.failed += end.requests;
      known.ends.push(end);
    }
    this.functions = new Map([...functions].sort(([a], [b]) => a.localeCompare(b)));
    this.totals = totals;
  }

  /** How requests ended, also those of which no node tells. */
  #ends() {
    const now = this.nodes.flatMap(({ picture }) => picture?.requests ?? []);
    return [...now, ...(this.fleet?.ended ?? [])];
  }

  #rate(at) {
    const now = { at, all: this.totals.requests, failed: this.totals.failed, ...zero(START), refused: 0, by: {} };
    for (const end of this.#ends()) now[end.start ?? "refused"] += end.requests;
    for (const one of this.functions.values()) now.by[one.name] = one.requests;
    const before = this.#ticks[0];
    const seconds = before ? (at - before.at) / 1000 : 0;
    const per = (key) => (seconds > 0 ? (now[key] - before[key]) / seconds : 0);
    for (const key of Object.keys(this.rates)) this.rates[key] = per(key);
    for (const one of this.functions.values()) {
      one.rate = seconds > 0 ? (one.requests - (before.by[one.name] ?? 0)) / seconds : 0;
      one.latency = this.latency[one.name];
    }
    this.#ticks.push(now);
    if (this.#ticks.length > WINDOW) this.#ticks.shift();
  }

  #remember(at) {
    const { history } = this;
    const all = this.latency[""];
    const serving = this.nodes.filter((node) => node.stage === "serving").length;
    const point = {
      at: at / 1000, ...this.rates, p50: all?.p50 ?? null, p99: all?.p99 ?? null, queued: this.totals.queued,
      running: this.totals.running, desired: this.fleet?.desired ?? serving, serving, spares: this.totals.spares,
    };
    for (const state of STATES) point[state] = this.totals[state];
    const old = history.at.findIndex((before) => before > point.at - KEPT);
    for (const [key, values] of Object.entries(history)) {
      values.push(point[key]);
      if (old > 0) values.splice(0, old);
    }
  }

  #records({ records, skipped }) {
    for (const record of records) {
      if (record.kind === "invocation") {
        this.requests.unshift(record);
        if (record.code) this.codes.set(record.function, record.code);
      } else this.lines.push(record);
    }
    this.skipped += skipped;
    this.requests.length = Math.min(this.requests.length, REQUESTS);
    if (this.lines.length > LINES) this.lines.splice(0, this.lines.length - LINES);
    this.dispatchEvent(new CustomEvent("records", { detail: records }));
  }
}

export const store = new Store();
