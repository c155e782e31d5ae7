// A form that calls a function, as any client does: the function's own path, no way around it.

import { card, chip, el, facts, ms, options, tone, waterfall } from "../dom.js";
import { HEADERS } from "../facts.js";
import { act } from "../token.js";
import { go } from "../go.js";
import { store } from "../store.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"];
const MOST = 512 * 1024;

export function invoke() {
  const name = el("select", { name: "function", required: true });
  const method = el("select", { name: "method" });
  options(method, METHODS);
  const path = el("input.code", { name: "path", placeholder: "/lots/7?full=1", autocomplete: "off", spellcheck: "false" });
  const headers = el("textarea", { name: "headers", rows: "5", placeholder: "x-team: red", spellcheck: "false" });
  const body = el("textarea", { name: "body", rows: "5", placeholder: '{"bidder": "Ada", "amount": 10}', spellcheck: "false" });
  const cold = el("input", { type: "checkbox", name: "cold" });
  const send = el("button.primary", { type: "submit" }, "Call");
  const answer = el("div", { "aria-live": "polite" });
  const form = el("form.invoke", { onsubmit: call },
    el("label.f", null, "Function", name), el("label.m", null, "Method", method), el("label.p", null, "Path after its name", path),
    el("label.half", null, "Headers, one a line", headers), el("label.half", null, "Body", body),
    el("div.acts", null, send, el("label.inline", { title: "Stops its idle instances before" }, cold, "as a cold start"),
      el("span.dim.opt", null, el("kbd", null, "Ctrl"), " ", el("kbd", null, "Enter"))));
  form.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && form.requestSubmit());
  body.addEventListener("input", () => body.value && method.value === "GET" && (method.value = "POST"));
  const node = el("div.panel", null, card("Call a function", null, form), answer);

  async function call(event) {
    event.preventDefault();
    send.disabled = true;
    answer.setAttribute("aria-busy", "true");
    const shown = await calling().catch((error) => el("p.notice.wrong", null, error.message));
    answer.replaceChildren(shown);
    answer.removeAttribute("aria-busy");
    send.disabled = false;
  }

  async function calling() {
    if (cold.checked) {
      const failed = await act(`cold?function=${encodeURIComponent(name.value)}`);
      if (failed) throw new Error(failed);
      await isCold(name.value);
    }
    // Functions are of another origin: the platform passes this on, for its own page only.
    const sent = new Headers({ [HEADERS.PAGE]: "1" });
    for (const line of headers.value.split("\n").filter((line) => line.trim())) {
      const at = line.indexOf(":");
      if (at < 1) throw new Error(`“${line}” is no header: write it as in x-team: red`);
      sent.append(line.slice(0, at).trim(), line.slice(at + 1).trim());
    }
    const bare = ["GET", "HEAD"].includes(method.value);
    if (body.value && !bare && !sent.has("content-type")) sent.set("content-type", isJson(body.value) ? "application/json" : "text/plain");
    const after = path.value && !/^[/?]/.test(path.value) ? `/${path.value}` : path.value;
    const began = performance.now();
    const response = await fetch(`invoke/${encodeURIComponent(name.value)}${after}`, { method: method.value, headers: sent, body: bare ? undefined : body.value || undefined, cache: "no-store" });
    const head = performance.now() - began;
    const bytes = await response.arrayBuffer();
    return result(response, bytes, head, performance.now() - began);
  }

  return {
    node,
    update() { options(name, [...store.functions.keys()]); },
    show(what) { this.update(); if (what) name.value = what; },
  };
}

/** Waits until the next request would find nothing ready, for at most ten seconds. */
async function isCold(name) {
  for (let look = 0; look < 40; look += 1) {
    const one = store.functions.get(name);
    const left = one ? Object.values(one.instances).reduce((sum, number) => sum + number, 0) : 0;
    if (left + store.totals.spares === 0) return;
    await new Promise((done) => store.addEventListener("state", done, { once: true }));
  }
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function result(response, bytes, head, total) {
  const start = response.headers.get(HEADERS.START);
  const id = response.headers.get(HEADERS.REQUEST_ID);
  const phases = {};
  for (const part of (response.headers.get("server-timing") ?? "").split(",")) {
    const [, name, length] = part.match(/^\s*([\w-]+);dur=([\d.]+)/) ?? [];
    if (name) phases[name] = Number(length);
  }
  const spent = Object.values(phases).reduce((sum, length) => sum + length, 0);
  return card("Answer", id && el("button.small", { onclick: () => go("requests", id) }, "its request and log ↗"),
    el("div.answer", null, el("b", { class: tone(response.status) }, `${response.status} ${response.statusText}`), chip(start), el("span.dim", null, `${ms(total)} in this browser, head after ${ms(head)}, ${bytes.byteLength.toLocaleString("en")} bytes`)),
    Object.keys(phases).length > 0 && waterfall(phases, spent), el("h3", null, "Body"), el("pre", null, shown(bytes, response.headers.get("content-type") ?? "")),
    el("h3", null, "Headers"), facts([...response.headers]));
}

function shown(bytes, kind) {
  const text = new TextDecoder().decode(bytes.slice(0, MOST));
  const more = bytes.byteLength > MOST ? "\n… and more" : "";
  if (kind.includes("json") && !more && isJson(text)) return JSON.stringify(JSON.parse(text), null, 2);
  return (text || "(empty)") + more;
}
