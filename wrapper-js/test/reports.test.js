import assert from "node:assert/strict";
import { test } from "node:test";
import { startBound, startSpare } from "./runner.js";

const MOST = 64 * 1024 + 64;

/** @param {import("./runner.js").Runner} runner */
function crashes(runner) {
  const lines = runner.err.split("\n").filter((line) => line.startsWith("fnlocal: crash "));
  return lines.map((line) => JSON.parse(line.slice("fnlocal: crash ".length)));
}

test("a line of 8 MB is cut between characters with a note, and the next one follows", async (t) => {
  const runner = await startBound(t, `exports.f = (q, s) => { console.log("x" + "ü".repeat(4_000_000)); console.log("next"); s.end() }`);
  const events = await runner.events();
  await runner.call("/f");
  await events.find(({ line }) => line === "next");
  const { line } = events.all.find(({ t }) => t === "log");
  assert.ok(Buffer.byteLength(line) <= MOST && line.startsWith("xüü"), `${line.length}`);
  assert.match(line, /ü… \[79\d{5} bytes cut\]$/);
});

for (const [what, code] of [
  ["a message of 2 MB", `throw new Error("m".repeat(2_000_000))`],
  ["a stack of 5 MB", `const e = new Error("m"); e.stack += "\\n    at x (".repeat(500_000); throw e`],
  ["a name of 2 MB", `const e = new Error("m"); e.name = "n".repeat(2_000_000); throw e`],
  ["causes without end", `const e = new Error("m"); e.cause = e; throw e`],
  ["a long chain of causes", `let e = new Error("m".repeat(100_000)); for (let i = 0; i < 1000; i++) e = new Error("m".repeat(100_000), { cause: e }); throw e`],
  ["getters that throw", `throw Object.defineProperties(new Error("m"), Object.fromEntries(["message", "stack", "name", "cause", "hint", "code"].map((k) => [k, { get() { throw new Error("no") } }])))`],
  ["a hint that is not text", `throw Object.assign(new Error("m"), { hint: { a: 1 }, name: 7, message: null })`],
  ["a stack with a line beyond all numbers", `const e = new Error("m"); e.stack = "Error: m\\n    at f (" + __filename + ":99999999999999999999:1)"; throw e`],
  ["an object without a prototype", `throw Object.create(null)`],
  ["a proxy that throws", `throw new Proxy({}, { get() { throw 1 }, has() { throw 1 }, getPrototypeOf() { throw 1 } })`],
  ["a symbol", `throw Symbol("s")`],
]) {
  test(`an error with ${what} is reported within bounds, and so are later errors`, async (t) => {
    const runner = await startBound(t, `exports.f = (q, s) => { if (q.query.ok) { console.log("next"); return s.end() } ${code} }`);
    const events = await runner.events();
    assert.equal((await runner.call("/f")).status, 500);
    const event = await events.find(({ t }) => t === "error");
    const { name, message, stack, file, line, frame } = event.error;
    for (const text of [name, message, stack]) assert.ok(typeof text === "string" && Buffer.byteLength(text) <= MOST);
    assert.ok(frame === null || frame.length < 20_000);
    assert.ok(file === null || Number.isInteger(line));
    assert.ok(line === null || line < 2 ** 31);
    assert.ok(JSON.stringify(event).length < 512 * 1024);
    assert.equal((await runner.call("/f?ok=1")).status, 200);
    await events.find(({ line }) => line === "next");
  });
}

test("an error message of 2 MB does not hide the location of the error", async (t) => {
  const runner = await startBound(t, `exports.f = () => {\n  throw new Error("m".repeat(2_000_000));\n};`);
  const events = await runner.events();
  await runner.call("/f");
  const { error } = await events.find(({ t }) => t === "error");
  assert.deepEqual([error.file, error.line, error.column], ["index.js", 2, 9]);
});

for (const [what, code, message] of [
  ["an error thrown after the answer", `s.send("ok"); setImmediate(() => {\n throw new TypeError("late") })`, "late"],
  ["an error thrown in the tick after the answer", `s.send("ok"); process.nextTick(() => {\n throw new TypeError("late") })`, "late"],
  ["a rejection after the answer", `s.send("ok"); setTimeout(() => {\n Promise.reject(new TypeError("late")) }, 5)`, "late"],
  ["an unhandled error event", `s.send("ok"); setImmediate(() => new (require("events"))().emit("error",\n new TypeError("late")))`, "late"],
  ["a stack that overflows after the answer", `s.send("ok"); setImmediate(() => {\n const g = () => g() + 1; g() })`, "Maximum call stack size exceeded"],
  ["a message of control characters", `s.send("ok"); setImmediate(() => {\n throw new TypeError("\\0".repeat(50_000)) })`, undefined],
]) {
  for (const followed of [true, false]) {
    test(`${what} is reported on stderr before the process ends, ${followed ? "and also as an event" : "even if no event reader is connected"}`, async (t) => {
      const runner = await startBound(t, `exports.f = (q, s) => { ${code} }`);
      const events = followed ? await runner.events() : undefined;
      await runner.call("/f", { headers: { "x-fnlocal-request-id": "r1" } }).catch(() => {});
      assert.equal(await runner.exited, 1);
      const [crash, ...more] = crashes(runner);
      assert.deepEqual(more, []);
      assert.equal(crash.fatal, true);
      if (message !== undefined) assert.equal(crash.error.message, message);
      assert.deepEqual([crash.error.file, crash.error.line], ["index.js", 2]);
      if (events !== undefined) assert.equal((await events.find(({ t }) => t === "error")).nr, crash.nr);
      assert.ok(runner.err.split("\n").every((line) => Buffer.byteLength(line) < 16 * 1024));
    });
  }
}

test("an address in use at import is reported with its location before the process ends", async (t) => {
  const source = `const { createServer } = require("http");\nconst one = createServer().listen(0, () => {\n  createServer().listen(one.address().port);\n});\nexports.f = () => {};`;
  const runner = await startSpare(t, { "index.js": source });
  await runner.events();
  await runner.assign({ function: "f" }).catch(() => {});
  assert.equal(await runner.exited, 1);
  const [{ error, fatal }] = crashes(runner);
  assert.equal(fatal, true);
  assert.match(error.message, /EADDRINUSE/);
});

for (const call of ["exit(1)", "abort()", "kill(process.pid, 'SIGKILL')"]) {
  test(`process.${call} is reported with its call site`, async (t) => {
    const runner = await startBound(t, `exports.f = () => {\n process.${call};\n}`);
    await runner.call("/f", { headers: { "x-fnlocal-request-id": "r1" } }).catch(() => {});
    await runner.exited;
    const name = call.slice(0, call.indexOf("("));
    assert.match(runner.err, new RegExp(`fnlocal: function f \\(request r1\\) called process\\.${name}\\(.*\\) at .*index\\.js:2:10`));
  });
}
