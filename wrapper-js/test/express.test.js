import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import express from "express";
import { COMMON_TYPES } from "../bundle/common-types.js";
import { folder, start } from "./runner.js";

const require = createRequire(import.meta.url);

/** Each is called with Express' own request and response. @type {Record<string, [string, object?]>} */
const HANDLERS = {
  json: [`s.status(201).json({ a: [1], q: q.query })`],
  html: [`s.send("<p>hi</p>")`],
  buffer: [`s.send(Buffer.from("x"))`],
  type: [`s.type("png").send(Buffer.from("x"))`],
  charset: [`s.set("Content-Type", "text/css").send("a{}")`],
  redirect: [`s.redirect(301, "/else where")`],
  cookie: [`s.cookie("a", "b c", { httpOnly: true, maxAge: 1000 }).clearCookie("d").end()`],
  file: [`s.sendFile(__dirname + "/a.txt")`],
  range: [`s.sendFile("a.txt", { root: __dirname })`, { headers: { range: "bytes=1-2" } }],
  download: [`s.download(__dirname + "/a.txt", "naïve.txt")`],
  absent: [`s.sendFile(__dirname + "/none.txt")`],
  ip: [`s.json([q.ip, q.ips, q.protocol, q.secure, q.hostname])`, { headers: { "x-forwarded-for": "9.9.9.9, 8.8.8.8", "x-forwarded-proto": "https", host: "shop.example" } }],
  accepts: [`s.json([q.accepts("json", "html"), q.is("json"), q.get("x-a"), q.xhr, q.path])`, { headers: { accept: "text/html", "x-a": "1", "content-type": "application/json" } }],
  format: [`s.format({ text: () => s.send("t"), json: () => s.send("{}") })`, { headers: { accept: "application/json" } }],
  status: [`s.sendStatus(418)`],
  links: [`s.links({ next: "/n" }).vary("Accept").location("/x").append("x-b", "1").attachment("f.pdf").end()`],
  jsonp: [`s.jsonp({ a: 1 })`],
  locals: [`s.locals.x = 1; s.json([s.locals, q.params, typeof q.app.get, s.app === q.app, q.res === s, s.req === q])`],
  stale: [`s.set("ETag", '"x"').send("body")`, { headers: { "if-none-match": '"x"' } }],
};

test("a handler gets the same request and response objects as in an Express app", async (t) => {
  const source = Object.entries(HANDLERS).map(([name, [code]]) => `exports.${name} = (q, s) => { ${code} };`).join("\n");
  const code = folder({ "index.js": source, "a.txt": "abcdef" });
  const runner = await start(t, code);
  const app = express().disable("x-powered-by").disable("etag").enable("trust proxy");
  const handlers = require(`${code}/index.js`);
  for (const name of Object.keys(HANDLERS)) app.use(`/${name}`, handlers[name]);
  const server = app.listen(0, "127.0.0.1");
  t.after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const target = { host: "127.0.0.1", port: /** @type {any} */ (server.address()).port };
  for (const [name, [, options]] of Object.entries(HANDLERS)) {
    const path = `/${name}/p?x=1&callback=cb`;
    const [ours, real] = [await runner.call(path, options), await runner.call(path, { ...options, target })];
    for (const { headers } of [ours, real]) delete headers.date;
    assert.equal(ours.status, real.status, name);
    if (name === "absent") continue;
    assert.equal(ours.text, real.text, name);
    for (const header of ["set-cookie", "connection", "keep-alive"]) { // the time of a cookie moves
      delete ours.headers[header]; delete real.headers[header];
    }
    assert.deepEqual(ours.headers, real.headers, name);
  }
});

test("an Express app can be a function", async (t) => {
  const runner = await start(t, {
    "index.js": `const express = require(${JSON.stringify(require.resolve("express"))}); const app = express();
      app.get("/users/:id", (q, s) => s.json({ id: q.params.id, base: q.baseUrl, body: q.body })); exports.api = app`,
  });
  assert.deepEqual((await runner.call("/api/users/7")).json, { id: "7", base: "/api", body: {} });
});

test("the short list of media types agrees with the whole table", () => {
  const mime = require("mime-types");
  for (const [type, full] of Object.entries(COMMON_TYPES)) assert.equal(mime.contentType(type), full, type);
});
