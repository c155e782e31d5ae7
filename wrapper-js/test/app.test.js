import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { test } from "node:test";
import { describe, folder, start, startSpare } from "./runner.js";

const require = createRequire(import.meta.url);
const at = (/** @type {string} */ name) => JSON.stringify(require.resolve(name));

/** @type {Record<string, string>} Files that export an application or begin to listen, each answering at /users/7. */
const APPS = {
  "an Express app": `const app = require(${at("express")})(); app.get("/users/:id", (q, s) => s.json({ id: q.params.id, query: q.query.a })); module.exports = app`,
  "an Express 4 app": `const app = require(${at("express-4")})(); app.get("/users/:id", (q, s) => s.json({ id: q.params.id, query: q.query.a })); module.exports = app`,
  "a Koa app": `const Koa = require(${at("koa")}); const app = new Koa(); app.use((ctx) => { if (ctx.path === "/users/7") ctx.body = { id: "7", query: ctx.query.a } }); module.exports = app`,
  "a Fastify app": `const app = require(${at("fastify")})(); app.get("/users/:id", async (q) => ({ id: q.params.id, query: q.query.a })); module.exports = app`,
  "a Hono app": `const { Hono } = require(${at("hono")}); const app = new Hono(); app.get("/users/:id", (c) => c.json({ id: c.req.param("id"), query: c.req.query("a") })); module.exports = app`,
  "a server": `${plain()} module.exports = http.createServer(serve)`,
  "a file that listens": `${plain()} http.createServer(serve).listen(3000, () => console.log("on 3000"))`,
  "an Express app that listens": `const app = require(${at("express")})(); app.get("/users/:id", (q, s) => s.json({ id: q.params.id, query: q.query.a })); app.listen(process.env.PORT || 3000)`,
  "an app that listens once it is ready": `${plain()} setTimeout(() => http.createServer(serve).listen(3000), 50)`,
  "a Fastify app that listens": `const app = require(${at("fastify")})(); app.get("/users/:id", async (q) => ({ id: q.params.id, query: q.query.a })); app.listen({ port: 3000 }).then((where) => console.log(where))`,
  "an app that is exported and listens": `const app = require(${at("express")})(); app.get("/users/:id", (q, s) => s.json({ id: q.params.id, query: q.query.a })); const server = app.listen(3000); module.exports = app`,
};

function plain() {
  return `const http = require("http"); const serve = (q, s) => { const url = new URL(q.url, "http://x");
    if (url.pathname === "/users/7") s.end(JSON.stringify({ id: "7", query: url.searchParams.get("a") })); else { s.statusCode = 404; s.end() } };`;
}

for (const [what, source] of Object.entries(APPS)) {
  test(`${what} is one function, which routes by itself and opens no port`, async (t) => {
    const { modules, err } = await describe(folder({ "shop.js": source }), "shop.js");
    assert.deepEqual(modules[0].functions.map((/** @type {any} */ { name, signature }) => [name, signature]), [["shop", "app"]], err);
    const runner = await startSpare(t, { "shop.js": source });
    const { status, text } = await runner.assign({ entries: ["shop.js"], function: "shop" });
    assert.equal(status, 200, text);
    for (const path of ["/users/7?a=b", "/shop/users/7?a=b"]) {
      const { status, json } = await runner.call(path);
      assert.deepEqual([status, json], [200, { id: "7", query: "b" }], path);
    }
    assert.equal((await runner.call("/nowhere")).status, 404);
    await assert.rejects(fetch("http://127.0.0.1:3000/users/7"), TypeError);
  });
}

test("an ES module may wait at its top level for its server", async (t) => {
  const source = `import http from "node:http"; import { once } from "node:events";
    const server = http.createServer((q, s) => s.end(String(server.address().port))); await once(server.listen(4321), "listening");`;
  const runner = await start(t, { "index.mjs": source });
  assert.equal((await runner.call("/")).text, "4321");
});

test("a body reaches an app as it was sent", async (t) => {
  const source = `const http = require("http"); http.createServer((q, s) => { s.write(JSON.stringify([typeof q.body, q.constructor.name])); q.pipe(s) }).listen(1)`;
  const runner = await start(t, { "index.js": source });
  const { text } = await runner.call("/", { method: "POST", headers: { "content-type": "application/json" }, body: "{no json" });
  assert.equal(text, '["undefined","IncomingMessage"]{no json');
});

test("an app that fails answers 500 and lives on", async (t) => {
  const source = `const Koa = require(${at("koa")}); const app = new Koa(); app.silent = true; app.use(() => { throw new Error("no") }); module.exports = app`;
  const runner = await start(t, { "index.js": source });
  for (let n = 0; n < 2; n += 1) assert.equal((await runner.call("/")).status, 500);
});

test("a server that takes upgrades gets them", async (t) => {
  const source = `const http = require("http"); const server = http.createServer((q, s) => s.end("page"));
    server.on("upgrade", (q, socket) => socket.end("HTTP/1.1 101 Switching Protocols\\r\\nconnection: upgrade\\r\\nupgrade: x\\r\\n\\r\\nhi " + q.url)); server.listen(3000)`;
  const { modules } = await describe(folder({ "index.js": source }));
  assert.deepEqual(modules[0].functions[0].kind, ["http", "upgrade"]);
  const runner = await start(t, { "index.js": source });
  const req = runner.open("/chat", { headers: { connection: "upgrade", upgrade: "x" } });
  req.end();
  const [, socket, head] = await once(req, "upgrade");
  let text = String(head);
  for await (const piece of socket) text += piece;
  assert.equal(text, "hi /chat");
  assert.equal((await runner.call("/")).text, "page");
});

test("servers of a module that exports functions really listen", async (t) => {
  const source = `const server = require("http").createServer((q, s) => s.end("own")).listen(0, "127.0.0.1");
    exports.f = async (q, s) => s.send(await (await fetch("http://127.0.0.1:" + server.address().port)).text())`;
  const runner = await start(t, { "index.js": source });
  assert.equal((await runner.call("/f")).text, "own");
});

test("a server that closes calls back, so an app can end by itself", async (t) => {
  const source = `const http = require("http"); const server = http.createServer((q, s) => { s.end("x"); server.close(() => console.log("closed")) }).listen(3000)`;
  const runner = await start(t, { "index.js": source });
  await runner.call("/");
  while (!runner.out.includes("closed")) await new Promise((resolve) => setTimeout(resolve, 5));
});

/** @type {Record<string, [string, RegExp]>} */
const UNKNOWN = {
  "a class": ["module.exports = class Shop {}", /a function|Shop/],
  "an object of a class": ["class Shop { constructor() { this.list = () => {} } } module.exports = new Shop()", /an object of class Shop/],
  "a number": ["module.exports = 7", /a number/],
  "a default export that is a text": ["exports.default = 'x'", /a text/],
};

for (const [what, [source, told]] of Object.entries(UNKNOWN)) {
  test(`a module that exports ${what} is refused with the shapes that are known`, async () => {
    const { modules, exitCode } = await describe(folder({ "index.js": source }));
    assert.equal(exitCode, 1);
    assert.deepEqual(modules[0].functions, []);
    assert.match(modules[0].error.message, told);
    for (const word of ["http", "event", "lambda", "fetch", "app"]) assert.ok(modules[0].error.hint.includes(`${word}:`), word);
  });
}

test("a module that exports nothing is no error", async () => {
  for (const source of ["", "exports.limit = 3", "module.exports = { list: [1] }"]) {
    const { modules } = await describe(folder({ "index.js": source }));
    assert.deepEqual(modules[0], { entry: "index.js", functions: [], error: null });
  }
});
