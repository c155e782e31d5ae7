// Elements, and figures as people write them. Text is only ever set as text.

/**
 * @param {string} name such as `td` or `td.name`
 * @param {Record<string, unknown> | null} [props] attributes; `on…` are listeners, `style` an object
 * @param {...(Node | string | number | null | undefined | false)} children
 */
export function el(name, props, ...children) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value == null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), /** @type {EventListener} */ (value));
    else if (key === "style") Object.assign(node.style, value);
    else if (key === "class") node.className = `${node.className} ${value}`.trim();
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children) if (child != null && child !== false) node.append(child instanceof Node ? child : String(child));
  return node;
}

/** Milliseconds. */
export function ms(value) {
  if (value == null) return "–";
  if (value < 9.95) return `${value.toFixed(1)} ms`;
  if (value < 9_950) return `${Math.round(value)} ms`;
  return `${(value / 1000).toFixed(1)} s`;
}

/** A rate or another small number. */
export function figure(value) {
  if (value == null) return "–";
  return value === 0 || value >= 10 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}

export const count = (value) => (value ?? 0).toLocaleString("en");

/** MiB. */
export const memory = (mib) => (mib >= 4096 ? `${(mib / 1024).toFixed(1)} GiB` : `${count(mib)} MiB`);

export const bytes = (size) => (size == null ? "–" : `${(size / 1048576).toFixed(1)} MiB`);

/** A span of the core: seconds and nanoseconds. */
export function span(time) {
  if (time == null) return "–";
  const seconds = time.secs + time.nanos / 1e9;
  return seconds >= 120 && seconds % 60 === 0 ? `${seconds / 60} min` : seconds >= 1 ? `${+seconds.toFixed(1)} s` : ms(seconds * 1000);
}

export function clock(time) {
  const at = new Date(time);
  const two = (number) => String(number).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

export function ago(time) {
  const seconds = Math.max(0, (Date.now() - new Date(time).getTime()) / 1000);
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}

export { START } from "./facts.js";

export function chip(start, problem) {
  if (start) return el(`span.chip.${start}`, null, start);
  return el("span.chip.refused", null, problem ? problem.replaceAll("_", " ") : "–");
}

export const tone = (status) => (status >= 500 || status === 0 ? "bad" : status >= 400 ? "dim" : "good");

export function card(title, tools, ...body) {
  return el("section.card", null, el("div.head", null, el("h2", null, title), tools), ...body);
}

/** The content of an empty view. @param {string} text @param {string} [command] */
export function empty(text, command) {
  return el("div.empty", null, text, command && el("br"), command && el("code", null, command));
}

export const STATES = ["busy", "idle", "assigning", "starting", "resuming", "paused", "stopping"];
const SAID = { assigning: "importing" };

/** Instances by state, as a bar and in words. */
export function states(instances) {
  const some = STATES.filter((state) => instances[state] > 0);
  const words = some.map((state) => `${instances[state]} ${SAID[state] ?? state}`).join(", ") || "none";
  const all = some.reduce((sum, state) => sum + instances[state], 0);
  const part = (state) =>
    el("i", { style: { width: `${(instances[state] / all) * 100}%`, background: `var(--${state})` } });
  return el("div.states", { title: words }, el("div.bar", { "aria-hidden": true }, ...some.map(part)), el("span", null, words));
}

export function legend(names) {
  const one = ([name, colour]) => el("span", null, el("i", { style: { background: `var(--${colour})` } }), name);
  return el("div.legend", null, ...names.map(one));
}

const PHASES = ["queue", "create", "boot", "import", "handler"];

/** Where the time to an answer's head went. */
export function waterfall(phases, total) {
  const fall = el("div.fall");
  const whole = Math.max(total, 0.001);
  let begin = 0;
  const add = (name, length, colour) => {
    const left = Math.min((begin / whole) * 100, 100);
    const width = Math.min((length / whole) * 100, 100 - left);
    const bar = length > 0.005 && el("i", { style: { left: `${left}%`, width: `${width}%`, background: `var(--${colour})` } });
    fall.append(el("span.dim", null, name), el("div.track", null, bar), el("span.ms", null, ms(length)));
    begin += length;
  };
  for (const name of PHASES) if (phases?.[name] != null) add(name, phases[name], name);
  if (total - begin > 0.05) add(phases ? "body" : "platform", total - begin, "rest");
  return fall;
}

/** The same in one thin bar. */
export function mini(phases, total) {
  const bar = el("div.mini", { "aria-hidden": true });
  const whole = Math.max(total, 0.001);
  for (const name of PHASES) {
    const width = ((phases?.[name] ?? 0) / whole) * 100;
    if (width > 0.5) bar.append(el("i", { style: { width: `${width}%`, background: `var(--${name})` } }));
  }
  return bar;
}

/** A list of names and values. */
export function facts(pairs) {
  const list = el("dl");
  for (const [name, value] of pairs) if (value != null && value !== "") list.append(el("dt", null, name), el("dd.mono", null, value));
  return list;
}

/** Keeps a select's options those of `names`, and its choice. */
export function options(select, names, first) {
  const wanted = [...(first == null ? [] : [["", first]]), ...names.map((name) => [name, name])];
  const same = wanted.length === select.options.length && wanted.every(([value], at) => select.options[at].value === value);
  if (same) return;
  const chosen = select.value;
  select.replaceChildren(...wanted.map(([value, text]) => el("option", { value }, text)));
  if (wanted.some(([value]) => value === chosen)) select.value = chosen;
}
