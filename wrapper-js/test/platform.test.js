import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { BUNDLE, TOKEN, folder, start, startBound, startSpare } from "./runner.js";

const two = { "index.js": `exports.f = { func: (q, s) => s.json({ at: process.cwd(), env: process.env.K, load: loads }), config: { timeout: 5 , any: [1] } }; let loads = 0; loads++; globalThis.n = (globalThis.n ?? 0) + 1; exports.g = (q, s) => s.json(globalThis.n)` };

test("health reports the states spare, primed and bound", async (t) => {
  const runner = await startSpare(t, two);
  const health = async () => (await runner.control("health")).json;
  const { state, node, boot_ms } = await health();
  assert.deepEqual([state, node, typeof boot_ms], ["spare", process.version, "number"]);
  const primed = await runner.assign({});
  assert.deepEqual(primed.json.modules, [
    {
      entry: "index.js",
      functions: [
        { name: "f", config: { timeout: 5, any: [1] }, kind: ["http"], signature: "http" },
        { name: "g", config: {}, kind: ["http"], signature: "http" },
      ],
      error: null,
    },
  ]);
  assert.equal((await health()).state, "primed");
  assert.equal((await runner.assign({ function: "g" })).status, 200);
  assert.equal((await health()).state, "bound");
  assert.equal((await runner.call("/g")).json, 1);
});

test("an assign sets the environment and the folder", async (t) => {
  const runner = await startSpare(t, two);
  const { status, json } = await runner.assign({ function: "f", env: { K: "v" }, timeout_ms: 1000 });
  assert.deepEqual([status, typeof json.import_ms], [200, "number"]);
  const { at, env } = (await runner.call("/f")).json;
  assert.deepEqual([at, env], [runner.code, "v"]);
});

test("a bound instance, or one primed with other code, refuses with 409", async (t) => {
  const runner = await startSpare(t, two);
  await runner.assign({});
  assert.equal((await runner.assign({ function: "f", code: "/elsewhere" })).status, 409);
  assert.equal((await runner.assign({ function: "f" })).status, 200);
  assert.equal((await runner.assign({ function: "f" })).status, 409);
});

test("control calls without the token are 404, and user code never sees it", async (t) => {
  const runner = await startBound(t, `exports.f = (q, s) => s.json(Object.keys(process.env).filter((k) => k.startsWith("FNLOCAL")))`);
  for (const token of ["", "x", `${TOKEN}x`]) {
    assert.equal((await runner.call("/_fnlocal/health", { headers: { "x-fnlocal-token": token } })).status, 404);
  }
  assert.deepEqual((await runner.call("/f")).json, []);
});

test("an assign of a missing function answers 422 with the existing functions", async (t) => {
  const runner = await startSpare(t, two);
  const { status, json } = await runner.assign({ function: "h" });
  assert.deepEqual([status, json.error.name, json.error.hint], [422, "FunctionNotFound", "functions here: f, g"]);
});

test("priming reports each failed module with its location and loads the others", async (t) => {
  const runner = await startSpare(t, {
    "good.js": "exports.good = (q, s) => s.send('good')",
    "cjs.js": "const a = 1;\n\nconst b = ;\n",
    "esm.mjs": "export const a = 1;\nexport const b = ;\n",
    "deep.mjs": "import './lib/bad.mjs';\n",
    "lib/bad.mjs": "let x = ;\n",
    "throws.js": "function g() {\n  throw new Error('at import')\n}\ng()\n",
    "missing.js": "const fs = require('fs')\nconst x = require('@scope/pkg/sub')\n",
    "missing.mjs": "import fs from 'fs'\nimport ws from 'no-such-ws'\n",
    "twice.js": "exports.good = () => {}; exports.other = () => {}",
  });
  const entries = ["good.js", "cjs.js", "esm.mjs", "deep.mjs", "throws.js", "missing.js", "missing.mjs", "twice.js"];
  const { json, status } = await runner.assign({ entries });
  assert.equal(status, 200);
  const at = Object.fromEntries(
    json.modules.map((/** @type {any} */ m) => [m.entry, m.error && [m.error.name, m.error.file, m.error.line, m.error.column, m.error.hint]]),
  );
  const notNamed = (/** @type {string} */ name) => `package.json does not name ${name}: if it is the package you mean, npm install ${name}`;
  assert.deepEqual(at, {
    "good.js": null,
    "cjs.js": ["SyntaxError", "cjs.js", 3, 11, undefined],
    "esm.mjs": ["SyntaxError", "esm.mjs", 2, 18, undefined],
    "deep.mjs": ["SyntaxError", "lib/bad.mjs", 1, 9, undefined],
    "throws.js": ["Error", "throws.js", 2, 9, undefined],
    "missing.js": ["Error", "missing.js", 2, 20, notNamed("@scope/pkg")],
    "missing.mjs": ["Error", "missing.mjs", 2, 17, notNamed("no-such-ws")],
    "twice.js": ["DuplicateFunction", "twice.js", null, null, "rename one of them"],
  });
  assert.equal(json.modules[1].error.frame, "  1 | const a = 1;\n  2 |\n> 3 | const b = ;\n    |           ^\n  4 |");
  assert.deepEqual(json.modules[7].functions.map((/** @type {any} */ f) => f.name), ["other"]);
  assert.equal((await runner.assign({ entries, function: "good" })).status, 200);
  assert.equal((await runner.call("/good")).text, "good");
});

test("an assign of a function whose module failed answers 422 with that failure", async (t) => {
  const runner = await startSpare(t, { "index.js": "exports.f = () => {};\nnope();" });
  const { status, json } = await runner.assign({ function: "f" });
  assert.deepEqual([status, json.error.name, json.error.line], [422, "ReferenceError", 2]);
});

test("printed lines, ends and errors arrive as events with their request", async (t) => {
  const runner = await startBound(
    t,
    `exports.f = async (q, s) => { console.log("one\\ntwo"); console.error("bad"); process.stdout.write("half"); await null; if (q.query.fail) throw new Error("told"); s.status(201).send() }`,
  );
  await runner.call("/f", { headers: { "x-fnlocal-request-id": "r1" } });
  const events = await runner.events();
  const done = await events.find(({ t, request }) => t === "done" && request === "r1");
  assert.equal(done.status, 201);
  for (const key of ["ms", "cpu_ms", "memory"]) assert.equal(typeof done[key], "number", key);
  await events.find(({ line }) => line === "half");
  const lines = events.all.filter(({ t }) => t === "log").map(({ request, stream, line }) => [request, stream, line]);
  assert.deepEqual(lines, [["r1", "stdout", "one"], ["r1", "stdout", "two"], ["r1", "stderr", "bad"], ["r1", "stdout", "half"]]);
  await runner.call("/f?fail=1", { headers: { "x-fnlocal-request-id": "r2" } });
  const { request, fatal, error } = await events.find(({ t }) => t === "error");
  assert.deepEqual([request, fatal, error.message, error.file, error.line], ["r2", false, "told", "index.js", 1]);
  assert.equal(runner.out + runner.err, "");
});

test("a line written in pieces is one line and ends at the latest with its request", async (t) => {
  const pieces = `const wait = (ms) => new Promise((r) => setTimeout(r, ms)); const w = (text) => process.stdout.write(text);
    exports.f = async (q, s) => {
      for (const piece of ["down", "load", "ing ", "done\\nnext"]) { w(piece); await wait(q.query.ms ?? 150); }
      w(" and last"); process.stderr.write("e"); s.send() }`;
  const runner = await startBound(t, pieces, { concurrency: 2 });
  const events = await runner.events();
  const headers = (/** @type {string} */ id) => ({ headers: { "x-fnlocal-request-id": id } });
  await Promise.all([runner.call("/f", headers("r1")), runner.call("/f?ms=130", headers("r2"))]);
  for (const id of ["r1", "r2"]) {
    await events.find(({ t, request }) => t === "done" && request === id);
    const own = events.all.filter(({ request }) => request === id);
    assert.deepEqual(own.map(({ t, line }) => line ?? t), ["downloading done", "next and last", "e", "done"]);
    // The time is that of its first piece.
    assert.ok(own[1].at > own[0].at);
  }
});

test("an unfinished line is not lost when the process ends", async (t) => {
  const runner = await startBound(t, `exports.f = () => { process.stdout.write("half"); process.exit(3) }`);
  await runner.call("/f").catch(() => {});
  assert.equal(await runner.exited, 3);
  assert.match(runner.out, /^half$/m);
});

test("buffered events are bounded while the platform does not read them", async (t) => {
  const runner = await startBound(t, `exports.f = (q, s) => { for (let i = 0; i < 60_000; i++) console.log(i); s.end() }`);
  const { res, all, find } = await runner.events();
  res.pause();
  await runner.call("/f");
  res.resume();
  await find(({ line }) => line === "59999");
  const { count } = await find(({ t }) => t === "dropped");
  const lines = all.filter(({ t }) => t === "log").length;
  // What is kept, and what the connection holds.
  assert.ok(count > 0 && lines <= 20_000 + 10_000, `${lines} lines, ${count} dropped`);
  assert.equal(lines + count, 60_000);
});

test("requests run one at a time in order unless the platform sets a concurrency", async (t) => {
  const source = `let now = 0, most = 0; exports.f = async (q, s) => { most = Math.max(most, ++now); await new Promise((r) => setTimeout(r, 20)); now--; s.json(most) }`;
  const one = await startBound(t, source);
  const serial = await Promise.all([1, 2, 3].map(() => one.call("/f")));
  assert.deepEqual(serial.map(({ json }) => json), [1, 1, 1]);
  const many = await startBound(t, source, { concurrency: 3 });
  await Promise.all([1, 2, 3].map(() => many.call("/f")));
  assert.equal((await many.call("/f")).json, 3);
});

test("the idle call answers once a handler whose client disconnected has settled", async (t) => {
  const runner = await startBound(t, `exports.f = async (q, s) => { s.write("x"); await new Promise((r) => s.on("close", r)); await new Promise((r) => setTimeout(r, 50)); console.log("settled") }`);
  const events = await runner.events();
  /** @type {any} */
  const res = await new Promise((resolve) => runner.open("/f", {}, resolve).end());
  await new Promise((resolve) => res.once("data", resolve));
  res.on("error", () => {});
  res.destroy();
  assert.equal((await runner.control("idle")).status, 200);
  await events.find(({ line }) => line === "settled");
  const { status } = await events.find(({ t }) => t === "done");
  assert.equal(status, 200);
});

test("a timeout is answered 504 and ends the process", async (t) => {
  const runner = await startBound(t, `exports.f = () => new Promise(() => {})`, { timeout_ms: 50 });
  const events = await runner.events();
  const { status, json } = await runner.call("/f");
  assert.deepEqual([status, json.reason], [504, "timeout"]);
  assert.equal(await runner.exited, 1);
  assert.equal(events.all.find(({ t }) => t === "error")?.error.name, "TimeoutError");
});

for (const [what, code] of [
  ["an exception in a timer", `setTimeout(() => { throw new Error("lost") }, 5)`],
  ["an unhandled rejection", `Promise.reject(new Error("lost"))`],
]) {
  test(`${what} answers 500, is reported with its request and ends the process`, async (t) => {
    const runner = await startBound(t, `exports.f = () => new Promise(() => { ${code} })`);
    const events = await runner.events();
    const { status, json } = await runner.call("/f", { headers: { "x-fnlocal-request-id": "r9" } });
    assert.deepEqual([status, json.reason], [500, "crashed"]);
    assert.equal(await runner.exited, 1);
    const { request, fatal, error } = events.all.find(({ t }) => t === "error");
    assert.deepEqual([request, fatal, error.message, error.file], ["r9", true, "lost", "index.js"]);
  });
}

test("process.exit is reported with its call site and loses no printed line", async (t) => {
  const runner = await startBound(t, `exports.f = () => {\n console.log("last words");\n process.exit(3);\n}`);
  await runner.call("/f", { headers: { "x-fnlocal-request-id": "r1" } }).catch(() => {});
  assert.equal(await runner.exited, 3);
  assert.match(runner.err, /fnlocal: function f \(request r1\) called process\.exit\(3\) at .*index\.js:3:10/);
  assert.match(runner.out, /last words/);
});

test("SIGTERM lets the running invocation finish, then ends with 0", async (t) => {
  const runner = await startBound(t, `exports.f = async (q, s) => { console.log("begun"); await new Promise((r) => setTimeout(r, 100)); s.send("done") }`);
  const events = await runner.events();
  const answer = runner.call("/f");
  await events.find(({ line }) => line === "begun");
  runner.child.kill("SIGTERM");
  assert.equal((await answer).text, "done");
  assert.equal(await runner.exited, 0);
});

test("a first line of stdin that is not a token is an error", async (t) => {
  const code = folder({ "index.js": "" });
  const env = { FNLOCAL_DIAL: `${code}/s`, PATH: process.env.PATH ?? "" };
  const child = spawn(process.execPath, [BUNDLE, "--instance"], { cwd: code, env, stdio: ["pipe", "ignore", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let err = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
  child.stdin.on("error", () => {}).write("a".repeat(256));
  const [exit] = await once(child, "close");
  assert.deepEqual([exit, err.trim()], [2, "the first line of stdin has more than 256 bytes"]);
});

test("an instance ends when its stdin closes", async (t) => {
  const runner = await startSpare(t, {});
  runner.child.stdin.end();
  assert.equal(await runner.exited, 0);
});

test("a function named at start is bound without an assign, and a broken one ends the process with its error", async (t) => {
  const env = { FNLOCAL_FUNCTION: "g", FNLOCAL_CODE: ".", FNLOCAL_ENTRIES: "index.js" };
  const runner = await startSpare(t, two, env);
  assert.equal((await runner.call("/g")).json, 1);
  assert.equal((await runner.control("health")).json.state, "bound");
  const broken = folder({ "index.js": "exports.g = ;" });
  await assert.rejects(start(t, broken, { env }), /SyntaxError[^]*index\.js:1:13/);
});

test("stacks of bundled code are mapped to the source files", async (t) => {
  const { build } = await import("esbuild");
  const source = `import { fail } from "./lib/deep.ts";\nexport const f = (q: any, s: any) => {\n  fail(q.query.why as string);\n};\n`;
  const files = { "src/index.ts": source, "src/lib/deep.ts": "// first\n\nexport function fail(why: string): never {\n  throw new TypeError(why);\n}\n" };
  const runner = await startSpare(t, files);
  const outfile = `${runner.code}/index.js`;
  await build({ entryPoints: [`${runner.code}/src/index.ts`], outfile, bundle: true, minify: true, sourcemap: true, platform: "node" });
  await runner.assign({ function: "f", entries: ["index.js"] });
  const events = await runner.events();
  await runner.call("/f?why=lost");
  const { error, cause } = await events.find(({ t }) => t === "error");
  assert.deepEqual([cause, error.file, error.line, error.column], ["handler", "src/lib/deep.ts", 4, 9]);
  assert.match(error.stack, /src\/lib\/deep\.ts:4:9\)?\n.*src\/index\.ts:3:3/);
  assert.match(error.frame, /> 4 \|   throw new TypeError/);
});

test("stack frames printed by a function are mapped to its sources, relative to the code folder", async (t) => {
  const { build } = await import("esbuild");
  const source = `import { fail } from "./lib/deep.ts";\nexport const f = (q: any, s: any) => {\n  try { fail("lost"); } catch (error: any) {\n    console.error(error);\n    console.log(Object.assign(error, { code: 7 }));\n  }\n  s.send();\n};\n`;
  const files = { "src/index.ts": source, "src/lib/deep.ts": "// first\n\nexport function fail(why: string): never {\n  throw new TypeError(why);\n}\n" };
  const runner = await startSpare(t, files);
  const outfile = `${runner.code}/index.js`;
  await build({ entryPoints: [`${runner.code}/src/index.ts`], outfile, bundle: true, minify: true, sourcemap: true, platform: "node" });
  await runner.assign({ function: "f", entries: ["index.js"] });
  const events = await runner.events();
  await runner.call("/f");
  await events.find(({ t }) => t === "done");
  const lines = events.all.filter(({ t }) => t === "log").map(({ line }) => line);
  const frames = lines.filter((line) => /^\s+at /.test(line));
  assert.equal(frames.filter((line) => /[( ]src\/lib\/deep\.ts:4:9\)?$/.test(line)).length, 2, lines.join("\n"));
  assert.equal(frames.filter((line) => /[( ]src\/index\.ts:3:9\)?( \{)?$/.test(line)).length, 2, lines.join("\n"));
  for (const line of lines) assert.ok(!line.includes(runner.code) && !line.includes("node:internal"), line);
  assert.ok(lines.includes("  code: 7") && lines.includes("}"), lines.join("\n"));
});

test("a webpack source path is resolved to a file above the bundle or to its name in the package", async (t) => {
  const { build } = await import("esbuild");
  const { readFileSync, writeFileSync, rmSync } = await import("node:fs");
  const source = "// first\nexport const f = () => {\n  throw new TypeError('lost');\n};\n";
  for (const kept of [true, false]) {
    const runner = await startSpare(t, { "package.json": "{}", "src/index.ts": source });
    const outfile = `${runner.code}/dist/index.js`;
    await build({ entryPoints: [`${runner.code}/src/index.ts`], outfile, bundle: true, sourcemap: true, platform: "node" });
    const map = JSON.parse(readFileSync(`${outfile}.map`, "utf8"));
    map.sources = ["webpack://shop/./src/index.ts?1a2b"];
    writeFileSync(`${outfile}.map`, JSON.stringify(map));
    if (!kept) rmSync(`${runner.code}/src`, { recursive: true });
    await runner.assign({ function: "f", entries: ["dist/index.js"] });
    const events = await runner.events();
    await runner.call("/f");
    const { error } = await events.find(({ t }) => t === "error");
    assert.deepEqual([error.file, error.line], ["src/index.ts", 3], error.stack);
    assert.match(error.frame, /> 3 \|   throw new TypeError/);
  }
});

test("a webpack source path that cannot be resolved leaves the frame unchanged", async (t) => {
  const { build } = await import("esbuild");
  const { readFileSync, writeFileSync, rmSync } = await import("node:fs");
  const runner = await startSpare(t, { "package.json": "{}", "src/index.ts": "export const f = () => { throw new TypeError('lost'); };\n" });
  const outfile = `${runner.code}/dist/index.js`;
  await build({ entryPoints: [`${runner.code}/src/index.ts`], outfile, bundle: true, sourcemap: true, platform: "node" });
  const { sourcesContent, ...map } = JSON.parse(readFileSync(`${outfile}.map`, "utf8"));
  writeFileSync(`${outfile}.map`, JSON.stringify({ ...map, sources: ["webpack:///./src/index.ts"] }));
  rmSync(`${runner.code}/src`, { recursive: true });
  await runner.assign({ function: "f", entries: ["dist/index.js"] });
  const events = await runner.events();
  await runner.call("/f");
  const { error } = await events.find(({ t }) => t === "error");
  assert.equal(error.file, "dist/index.js", error.stack);
});
