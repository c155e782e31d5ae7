import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { folder, start } from "./runner.js";

const require = createRequire(import.meta.url);
const JSON_TYPE = { "content-type": "application/json" };
const FORM_TYPE = { "content-type": "application/x-www-form-urlencoded" };

/** Ways to read a request's stream, each of which answers with what it read. */
const READERS = `
  exports.data = (q, s) => { let n = ""; q.on("data", (c) => n += c).on("end", () => s.json({ text: n, body: q.body })) };
  exports.iterate = async (q, s) => { let n = ""; for await (const c of q) n += c; s.json({ text: n, body: q.body }) };
  exports.readable = (q, s) => { let n = ""; q.on("readable", () => { let c; while ((c = q.read()) !== null) n += c }).on("end", () => s.json({ text: n, body: q.body })) };
  exports.pipe = (q, s) => { q.pipe(s) };
  exports.later = async (q, s) => { await new Promise((r) => setTimeout(r, 30)); let n = ""; for await (const c of q.setEncoding("utf8")) n += c; s.json({ text: n, body: q.body }) };
  exports.unread = (q, s) => { q.on("close", () => {}); s.json({ readable: q.readable, complete: q.complete }) };`;

test("a parsed body can also be read as a stream", async (t) => {
  const runner = await start(t, { "index.js": READERS });
  const text = '{"a":1}';
  for (const chunked of [{}, { "transfer-encoding": "chunked" }]) {
    const post = (/** @type {string} */ path) => runner.call(path, { method: "POST", headers: { ...JSON_TYPE, ...chunked }, body: text });
    for (const path of ["/data", "/iterate", "/readable", "/later"]) {
      assert.deepEqual((await post(path)).json, { text, body: { a: 1 } }, path);
    }
    assert.equal((await post("/pipe")).text, text);
    assert.deepEqual((await post("/unread")).json, { readable: true, complete: true });
  }
  for (const path of ["/data", "/iterate", "/readable"]) assert.deepEqual((await runner.call(path)).json, { text: "", body: {} }, path);
});

test("a large chunked body is complete in both forms and the connection is reused", async (t) => {
  const runner = await start(t, {
    "index.js": `const { createHash } = require("crypto"); const sum = (b) => createHash("sha256").update(b).digest("hex");
      exports.f = async (q, s) => { const all = []; for await (const c of q) all.push(c); s.json([sum(Buffer.concat(all)), sum(q.rawBody)]) }; exports.g = (q, s) => s.send("g");`,
  });
  const agent = new (require("node:http").Agent)({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const body = Buffer.alloc(3_000_000, "0123456789");
  for (const path of ["/f", "/g", "/f"]) {
    const answer = await runner.call(path, { method: "POST", agent, body });
    if (path === "/g") assert.equal(answer.text, "g");
    else assert.equal(answer.json[0], answer.json[1]);
  }
});

test("the stream has the body as sent and the parsed forms have it decompressed", async (t) => {
  const runner = await start(t, { "index.js": `exports.f = async (q, s) => { const all = []; for await (const c of q) all.push(c); s.json([Buffer.concat(all).toString("hex"), String(q.rawBody), q.body]) }` });
  const body = gzipSync('{"a":1}');
  const { json } = await runner.call("/f", { method: "POST", headers: { ...JSON_TYPE, "content-encoding": "gzip" }, body });
  assert.deepEqual(json, [body.toString("hex"), '{"a":1}', { a: 1 }]);
});

test("content codings are case-insensitive, and an empty one or identity means none", async (t) => {
  const runner = await start(t, { "index.js": `exports.f = (q, s) => s.json(q.body)` });
  const post = (/** @type {string} */ coding, /** @type {string | Buffer} */ body) => runner.call("/f", { method: "POST", headers: { ...JSON_TYPE, "content-encoding": coding }, body });
  for (const coding of ["Identity", "IDENTITY", " identity ", "identity, identity", ""]) assert.deepEqual((await post(coding, '{"a":1}')).json, { a: 1 }, coding);
  for (const coding of ["GZip", "x-gzip", "identity, gzip"]) assert.deepEqual((await post(coding, gzipSync('{"a":1}'))).json, { a: 1 }, coding);
  for (const coding of ["constructor", "__proto__", "zip"]) assert.equal((await post(coding, "{}")).status, 415, coding);
});

for (const version of ["express", "express-4"]) {
  test(`an app of ${version} parses bodies with its own middleware`, async (t) => {
    const code = folder({
      "index.js": `const express = require(${JSON.stringify(require.resolve(version))}); const app = express();
        app.use("/json", express.json({ reviver: (key, value) => key === "a" ? value + 1 : value }));
        app.use("/form", express.urlencoded({ extended: true })); app.use("/raw", express.raw({ type: "*/*" })); app.use("/text", express.text());
        app.post("/none", (q, s) => { let n = ""; q.on("data", (c) => n += c).on("end", () => s.json(n)) });
        app.use((q, s) => s.json(Buffer.isBuffer(q.body) ? { raw: String(q.body) } : q.body)); exports.app = app`,
    });
    const runner = await start(t, code);
    const post = async (/** @type {string} */ path, /** @type {object} */ headers, /** @type {any} */ body) =>
      (await runner.call(`/app/${path}`, { method: "POST", headers: { ...headers }, body })).json;
    assert.deepEqual(await post("json", JSON_TYPE, '{"a":1}'), { a: 2 });
    assert.deepEqual(await post("json", { ...JSON_TYPE, "content-encoding": "gzip" }, gzipSync('{"a":1}')), { a: 2 });
    assert.deepEqual(await post("form", FORM_TYPE, "a[b]=1"), { a: { b: "1" } });
    assert.deepEqual(await post("raw", JSON_TYPE, '{"a":1}'), { raw: '{"a":1}' });
    assert.deepEqual(await post("text", { "content-type": "text/plain" }, "hi"), "hi");
    assert.deepEqual(await post("none", JSON_TYPE, '{"a":1}'), '{"a":1}');
    assert.equal((await runner.call("/app/json", { method: "GET" })).status, 200);
  });
}
