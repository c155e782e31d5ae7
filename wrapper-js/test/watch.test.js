import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const MAIN = new URL("../dist/describe.cjs", import.meta.url).pathname;

/**
 * What is noticed while a module is described.
 *
 * @param {string} text
 * @param {string} [name]
 * @param {Record<string, string>} [env]
 */
function watched(text, name = "index.js", env = { FNLOCAL_WATCH: "1" }) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "watch-")));
  try {
    writeFileSync(join(folder, name), text);
    writeFileSync(join(folder, "data.json"), "{}");
    const said = spawnSync(process.execPath, [MAIN], { env: { ...env, FNLOCAL_CODE: folder }, encoding: "utf8" });
    const { modules, watched } = JSON.parse(said.stdout);
    assert.deepEqual(modules.map((/** @type {any} */ { error }) => error), [null]);
    return watched;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("marks that are reached are told, by getters at the end too", () => {
  const text = `const f = () => { fnlocal$ran(0); }; f();
    exports.a = () => { fnlocal$ran(1); };
    exports.b = { func: (req, res) => {}, config: { toJSON() { fnlocal$ran(2); return {}; } } };`;
  assert.deepEqual(watched(text), { ran: [0, 2], settled: true, read: false });
});

test("nothing is watched unless asked for", () => {
  assert.equal(watched("exports.a = () => {};", "index.js", {}), undefined);
});

test("code that could go on later is not settled", () => {
  assert.equal(watched("setTimeout(() => {}, 1000); exports.a = () => {};").settled, false);
  assert.equal(watched("import 'node:fs/promises'; export const a = () => {};", "index.mjs").settled, true);
});

test("code that changes how code is loaded is not settled", () => {
  const text = "exports.a = () => {};";
  assert.equal(watched(`require("module").prototype._compile = function () {}; ${text}`).settled, false);
  assert.equal(watched(`require.extensions[".ts"] = () => {}; ${text}`).settled, false);
});

test("code that reads the text of its functions is noticed", () => {
  const text = "exports.a = () => { fnlocal$ran(0); };";
  for (const reads of ["String(exports.a)", "`${exports.a}`", "Function.prototype.toString.call(exports.a)"]) {
    assert.equal(watched(`${text} ${reads};`).read, true, reads);
  }
  assert.equal(watched(`${text} String(Map); String(Function.prototype.toString);`).read, false);
});

test("code that reads its own file is noticed", () => {
  const text = "exports.a = () => {};";
  for (const reads of ["fs.readFileSync(__filename)", "fs.openSync('./index.js')", "fs.createReadStream('index.js')", "fs.promises.readFile(__filename)"]) {
    assert.equal(watched(`const fs = require("fs"); ${text} ${reads};`).read, true, reads);
  }
  const named = `import { readFileSync } from "node:fs"; readFileSync(new URL(import.meta.url)); export const a = () => {};`;
  assert.equal(watched(named, "index.mjs").read, true);
  assert.equal(watched(`require("fs").readFileSync("./data.json"); ${text}`).read, false);
  assert.equal(watched(`require("./data.json"); ${text}`).read, false);
});
