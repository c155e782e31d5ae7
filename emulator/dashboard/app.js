// Puts the views together: tabs, theme, keys, and what runs.

import { el } from "./dom.js";
import { store } from "./store.js";
import { errors } from "./views/errors.js";
import { fleet } from "./views/fleet.js";
import { invoke } from "./views/invoke.js";
import { limits } from "./views/limits.js";
import { logs } from "./views/logs.js";
import { overview } from "./views/overview.js";
import { requests } from "./views/requests.js";
import { simulation } from "./views/simulation.js";

const byId = (id) => document.getElementById(id);

const VIEWS = { overview, requests, logs, errors, invoke, limits, fleet, simulation };
const NAMES = Object.keys(VIEWS);
const title = (name) => name[0].toUpperCase() + name.slice(1);
const views = {};
const tabs = {};
let current = "";

for (const name of NAMES) {
  const view = VIEWS[name]();
  views[name] = view;
  view.node.id = `panel-${name}`;
  view.node.hidden = true;
  view.node.setAttribute("role", "tabpanel");
  view.node.setAttribute("aria-labelledby", `tab-${name}`);
  tabs[name] = el("button", { role: "tab", type: "button", id: `tab-${name}`, "aria-controls": view.node.id, tabindex: "-1", onclick: () => select(name) }, title(name));
  byId("tabs").append(tabs[name]);
  byId("main").append(view.node);
}
const badge = el("span.count", { hidden: true });
tabs.errors.append(badge);

function select(name, what) {
  if (current) {
    views[current].node.hidden = true;
    tabs[current].setAttribute("aria-selected", "false");
    tabs[current].tabIndex = -1;
  }
  current = name;
  views[name].node.hidden = false;
  tabs[name].setAttribute("aria-selected", "true");
  tabs[name].tabIndex = 0;
  tabs[name].scrollIntoView({ block: "nearest", inline: "nearest" });
  history.replaceState(null, "", `#${name}`);
  views[name].update();
  views[name].show?.(what);
}

byId("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const ends = { Home: 0, End: NAMES.length - 1 }[event.key];
  if (step == null && ends == null) return;
  event.preventDefault();
  const to = NAMES[ends ?? (NAMES.indexOf(current) + step + NAMES.length) % NAMES.length];
  select(to);
  tabs[to].focus();
});

document.addEventListener("go", (event) => {
  select(event.detail.view, event.detail.what);
  byId("main").focus({ preventScroll: true });
});

const THEMES = ["system", "light", "dark"];
let theme = document.documentElement.dataset.theme ?? "system";

function paint(next) {
  theme = next;
  if (theme === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("fnlocal.theme");
  } else {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("fnlocal.theme", theme);
  }
  byId("theme").textContent = { system: "◐ auto", light: "☀ light", dark: "☾ dark" }[theme];
  document.dispatchEvent(new Event("theme"));
}
const turn = () => paint(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
byId("theme").addEventListener("click", turn);
paint(theme);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /** @type {Element} */ (event.target).closest("input, select, textarea")) return;
  const at = Number(event.key);
  if (at >= 1 && at <= NAMES.length) select(NAMES[at - 1]);
  else if (event.key === "t") turn();
  else if (event.key === "/" && views[current].search) {
    event.preventDefault();
    views[current].search.focus();
  }
});

store.addEventListener("about", () => {
  const { project, runtime, version } = store.about;
  byId("project").textContent = project || "fnlocal";
  byId("runtime").textContent = `${location.host}, ${runtime}`;
  byId("version").textContent = `fnlocal ${version}`;
  document.title = `${project || "functions"}: fnlocal`;
});
store.addEventListener("link", () => {
  byId("link").className = `link ${store.link}`;
  byId("link").textContent = { live: "live", lost: "not answering", locked: "locked" }[store.link];
  byId("locked").hidden = store.link !== "locked";
});
store.addEventListener("state", () => {
  badge.hidden = !store.errors;
  badge.textContent = store.errors > 999 ? "999+" : store.errors;
  // The page is hidden: nothing is drawn.
  if (!document.hidden) views[current].update();
});
store.addEventListener("records", (event) => {
  views.logs.records(event.detail);
  if (current === "requests" && !document.hidden) views.requests.update();
});
store.addEventListener("caught-up", () => {
  views.logs.show();
  views[current].update();
});
document.addEventListener("visibilitychange", () => document.hidden || views[current].update());

const asked = location.hash.slice(1);
select(NAMES.includes(asked) ? asked : "overview");
store.connect();
