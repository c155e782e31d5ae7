import { createRequire } from "node:module";
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * Makes the one file that runs in every instance. What Express loads at start but a first answer
 * seldom needs is put behind a stand-in with the same shape, which loads the real one when used.
 */
const LATE = new Set(
  ["accepts", "content-disposition", "content-type", "cookie", "cookie-signature", "etag", "finalhandler", "fresh"].concat(
    ["http-errors", "mime-types", "on-finished", "proxy-addr", "qs", "range-parser", "router", "send", "type-is", "vary"],
  ),
);
/** @type {Record<string, string>} */
const QUIET = {
  // The real ones look at the environment and the stack when they are made.
  debug: `module.exports = (name) => process.env.DEBUG ? require("debug")(name) : Object.assign(() => {}, { enabled: false });`,
  depd: `module.exports = (name) => { let real; return (message) => (real ??= require("depd")(name))(message) };`,
};
const OUTFILE = "dist/runner.cjs";
const here = fileURLToPath(new URL(".", import.meta.url));

const require = createRequire(import.meta.url);

await build({
  entryPoints: ["src/main.js"],
  outfile: OUTFILE,
  absWorkingDir: here,
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  logOverride: { "empty-import-meta": "silent" },
  plugins: [lateExpress()],
});
console.log(`${OUTFILE}  ${Math.round(statSync(`${here}/${OUTFILE}`).size / 1024)} kB`);

/** @returns {import("esbuild").Plugin} */
function lateExpress() {
  return {
    name: "late-express",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^[a-z-]+$/ }, ({ path, importer }) => {
        const fromExpress = importer.includes("/node_modules/express/lib/");
        if (fromExpress && path === "debug") return { path, namespace: "quiet" };
        if (fromExpress && path === "depd") return { path, namespace: "quiet" };
        return fromExpress && LATE.has(path) ? { path, namespace: "late" } : undefined;
      });
      onLoad({ filter: /.*/, namespace: "late" }, ({ path }) => ({ contents: standIn(path), resolveDir: here }));
      onLoad({ filter: /.*/, namespace: "quiet" }, ({ path }) => ({ contents: QUIET[path], resolveDir: here }));
      // As text the table is only parsed when somebody asks for a media type.
      onLoad({ filter: /mime-db[/\\]db\.json$/ }, ({ path }) => ({
        contents: `module.exports = JSON.parse(${JSON.stringify(JSON.stringify(JSON.parse(readFileSync(path, "utf8"))))})`,
      }));
    },
  };
}

/** @param {string} name */
function standIn(name) {
  const real = require(name);
  const keys = Object.keys(real).filter((key) => key !== "prototype");
  return [
    `let loaded; const real = () => loaded ??= require(${JSON.stringify(name)});`,
    typeof real === "function"
      ? "module.exports = function (...args) { return new.target ? new (real())(...args) : real().apply(this, args) };"
      : "module.exports = {};",
    ...keys.map((key) =>
      typeof real[key] === "function" && !/^[A-Z]/.test(key)
        ? `module.exports[${JSON.stringify(key)}] = function (...args) { return real()[${JSON.stringify(key)}].apply(this, args) };`
        : `Object.defineProperty(module.exports, ${JSON.stringify(key)}, { enumerable: true, get: () => real()[${JSON.stringify(key)}] });`,
    ),
  ].join("\n");
}
