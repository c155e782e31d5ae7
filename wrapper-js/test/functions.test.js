import assert from "node:assert/strict";
import { test } from "node:test";
import { HAS_TYPESCRIPT, describe, folder, start } from "./runner.js";

/**
 * @param {Record<string, string>} files
 * @param {string[]} args
 */
async function names(files, ...args) {
  const { modules, err } = await describe(folder(files), ...args);
  assert.ok(modules, err);
  for (const { error } of modules) assert.equal(error, null);
  return modules.flatMap((/** @type {any} */ m) => m.functions.map((/** @type {any} */ f) => f.name));
}

test("exports with func, definition or upgrade and plain functions are functions, other exports are not", async () => {
  const index = `
    exports.a = { func: () => {}, config: { timeout: 10_000, memory: "1GB" } };
    exports.b = { definition: async () => {} };
    exports.c = () => {};
    exports.d = { upgrade() {} };
    exports.K = 1; exports.Class = class {}; exports.helpers = { x() {} }; exports.none = null; exports.list = [1];`;
  const { modules } = await describe(folder({ "index.js": index }));
  assert.deepEqual(modules[0].functions, [
    { name: "a", config: { timeout: 10_000, memory: "1GB" }, kind: ["http"], signature: "http" },
    { name: "b", config: {}, kind: ["http"], signature: "http" },
    { name: "c", config: {}, kind: ["http"], signature: "http" },
    { name: "d", config: {}, kind: ["upgrade"], signature: "http" },
  ]);
});

test("the config of a handler is read from every export form", async () => {
  const index = `
    const f = require("@google-cloud/functions-framework");
    const handler = (config) => Object.assign((req, res) => {}, { config });
    exports.bare = handler({ timeout: 1, other: 2 });
    exports.spec = { func: handler({ timeout: 1, memory: 2 }), config: { timeout: 3 } };
    exports.wrong = handler(4);
    exports.method = handler(() => {});
    f.http("registered", handler({ timeout: 5 }));`;
  const { modules } = await describe(folder({ "index.js": index }));
  const configs = modules[0].functions.map((/** @type {any} */ { name, config }) => [name, config]);
  assert.deepEqual(Object.fromEntries(configs), {
    bare: { timeout: 1, other: 2 },
    spec: { timeout: 3, memory: 2 },
    wrong: 4,
    method: {},
    registered: { timeout: 5, signature: "http" },
  });
});

test("the standalone runner refuses an ambiguous time without unit with both readings", async (t) => {
  const code = ["3", "99.5", '"3"', '"3000"'].map((time, at) => `exports.bad${at} = { func: (q, s) => s.send("x"), config: { timeout: ${time} } };`);
  const good = ["100", '"3ms"', '"3s"'].map((time, at) => `exports.good${at} = { func: (q, s) => s.send("x"), config: { timeout: ${time} } };`);
  const runner = await start(t, { "index.js": [...code, ...good].join("\n") });
  for (const [at, time] of ["3", "99.5", "3", "3000"].entries()) {
    const told = `function \`bad${at}\` in index.js: \`timeout\`: a time of ${time} has no unit\nhint: write "${time}s" for seconds or "${time}ms"`;
    assert.ok(runner.err.includes(told), runner.err);
    assert.equal((await runner.call(`/bad${at}`)).status, 404);
  }
  for (const at of [0, 1, 2]) assert.equal((await runner.call(`/good${at}`)).status, 200);
  assert.doesNotMatch(runner.err, /good/);
});

test("the standalone runner reports unknown config keys and accepts camel case and snake case", async (t) => {
  const config = `{ timout: 1, bodyLimit: "1MB", max_instances: 2 }`;
  const runner = await start(t, { "index.js": `exports.a = { func: () => {}, config: ${config} }` });
  assert.match(runner.err, /function `a` in .*index\.js: unknown key `timout` in `config`\nhint: known here: .*timeout/);
  assert.doesNotMatch(runner.err, /unknown key `(?!timout)/);
});

test("ES modules are detected by extension, by type and by syntax", async () => {
  const source = "import 'node:fs'; await null; export const a = () => {}; export async function b() {}; export class C {}";
  assert.deepEqual(await names({ "index.mjs": source }), ["a", "b"]);
  assert.deepEqual(await names({ "index.js": source, "package.json": '{"type":"module"}' }), ["a", "b"]);
  assert.deepEqual(await names({ "index.js": source.replace("'node:fs'; ", "'node:fs';\n") }), ["a", "b"]);
});

test("CommonJS that looks like an ES module is loaded as CommonJS", async () => {
  assert.deepEqual(await names({ "index.js": "const text = `\nimport x from 'x'\n`;\nexports.a = () => text" }), ["a"]);
});

test("a single export is named after its file, its package or its folder", async () => {
  assert.deepEqual(await names({ "greet.js": "module.exports = () => {}" }, "greet.js"), ["greet"]);
  assert.deepEqual(await names({ "greet.mjs": "export default { func() {} }" }, "greet.mjs"), ["greet"]);
  assert.deepEqual(await names({ "index.js": "module.exports = () => {}", "package.json": '{"name":"@me/shop"}' }), ["shop"]);
  assert.deepEqual(await names({ "cart/index.mjs": "export default async () => {}" }, "cart"), ["cart"]);
  assert.deepEqual(await names({ "index.js": "module.exports = { func() {}, config: {} }", "package.json": '{"name":"x"}' }), ["x"]);
});

test("code compiled from ES modules keeps its default export", async () => {
  const compiled = `Object.defineProperty(exports, "__esModule", { value: true }); exports.default = () => {}; exports.b = () => {}`;
  assert.deepEqual((await names({ "a.js": compiled }, "a.js")).sort(), ["a", "b"]);
});

test("a folder without configuration is read from main, index or functions/*", async () => {
  const one = "exports.a = () => {}";
  assert.deepEqual(await names({ "src/app.js": one, "package.json": '{"main":"src/app.js"}' }, "."), ["a"]);
  const many = { "functions/x.js": "module.exports = () => {}", "functions/y.mjs": "export default () => {}", "functions/x.test.js": "throw 1" };
  assert.deepEqual(await names(many), ["x", "y"]);
  const elsewhere = folder({ "index.js": one });
  assert.deepEqual(await names({}, elsewhere), ["a"]);
  const { exitCode, err } = await describe(folder({ "readme.md": "" }));
  assert.equal(exitCode, 2);
  assert.match(err, /no functions in .*\nhint: /);
});

test("output of user code during a description stays out of the JSON", async () => {
  const { modules, err } = await describe(folder({ "index.js": `console.log("noise"); exports.a = () => {}; setInterval(() => {}, 1000)` }));
  assert.equal(modules.length, 1);
  assert.match(err, /noise/);
});

test("TypeScript runs with the type stripping of Node.js", { skip: !HAS_TYPESCRIPT }, async () => {
  assert.deepEqual(await names({ "index.ts": "type A = string;\nexport const a = (req: A): void => {};" }), ["a"]);
  assert.deepEqual(await names({ "a.cts": "exports.a = (x: number) => {}" }, "a.cts"), ["a"]);
  const { modules, exitCode } = await describe(folder({ "index.ts": "export const a = () => {};\nenum X { A }" }));
  const { name, file, line } = modules[0].error;
  assert.deepEqual([exitCode, name, file, line], [1, "SyntaxError", "index.ts", 2]);
});

test("a Node.js version without TypeScript support names one that has it", { skip: HAS_TYPESCRIPT }, async () => {
  const { modules } = await describe(folder({ "index.ts": "export const a = (x: number) => {}" }));
  assert.match(modules[0].error.message, /cannot run TypeScript/);
  assert.match(modules[0].error.hint, /22\.18/);
});
