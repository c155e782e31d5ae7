import assert from "node:assert/strict";
import { test } from "node:test";
import { start, startBound } from "./runner.js";

/** A pool as those of databases: its one socket is opened by the first request, whose context it has. */
const POOL = `
  const net = require("net");
  class Pool {
    constructor() {
      this.waiting = [];
      const echo = net.createServer((c) => c.on("data", (d) => setTimeout(() => c.write(d), 20))).listen(0, "127.0.0.1");
      this.ready = new Promise((resolve) => echo.on("listening", () => {
        this.socket = net.connect(echo.address().port, "127.0.0.1", resolve);
        this.socket.on("data", (d) => this.waiting.shift()(null, String(d)));
      }));
    }
    query(text, done) {
      this.ready.then(() => { this.waiting.push(done); this.socket.write(text); });
      return this;
    }
  }
  let pool;`;

/** @param {string} id */
const named = (id) => ({ headers: { "x-fnlocal-request-id": id } });

test("a callback of a pool created by an earlier request answers every time", async (t) => {
  const runner = await startBound(t, `${POOL} exports.f = (q, s) => { pool ??= new Pool(); pool.query(q.query.n, (e, rows) => s.send(rows)) }`);
  for (const n of ["1", "2", "3"]) assert.deepEqual(await bodyOf(runner.call(`/f?n=${n}`)), [200, n]);
});

test("a handler that returns no promise is awaited whatever value it returns", async (t) => {
  const runner = await startBound(t, `${POOL}
    const bus = new (require("events"))().on("go", (s) => setTimeout(() => s.send("late"), 120)), filed = {}, list = [];
    const ways = {
      nothing: (s) => { setTimeout(() => s.send("late"), 120) },
      timer: (s) => setTimeout(() => s.send("late"), 120),
      boolean: (s) => bus.emit("go", s),
      number: (s) => (bus.emit("go", s), list.push(s)),
      query: (s) => (pool ??= new Pool()).query("late", (e, rows) => s.send(rows)),
      filed: (s) => (bus.emit("go", s), filed[1] = { at: 1, s }),
      answered: (s) => (s.send("late"), "unused"),
    };
    exports.f = (q, s) => ways[q.query.way](s);`);
  for (const way of ["nothing", "timer", "boolean", "number", "query", "filed", "answered"]) {
    assert.deepEqual(await bodyOf(runner.call(`/f?way=${way}`)), [200, "late"], way);
  }
});

test("a synchronous handler that never answers gets 504 with a hint at its timeout", async (t) => {
  const runner = await startBound(t, `exports.f = (q, s) => {}`, { timeout_ms: 60 });
  const events = await runner.events();
  const { status, json } = await runner.call("/f");
  assert.deepEqual([status, json.reason], [504, "timeout"]);
  assert.match(json.hint, /returns no promise has to answer/);
  assert.match((await events.find(({ t }) => t === "error")).error.hint, /returns no promise has to answer/);
});

test("an answer after the promise has settled ends nothing and is reported with its own request", async (t) => {
  const runner = await startBound(t, `${POOL} exports.f = async (q, s) => {
    if (q.query.wait) { await new Promise((r) => setTimeout(r, 150)); return void s.send("waited") }
    pool ??= new Pool();
    pool.query("x", (e, rows) => { s.set("x-a", "1"); s.status(201).json(rows); s.end(); require("stream").Readable.from(["a"]).pipe(s); s.sendFile(__filename) });
  }`);
  const events = await runner.events();
  for (const id of ["r1", "r2"]) {
    assert.deepEqual(await bodyOf(runner.call("/f", named(id))), [200, ""]);
    await events.find(({ t, request }) => t === "error" && request === id);
  }
  // An innocent request, which runs while they come.
  assert.deepEqual(await bodyOf(runner.call("/f?wait=1", named("r3"))), [200, "waited"]);
  const told = events.all.filter(({ t }) => t === "error");
  assert.deepEqual(told.map(({ request, fatal, error }) => [request, fatal, error.name]), [["r1", false, "LateAnswer"], ["r2", false, "LateAnswer"]]);
  assert.match(told[0].error.hint, /await the work/);
  assert.equal(told[0].error.file, "index.js");
});

test("a second answer is reported and ends nothing, from a timer, another request's context or after the end", async (t) => {
  const runner = await startBound(t, `${POOL} const twice = {
      timer: (s) => { s.send("one"); setTimeout(() => s.send("two"), 10) },
      pool: (s) => { s.send("one"); (pool ??= new Pool()).query("x", () => s.json("two")) },
      write: (s) => { s.end("one"); s.write("two") },
      rejected: async (s) => { s.send("one"); await null; s.send("two") },
      file: (s) => { s.send("one"); s.sendFile(__filename) },
    };
    exports.f = (q, s) => twice[q.query.way](s)`);
  const events = await runner.events();
  for (const way of ["timer", "pool", "write", "rejected", "file", "pool"]) {
    assert.deepEqual(await bodyOf(runner.call(`/f?way=${way}`, named(way))), [200, "one"], way);
    const { fatal } = await events.find(({ t, request }) => t === "error" && (request === way || request === "pool"));
    assert.equal(fatal, false);
  }
  assert.equal(runner.child.exitCode, null);
});

test("an answer after the timeout of one function does not affect requests of others", async (t) => {
  const runner = await start(t, {
    "index.js": `exports.f = { func: (q, s) => { setTimeout(() => { s.send("late"); s.sendFile(__filename) }, 80) }, config: { timeout: "30ms" } };
      exports.g = async (q, s) => { await new Promise((r) => setTimeout(r, 120)); s.send("g") }`,
  });
  const [late, other] = await Promise.all([runner.call("/f"), runner.call("/g")]);
  assert.deepEqual([late.status, other.text], [504, "g"]);
});

test("an error in a callback after the answer belongs to its own request, and other requests end first", async (t) => {
  const runner = await startBound(t, `exports.f = (q, s) => {
    if (q.query.late) { s.send("ok"); return void setTimeout(() => { throw new Error("lost") }, 60) }
    setTimeout(() => s.send("innocent"), 200);
  }`);
  const events = await runner.events();
  assert.equal((await runner.call("/f?late=1", named("guilty"))).text, "ok");
  const innocent = await runner.call("/f", named("innocent"));
  assert.deepEqual([innocent.status, innocent.text, innocent.headers.connection], [200, "innocent", "close"]);
  const { request, fatal, error } = await events.find(({ t }) => t === "error");
  assert.deepEqual([request, fatal, error.message], ["guilty", true, "lost"]);
  assert.equal(await runner.exited, 1);
});

test("an error without a request context belongs to no request, even while only one runs", async (t) => {
  const runner = await startBound(t, `const bus = new (require("events"))(); setInterval(() => bus.emit("tick"), 20);
    exports.f = (q, s) => { bus.on("tick", () => { throw new Error("lost") }); setTimeout(() => s.send("ok"), 150) }`);
  const events = await runner.events();
  assert.deepEqual(await bodyOf(runner.call("/f", named("r1"))), [200, "ok"]);
  const { request, fatal } = await events.find(({ t }) => t === "error");
  assert.deepEqual([request, fatal], [null, true]);
  assert.equal(await runner.exited, 1);
});

const RETURNS = {
  lambda: [`async (q, s) => ({ statusCode: 200, body: "x" })`, /AWS Lambda's, \(event, context\)/],
  "lambda by one parameter": [`async (event) => ({ statusCode: 200, headers: {}, body: "x" })`, /AWS Lambda's/],
  "lambda by event and context": [`async (event, context) => ({ statusCode: 200, body: "x" })`, /AWS Lambda's/],
  "lambda without a promise": [`() => ({ statusCode: "404" })`, /AWS Lambda's/],
  fetch: [`async () => new Response("x")`, /web standard's, \(request\) => Response/],
  text: [`async (q, s) => "x"`, /res\.send\(value\)/],
  "text without a promise": [`(q, s) => "x"`, /res\.send\(value\)/],
  "an object": [`(q, s) => ({ a: 1 })`, /res\.json\(value\)/],
  "an array": [`async (q, s) => [1]`, /res\.json\(value\)/],
  "a number of a promise": [`async (q, s) => 7`, /res\.send\(value\)/],
  bytes: [`async (q, s) => Buffer.from("x")`, /res\.send\(value\)/],
};

for (const [what, [handler, hint]] of Object.entries(RETURNS)) {
  test(`a handler that returns a value instead of answering gets a 500 with a hint: ${what}`, async (t) => {
    const runner = await startBound(t, `exports.f = ${handler}`);
    const events = await runner.events();
    const { status, json } = await runner.call("/f");
    assert.deepEqual([status, json.reason], [500, "signature"]);
    assert.match(json.hint, /** @type {RegExp} */ (hint));
    const { error, fatal } = await events.find(({ t }) => t === "error");
    assert.deepEqual([error.name, error.hint, fatal], ["SignatureError", json.hint, false]);
    assert.equal((await runner.call("/f")).status, 500);
  });
}

test("headers set after the answer has begun cut it off, also from a timer", async (t) => {
  const runner = await startBound(t, `exports.f = (q, s) => { s.write("x"); setTimeout(() => s.set("x-a", "1"), 10) }`);
  await assert.rejects(runner.call("/f"), /aborted|ECONNRESET/);
  assert.equal((await runner.control("idle")).status, 200);
  assert.equal(runner.child.exitCode, null);
});

test("an error writing to the code folder has a hint where to write", async (t) => {
  const denied = (/** @type {string} */ path) => `Object.assign(new Error("EROFS: read-only file system, open"), { code: "EROFS", path: ${path} })`;
  const runner = await startBound(t, `exports.f = (q, s) => { throw q.query.here ? ${denied('"out.json"')} : ${denied('"/proc/x"')} }`);
  const events = await runner.events();
  await runner.call("/f?here=1", named("here"));
  await runner.call("/f", named("there"));
  assert.match((await events.find(({ t, request }) => t === "error" && request === "here")).error.hint, /write to \/tmp/);
  assert.equal((await events.find(({ t, request }) => t === "error" && request === "there")).error.hint, undefined);
});

test("a value returned in addition to an answer is ignored", async (t) => {
  const runner = await startBound(t, `const ways = { sent: async (q, s) => s.json({ a: 1 }), value: async (q, s) => { s.send("x"); return { statusCode: 500 } },
      res: async (q, s) => s.status(200), req: async (q) => q, nothing: async () => null, piped: async (q, s) => { require("stream").Readable.from(["x"]).pipe(s); return "x" } };
    exports.f = (q, s) => ways[q.query.way](q, s)`);
  for (const way of ["sent", "value", "res", "req", "nothing", "piped"]) assert.equal((await runner.call(`/f?way=${way}`)).status, 200, way);
});

/** @param {Promise<{ status: number, text: string }>} answer */
async function bodyOf(answer) {
  const { status, text } = await answer;
  return [status, text];
}
