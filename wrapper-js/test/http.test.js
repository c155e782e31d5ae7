import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Runner, folder, start, startBound } from "./runner.js";

const seen = `exports.f = (req, res) => res.json({ url: req.url, base: req.baseUrl, original: req.originalUrl, query: req.query, method: req.method })`;
const body = `exports.f = (req, res) => res.json({ body: req.body, raw: req.rawBody.toString(), buffer: Buffer.isBuffer(req.body) })`;
const json = { "content-type": "application/json" };

test("a handler gets the path below its name as url and the name as baseUrl", async (t) => {
  const runner = await start(t, { "index.js": seen });
  const { json } = await runner.call("/f/a/b?x=1", { method: "PATCH" });
  assert.deepEqual(json, { url: "/a/b?x=1", base: "/f", original: "/f/a/b?x=1", query: { x: "1" }, method: "PATCH" });
  assert.equal((await runner.call("/f?x=1")).json.url, "/?x=1");
  assert.equal((await runner.call("/f")).json.url, "/");
});

test("an unknown name is a 404 problem that names the functions", async (t) => {
  const runner = await start(t, { "index.js": seen });
  const { status, json, headers } = await runner.call("/nope");
  assert.equal(status, 404);
  assert.equal(headers["content-type"], "application/problem+json");
  assert.deepEqual([json.reason, json.function, json.hint], ["not_found", "nope", "functions here: f"]);
});

test("a single function named at start serves every path, with or without its name", async (t) => {
  const runner = await start(t, folder({ "index.js": seen }), { env: { FNLOCAL_FUNCTION: "f", FNLOCAL_CODE: "." } });
  assert.deepEqual((await runner.call("/other/path")).json.base, "");
  assert.equal((await runner.call("/other/path")).json.url, "/other/path");
  assert.equal((await runner.call("/f/path")).json.url, "/path");
});

test("the runner serves a port like a socket and prints the URLs", async (t) => {
  const runner = new Runner(folder({ "index.js": seen }), { env: { FNLOCAL_SOCKET: "" }, args: ["index.js", "--port", "0"] });
  t.after(() => runner.stop());
  while (!runner.out.includes("\n")) await once(runner.child.stdout, "data");
  const [, port] = /^f {2}http:\/\/127\.0\.0\.1:(\d+)\/f\n$/.exec(runner.out) ?? [];
  assert.equal((await runner.call("/f", { target: { host: "127.0.0.1", port } })).json.base, "/f");
});

test("JSON, forms and text are parsed, anything else is a Buffer, and rawBody is always there", async (t) => {
  const runner = await start(t, { "index.js": body });
  const post = (/** @type {any} */ headers, /** @type {any} */ text) => runner.call("/f", { method: "POST", headers, body: text });
  assert.deepEqual((await post(json, '{"a":1}')).json, { body: { a: 1 }, raw: '{"a":1}', buffer: false });
  const form = await post({ "content-type": "application/x-www-form-urlencoded" }, "a[b]=1&c=2");
  assert.deepEqual(form.json.body, { a: { b: "1" }, c: "2" });
  assert.equal((await post({ "content-type": "text/plain; charset=latin1" }, Buffer.from([0xe4]))).json.body, "ä");
  assert.equal((await post({ "content-type": "image/png" }, "x")).json.buffer, true);
  assert.deepEqual((await runner.call("/f")).json, { body: {}, raw: "", buffer: false });
  const zipped = await post({ ...json, "content-encoding": "gzip" }, gzipSync('{"z":1}'));
  assert.deepEqual(zipped.json.body, { z: 1 });
});

test("a body that is too large, malformed or of an unknown charset is refused with the reason", async (t) => {
  const runner = await start(t, {
    "index.js": `exports.f = { func: (req, res) => res.send("ok"), config: { bodyLimit: 10 } }`,
  });
  const post = async (/** @type {any} */ headers, /** @type {any} */ text) => {
    const { status, json } = await runner.call("/f", { method: "POST", headers, body: text });
    return [status, json.reason];
  };
  assert.deepEqual(await post(json, JSON.stringify({ long: "x".repeat(100) })), [413, "body_too_large"]);
  assert.deepEqual(await post({ ...json, "transfer-encoding": "chunked" }, "x".repeat(100)), [413, "body_too_large"]);
  assert.deepEqual(await post(json, "{"), [400, "bad_body"]);
  assert.deepEqual(await post(json, "1"), [400, "bad_body"]);
  assert.deepEqual(await post({ "content-type": "text/plain; charset=klingon" }, "x"), [415, "bad_body"]);
});

test("the standalone runner accepts the body limit as spelled in fnlocal.toml", async (t) => {
  const runner = await start(t, {
    "index.js": `exports.f = { func: (req, res) => res.send("ok"), config: { body_limit: "10B" } }`,
  });
  const { status } = await runner.call("/f", { method: "POST", headers: json, body: JSON.stringify("x".repeat(100)) });
  assert.equal(status, 413);
});

test("a body that does not arrive in time gets 408", async (t) => {
  const runner = await start(t, { "index.js": body }, { env: { FNLOCAL_SLOW_REQUEST_MS: "50" } });
  const status = await new Promise((resolve, reject) => {
    const req = runner.open("/f", { method: "POST", headers: { "content-length": "5" } }, (res) => resolve(res.statusCode));
    req.on("error", reject).write("x");
  });
  assert.equal(status, 408);
});

test("a stream function enforces its body limit on the declared and the sent length", async (t) => {
  const runner = await start(t, {
    "index.js": `const size = async (req) => { let n = 0; for await (const c of req) n += c.length; return n };
      exports.f = { func: async (req, res) => res.json(await size(req)), config: { body: "stream", bodyLimit: 100 } };
      exports.g = { func: (req, res) => { res.write("early"); req.resume() }, config: { body: "stream", bodyLimit: 100 } };`,
  });
  const post = (/** @type {Record<string, string>} */ headers, /** @type {string} */ body) => runner.call("/f", { method: "POST", headers, body });
  assert.equal((await post({}, "x".repeat(100))).json, 100);
  const chunked = { "transfer-encoding": "chunked" };
  assert.equal((await post(chunked, "x".repeat(100))).json, 100);
  for (const headers of [{}, chunked]) {
    const { status, json } = await post(headers, "x".repeat(101));
    assert.deepEqual([status, json.reason], [413, "body_too_large"]);
  }
  // The answer has begun: it is cut off.
  await assert.rejects(runner.call("/g", { method: "POST", headers: chunked, body: "x".repeat(101) }));
  assert.equal((await post({}, "x")).json, 1);
});

test("a stream function gets an unread body without a default limit", async (t) => {
  const runner = await start(t, {
    "index.js": `exports.f = { func: async (req, res) => { let n = 0; for await (const c of req) n += c.length; res.json({ n, body: typeof req.body }) }, config: { body: "stream" } }`,
  });
  const { json } = await runner.call("/f", { method: "POST", body: Buffer.alloc(1e6) });
  assert.deepEqual(json, { n: 1e6, body: "undefined" });
});

test("a stream function may read with listeners and answer at the end", async (t) => {
  const source = `exports.f = { func: (q, s) => { let n = 0; q.on("data", (c) => n += c.length).on("end", () => s.json(n)) }, config: { body: "stream" } }`;
  const runner = await start(t, { "index.js": source });
  const answer = new Promise((resolve) => {
    const req = runner.open("/f", { method: "POST" }, (res) => res.on("data", (/** @type {Buffer} */ data) => resolve(String(data))));
    req.write("one");
    setTimeout(() => req.end("two"), 150);
  });
  assert.equal(await answer, "6");
});

test("a handler whose promise settles without an answer gets an empty 200", async (t) => {
  const runner = await start(t, { "index.js": `exports.f = async () => {}; exports.g = (q, s) => Promise.resolve(s); exports.h = async (q, s) => { s.status(204) }` });
  for (const path of ["/f", "/g"]) {
    const { status, text } = await runner.call(path);
    assert.deepEqual([status, text], [200, ""]);
  }
  assert.equal((await runner.call("/h")).status, 204);
});

test("a callback-style handler may answer later, by timer, file, stream, promise or hash", async (t) => {
  const runner = await start(t, {
    "index.js": `
      const fs = require("fs"), crypto = require("crypto");
      exports.timer = (q, s) => { setTimeout(() => s.send("late"), 150) };
      exports.file = (q, s) => { fs.readFile(__filename, () => s.send("late")) };
      exports.pipe = async (q, s) => { fs.createReadStream(__dirname + "/late.txt").pipe(s) };
      exports.promise = (q, s) => { (async () => { await null; await new Promise((r) => setTimeout(r, 100)); s.send("late") })() };
      exports.hash = (q, s) => { crypto.pbkdf2("a", "b", 1000, 32, "sha256", () => s.send("late")) };
      exports.sent = async (q, s) => { s.sendFile(__dirname + "/late.txt") };`,
    "late.txt": "late",
  });
  for (const name of ["timer", "file", "pipe", "promise", "hash", "sent"]) {
    assert.equal((await runner.call(`/${name}`)).text, "late", name);
  }
});

test("terminal control sequences in an error are shown as escapes", async (t) => {
  const code = { "index.js": String.raw`exports.f = () => { throw new Error("a\x1b]0;b\x07c\x9bd\u202ee\rf") }` };
  const runner = await start(t, code, {});
  assert.equal((await runner.call("/f")).status, 500);
  assert.ok(runner.err.includes(String.raw`a\x1b]0;b\x07c\u{9b}d\u{202e}e\x0df`), runner.err);
  assert.doesNotMatch(runner.err, /(?![\n\t])[\p{Cc}\p{Cf}]/u);
});

test("an error is a 500 problem; its text is shown only to developers", async (t) => {
  const code = { "index.js": `exports.f = () => { throw new Error("secret") }; exports.g = async () => { throw "text" }` };
  const runner = await start(t, code, {});
  const { status, json } = await runner.call("/f", { headers: { "x-fnlocal-request-id": "r1" } });
  assert.deepEqual([status, json.reason, json.request_id, json.detail], [500, "handler_error", "r1", undefined]);
  assert.equal((await runner.call("/g")).status, 500);
  assert.match(runner.err, /\[r1\] Error: secret\n {2}at index.js:1:27\n> 1 \|/);
  const dev = await start(t, code, { env: { FNLOCAL_DEV: "1" } });
  const shown = await dev.call("/f");
  assert.equal(shown.json.detail, "secret");
  assert.match(shown.json.stack, /index\.js:1/);
});

test("a handler that is too slow gets 504 and all others continue", async (t) => {
  const runner = await start(t, {
    "index.js": `exports.f = { func: (q, s) => new Promise(() => setTimeout(() => s.send("late"), 80)), config: { timeout: "40ms" } }; exports.g = (q, s) => s.send("g")`,
  });
  const { status, json } = await runner.call("/f");
  assert.deepEqual([status, json.reason, json.function], [504, "timeout", "f"]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal((await runner.call("/g")).text, "g");
});

test("a response streams immediately and is cut off if its handler fails midway", async (t) => {
  const runner = await start(t, {
    "index.js": `exports.f = async (q, s) => { s.write("one"); await new Promise((r) => exports.go = r); s.end("two") };
      exports.go1 = (q, s) => { exports.go(); s.end() };
      exports.cut = async (q, s) => { s.write("one"); throw new Error("midway") }`,
  });
  /** @type {any} */
  const res = await new Promise((resolve) => runner.open("/f", {}, resolve).end());
  const first = await new Promise((resolve) => res.once("data", resolve));
  assert.equal(String(first), "one");
  await runner.call("/go1");
  assert.equal(String(await new Promise((resolve) => res.once("data", resolve))), "two");
  await assert.rejects(runner.call("/cut"), /aborted|ECONNRESET/);
});

test("HEAD, trailers and early hints work as in Node.js", async (t) => {
  const runner = await start(t, {
    "index.js": `exports.f = (q, s) => { s.writeEarlyHints({ link: "</a.css>; rel=preload" }); s.writeHead(200, { trailer: "x-sum" }); s.write("body"); s.addTrailers({ "x-sum": "1" }); s.end() }; exports.g = (q, s) => s.send("body")`,
  });
  const head = await runner.call("/g", { method: "HEAD" });
  assert.deepEqual([head.status, head.text, head.headers["content-length"]], [200, "", "4"]);
  const [hints, trailers] = await new Promise((resolve) => {
    let early = /** @type {any} */ ("");
    const req = runner.open("/f", {}, (res) => res.on("end", () => resolve([early, res.trailers])).resume());
    req.on("information", (info) => (early = info.headers.link)).end();
  });
  assert.equal(hints, "</a.css>; rel=preload");
  assert.deepEqual({ ...trailers }, { "x-sum": "1" });
});

test("without a token there is no control channel", async (t) => {
  const runner = await start(t, { "index.js": seen });
  assert.equal((await runner.call("/_fnlocal/health")).status, 404);
});

test("the standalone runner accepts a head of 64 KB and refuses a larger or malformed one with the reason", async (t) => {
  const runner = await start(t, { "index.js": `exports.f = (q, s) => s.json((q.headers["x-long"] ?? "").length)` });
  const long = (/** @type {number} */ size) => runner.call("/f", { headers: { "x-long": "x".repeat(size) } });
  assert.equal((await long(60_000)).json, 60_000);
  const { status, json: problem } = await long(70_000);
  assert.deepEqual([status, problem.reason], [431, "headers_too_large"]);
  const socket = connect(runner.socketPath);
  socket.end("GET /f HTTP/1.1\r\nhost x\r\n\r\n");
  let text = "";
  for await (const chunk of socket) text += chunk;
  assert.match(text, /^HTTP\/1\.1 400 .*"reason":"bad_head"/s);
  assert.equal((await runner.call("/f")).json, 0);
});

test("an instance gives its handler the target named by the gateway without the header that carries it", async (t) => {
  const runner = await startBound(t, `exports.f = (q, s) => s.json([q.url, q.originalUrl, q.query, q.rawHeaders.join().includes("x-fnlocal-target")])`);
  const { json } = await runner.call("/f/%22?q=%22", { headers: { "x-fnlocal-target": '/f/"?q="' } });
  assert.deepEqual(json, ['/"?q="', '/f/"?q="', { q: '"' }, false]);
  const alone = await start(t, { "index.js": `exports.f = (q, s) => s.json(q.url)` });
  assert.equal((await alone.call("/f/a", { headers: { "x-fnlocal-target": "/f/b" } })).json, "/a");
  assert.equal((await runner.call("/f", { headers: { "x-long": "x".repeat(300_000) } })).status, 200);
});
