import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { describe, folder, start, startBound, startSpare } from "./runner.js";

/** @param {Record<string, string>} files */
async function found(files) {
  const { modules } = await describe(folder(files), ...Object.keys(files));
  return modules.flatMap((/** @type {any} */ { functions }) => functions.map((/** @type {any} */ one) => [one.name, one.signature]));
}

/**
 * @param {import("node:test").TestContext} t
 * @param {string} source of index.mjs
 * @param {object} [request]
 */
async function bound(t, source, request = {}) {
  const runner = await startSpare(t, { "index.mjs": source });
  const { status, text } = await runner.assign({ entries: ["index.mjs"], package_name: "shop", function: "shop", ...request });
  assert.equal(status, 200, text);
  return runner;
}

test("handlers of a web-standard request are told by their shape", async () => {
  assert.deepEqual(
    await found({
      "worker.mjs": "export default { async fetch(request, env, ctx) { return new Response('x') } }",
      "api/users.js": "exports.GET = async (request) => new Response('x'); exports.POST = () => new Response('y')",
      "netlify/functions/hello.mjs": "export default async (req, context) => new Response('x'); export const config = { path: '/h' }",
      "netlify/functions/plain.mjs": "export default (request) => new Response('x')",
      "named.mjs": "export const edge = async function (request) { return new Response('x') }",
      "express.js": "exports.GET = (req, res) => res.end(); exports.page = (request, response) => response.end()",
    }),
    [["worker", "fetch"], ["users", "fetch"], ["hello", "fetch"], ["plain", "fetch"], ["edge", "fetch"], ["GET", "http"], ["page", "http"]],
  );
});

test("a function that is called fetch, and a helper that has one, are no Workers", async () => {
  assert.deepEqual(
    await found({
      "index.js": "exports.fetch = (req, res) => res.end(); exports.page = (req, res) => res.end()",
      "helpers.js": "class Client { constructor() { this.fetch = () => {} } } exports.http = { fetch() {} }; exports.client = new Client(); exports.f = (req, res) => res.end()",
    }),
    [["fetch", "http"], ["page", "http"], ["f", "http"]],
  );
});

test("a handler whose parameters do not tell is a web-standard one by its config", async (t) => {
  const runner = await startBound(t, "exports.f = { func: async ({ url, method }) => Response.json({ url, method }), config: { signature: 'fetch' } }");
  const { json } = await runner.call("/f/a?b=1", { headers: { host: "shop.test" } });
  assert.deepEqual(json, { url: "http://shop.test/f/a?b=1", method: "GET" });
});

test("a Worker's fetch gets the request, the variables and a context", async (t) => {
  const runner = await bound(t, `export default { async fetch(request, env, ctx) {
    return Response.json({ url: request.url, name: env.NAME, header: request.headers.get("x-a"), own: [...request.headers.keys()].some((key) => key.startsWith("x-fnlocal")), ctx: Object.keys(ctx).sort(), body: await request.text() });
  } }`, { env: { NAME: "v" } });
  const headers = { host: "h", "x-a": "1", "x-forwarded-host": "shop.example", "x-forwarded-proto": "https", "x-fnlocal-request-id": "r1" };
  const { json } = await runner.call("/any/path?q=1", { method: "POST", headers, body: "text" });
  assert.deepEqual(json, {
    url: "https://shop.example/any/path?q=1", name: "v", header: "1", own: false, body: "text",
    ctx: ["ip", "params", "passThroughOnException", "props", "requestId", "waitUntil"],
  });
});

test("each method has its export, HEAD comes from GET, OPTIONS by itself, and others are 405", async (t) => {
  const runner = await bound(t, `export function GET() { return new Response("got", { headers: { "x-a": "b" } }) }
    export async function POST(request) { return Response.json(await request.json(), { status: 201 }) }`);
  assert.equal((await runner.call("/shop")).text, "got");
  const posted = await runner.call("/shop", { method: "POST", headers: { "content-type": "application/json" }, body: '{"a":1}' });
  assert.deepEqual([posted.status, posted.json], [201, { a: 1 }]);
  const head = await runner.call("/shop", { method: "HEAD" });
  assert.deepEqual([head.status, head.text, head.headers["x-a"]], [200, "", "b"]);
  const options = await runner.call("/shop", { method: "OPTIONS" });
  assert.deepEqual([options.status, options.headers.allow, options.text], [204, "GET, HEAD, POST, OPTIONS", ""]);
  const other = await runner.call("/shop", { method: "DELETE" });
  assert.deepEqual([other.status, other.headers.allow, other.json.reason], [405, "GET, HEAD, POST, OPTIONS", "method"]);
});

test("responses of all kinds are sent as they are", async (t) => {
  const runner = await bound(t, `const kinds = {
      cookies: () => { const r = new Response("x"); r.headers.append("set-cookie", "a=1"); r.headers.append("set-cookie", "b=2, c"); return r },
      redirect: () => Response.redirect("https://example.com/there", 307),
      none: () => new Response(null, { status: 204 }),
      unmodified: () => new Response(null, { status: 304, headers: { etag: '"1"' } }),
      bytes: () => new Response(new Uint8Array([0, 255])),
      blob: () => new Response(new Blob(["b"], { type: "text/x" })),
      status: () => new Response("x", { status: 418, statusText: "Teapot" }),
      error: () => Response.error(),
      nothing: () => undefined,
      object: () => ({ statusCode: 200 }),
      throws: () => { throw new TypeError("no") },
    };
    export default (request) => kinds[new URL(request.url).pathname.slice(1)]()`);
  assert.deepEqual((await runner.call("/cookies")).headers["set-cookie"], ["a=1", "b=2, c"]);
  const redirect = await runner.call("/redirect");
  assert.deepEqual([redirect.status, redirect.headers.location, redirect.text], [307, "https://example.com/there", ""]);
  assert.deepEqual([(await runner.call("/none")).status, (await runner.call("/unmodified")).headers.etag], [204, '"1"']);
  assert.deepEqual((await runner.call("/bytes")).raw, Buffer.from([0, 255]));
  const blob = await runner.call("/blob");
  assert.deepEqual([blob.headers["content-type"], blob.text], ["text/x", "b"]);
  assert.equal((await runner.call("/status")).status, 418);
  for (const path of ["/nothing", "/object"]) {
    const { status, json } = await runner.call(path);
    assert.deepEqual([status, json.reason], [500, "signature"], path);
    assert.match(json.hint, /Response/);
  }
  assert.deepEqual([(await runner.call("/throws")).status, (await runner.call("/error")).status], [500, 500]);
});

test("bodies stream both ways", async (t) => {
  const runner = await bound(t, `export default { fetch: (request) => new Response(request.body.pipeThrough(new TransformStream({
    transform: (chunk, to) => to.enqueue(Buffer.from(String(Buffer.from(chunk)).toUpperCase())) }))) }`);
  /** @type {any} */
  let answer;
  const req = runner.open("/", { method: "POST" }, (res) => (answer = res));
  req.write("one");
  await once(req, "response");
  assert.equal(String((await once(answer, "data"))[0]), "ONE");
  req.end("two");
  assert.equal(String((await once(answer, "data"))[0]), "TWO");
  await once(answer, "end");
});

test("a request whose client leaves is aborted", async (t) => {
  const runner = await bound(t, `let aborted = 0;
    export default { fetch(request) {
      if (request.url.endsWith("/count")) return Response.json(aborted);
      return new Promise((resolve) => request.signal.addEventListener("abort", () => { aborted += 1; resolve(new Response("x")) }));
    } }`, { concurrency: 2 });
  const req = runner.open("/", {});
  req.on("error", () => {}).end();
  await new Promise((resolve) => setTimeout(resolve, 100));
  req.destroy();
  for (;;) {
    if ((await runner.call("/count")).json === 1) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});

test("a body that is cancelled by a client that leaves ends the handler's stream", async (t) => {
  const runner = await bound(t, `let cancelled = false;
    export default { fetch: (request) => new Response(request.url.endsWith("/was") ? String(cancelled) : new ReadableStream({
      pull: async (to) => { await new Promise((done) => setTimeout(done, 5)); to.enqueue(Buffer.from("x")) }, cancel: () => { cancelled = true } })) }`, { concurrency: 2 });
  /** @type {any} */
  const res = await new Promise((resolve, reject) => runner.open("/", {}, resolve).on("error", reject).end());
  await once(res, "data");
  res.destroy();
  for (;;) {
    if ((await runner.call("/was")).text === "true") break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});

test("waitUntil keeps the instance busy after the answer, and what it rejects with is told", async (t) => {
  const runner = await bound(t, `export default { fetch(request, env, ctx) {
    ctx.waitUntil(new Promise((resolve) => setTimeout(() => { console.log("worked"); resolve() }, 200)));
    ctx.waitUntil(Promise.reject(new Error("lost")));
    return new Response("x");
  } }`);
  const events = await runner.events();
  const { text, headers } = await runner.call("/", { headers: { "x-fnlocal-request-id": "r1" } });
  assert.deepEqual([text, headers["x-fnlocal-background"]], ["x", "1"]);
  assert.ok(events.all.every(({ t }) => t !== "done"));
  await runner.control("idle?request=r1");
  const { request } = await events.find(({ line }) => line === "worked");
  const { error } = await events.find(({ t }) => t === "error");
  await events.find(({ t }) => t === "done");
  assert.deepEqual([request, error.message], ["r1", "lost"]);
});

test("a promise of waitUntil that never settles is given up when the time is up, and the instance goes on", async (t) => {
  const runner = await bound(t, `export default { fetch(request, env, ctx) { ctx.waitUntil(new Promise(() => {})); return new Response("x") } }`, { timeout_ms: 200 });
  const events = await runner.events();
  assert.equal((await runner.call("/")).text, "x");
  const { error, fatal } = await events.find(({ t }) => t === "error");
  assert.deepEqual([error.name, fatal], ["UnsettledError", false]);
  assert.equal((await runner.call("/")).text, "x");
});

test("a Worker's scheduled handler gets the runs of a schedule", async (t) => {
  const runner = await bound(t, `let at; export default { fetch: () => new Response(String(at)), scheduled: (controller, env, ctx) => { at = controller.scheduledTime } }`);
  const headers = { "x-fnlocal-trigger": "schedule", "ce-specversion": "1.0", "ce-time": "2026-01-02T03:04:05.000Z" };
  assert.equal((await runner.call("/shop", { method: "POST", headers, body: "{}" })).status, 204);
  assert.equal((await runner.call("/")).text, String(Date.parse("2026-01-02T03:04:05.000Z")));
});

test("a Worker of the older form listens for its requests", async (t) => {
  const source = `addEventListener("fetch", (event) => { event.waitUntil(Promise.resolve()); event.respondWith(answer(event.request)) });
    async function answer(request) { return new Response(request.method + " " + new URL(request.url).pathname) }`;
  const { modules } = await describe(folder({ "worker.js": source }), "worker.js");
  assert.deepEqual(modules[0].functions.map((/** @type {any} */ { name, signature }) => [name, signature]), [["worker", "fetch"]]);
  const runner = await start(t, { "index.js": source });
  assert.equal((await runner.call("/a")).text, "GET /a");
  const plain = await startBound(t, "exports.f = (q, s) => s.send(typeof addEventListener)");
  assert.equal((await plain.call("/f")).text, "undefined");
});

test("alone on a laptop, the only web-standard function gets every path", async (t) => {
  const runner = await start(t, { "index.mjs": "export default { fetch: (request) => new Response(new URL(request.url).pathname) }" });
  assert.equal((await runner.call("/a/b")).text, "/a/b");
});
