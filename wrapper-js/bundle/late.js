import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { shortcut } from "./common-types.js";

const CORE = "src/express-core.js";

/** What Express loads at start but a first answer seldom needs. */
const LATE = new Set(
  ["accepts", "content-disposition", "content-type", "cookie", "cookie-signature", "etag", "finalhandler", "fresh"].concat(
    ["http-errors", "mime-types", "on-finished", "proxy-addr", "qs", "range-parser", "router", "send", "type-is", "vary"],
  ),
);

/** Their real ones look at the environment and the stack when they are made. @type {Record<string, string>} */
const QUIET = {
  debug: `module.exports = (name) => process.env.DEBUG ? chunk("debug")(name) : Object.assign(() => {}, { enabled: false });`,
  depd: `module.exports = (name) => { let real; return (message) => (real ??= chunk("depd")(name))(message) };`,
};

/** What Express does with the real one at every start, done without it. @type {Record<string, string>} */
const SHORTCUTS = {
  "mime-types": shortcut(),
  "proxy-addr": `module.exports.compile = (value) => value.length === 0 ? () => false : real().compile(value);`,
};

/** @type {import("esbuild").BuildOptions} */
export const OPTIONS = {
  absWorkingDir: fileURLToPath(new URL("..", import.meta.url)),
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  minify: true,
  legalComments: "none",
  logOverride: { "empty-import-meta": "silent" },
};

const require = createRequire(import.meta.url);
const chunkHelper = JSON.stringify(require.resolve("./chunk.cjs"));

/** Leaves Express out of the code; its parts follow in comments. @type {import("esbuild").Plugin} */
export const lateExpress = {
  name: "late-express",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /express-core\.js$/ }, () => ({ path: CORE, namespace: "core" }));
    onResolve({ filter: /^qs$/ }, ({ path }) => ({ path, namespace: "core" }));
    onLoad({ filter: /.*/, namespace: "core" }, ({ path }) => ({
      contents: `module.exports = require(${chunkHelper})(${JSON.stringify(path)});`,
      resolveDir: OPTIONS.absWorkingDir,
    }));
  },
};

/** Puts stand-ins where one part of Express asks for another. @type {import("esbuild").Plugin} */
const standIns = {
  name: "stand-ins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z-]+$/ }, ({ path, importer, kind }) => {
      if (kind === "entry-point") return undefined;
      if (path === "debug" || (path === "depd" && importer.includes("/express/lib/"))) return { path, namespace: "quiet" };
      return LATE.has(path) ? { path, namespace: "late" } : undefined;
    });
    onLoad({ filter: /.*/, namespace: "quiet" }, ({ path }) => ({ contents: QUIET[path] }));
    onLoad({ filter: /.*/, namespace: "late" }, ({ path }) => ({ contents: standIn(path) }));
    // As text the table is only parsed when somebody asks for a rare media type.
    onLoad({ filter: /mime-db[/\\]db\.json$/ }, ({ path }) => ({ contents: `module.exports = JSON.parse(${jsonText(path)})` }));
  },
};

/**
 * A module of the same shape that loads the real one when it is used.
 *
 * @param {string} name
 */
function standIn(name) {
  const real = require(name);
  const members = Object.keys(real).filter((key) => key !== "prototype").map((key) => {
    const at = `[${JSON.stringify(key)}]`;
    return typeof real[key] === "function" && !/^[A-Z]/.test(key)
      ? `module.exports${at} = function (...args) { return real()${at}.apply(this, args) };`
      : `Object.defineProperty(module.exports, ${JSON.stringify(key)}, { enumerable: true, get: () => real()${at} });`;
  });
  return [
    `let loaded; const real = () => loaded ??= chunk(${JSON.stringify(name)});`,
    typeof real === "function"
      ? "module.exports = function (...args) { return new.target ? new (real())(...args) : real().apply(this, args) };"
      : "module.exports = {};",
    ...members,
    SHORTCUTS[name] ?? "",
  ].join("\n");
}

/** @returns {Promise<string>} every part as a comment, for the end of the bundle */
export async function chunkComments() {
  const lines = [];
  for (const name of [CORE, ...LATE, ...Object.keys(QUIET)]) lines.push(`//# ${name} ${JSON.stringify(await chunkText(name))}`);
  return `${lines.join("\n")}\n`;
}

/** @param {string} name */
async function chunkText(name) {
  const entryPoint = name === CORE ? CORE : require.resolve(name);
  const { outputFiles } = await build({ ...OPTIONS, entryPoints: [entryPoint], write: false, plugins: [standIns] });
  return outputFiles?.[0].text ?? "";
}

/** @param {string} path */
function jsonText(path) {
  return JSON.stringify(JSON.stringify(JSON.parse(readFileSync(path, "utf8"))));
}
