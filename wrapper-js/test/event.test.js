import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, folder, start } from "./runner.js";

const SOURCE = `
  exports.job = (event) => event;
  exports.said = { func: (...all) => all[0].data, config: { signature: "event" } };
  exports.page = { func: (req) => { req.res.send("page") }, config: { signature: "http" } };
  exports.quiet = async (event) => {};
  exports.fails = async (event) => { throw new Error("no " + event.id) };`;

const BINARY = { "ce-specversion": "1.0", "ce-id": "7", "ce-source": "/shop", "ce-type": "com.example.bid" };

test("a handler with one argument takes events, unless it says otherwise", async () => {
  const { modules } = await describe(folder({ "index.js": SOURCE }));
  const kinds = modules[0].functions.map((/** @type {any} */ { name, kind }) => [name, kind.includes("event")]);
  assert.deepEqual(kinds, [["job", true], ["said", true], ["page", false], ["quiet", true], ["fails", true]]);
});

test("an event in binary mode comes with its attributes decoded and its data parsed", async (t) => {
  const runner = await start(t, { "index.js": SOURCE });
  const headers = { ...BINARY, "ce-subject": "a%20%E2%82%AC", "ce-lot": '"tea \\"pot\\""', "content-type": "application/json" };
  const { status, json } = await runner.call("/job", { method: "POST", headers, body: '{"amount":10}' });
  assert.equal(status, 200);
  assert.deepEqual(json, {
    specversion: "1.0", id: "7", source: "/shop", type: "com.example.bid",
    subject: "a €", lot: 'tea "pot"', datacontenttype: "application/json", data: { amount: 10 },
  });
});

test("data may be any JSON, text, bytes, or nothing", async (t) => {
  const runner = await start(t, { "index.js": SOURCE });
  const send = async (/** @type {string | undefined} */ type, /** @type {string} */ body) => {
    const headers = { ...BINARY, ...(type === undefined ? {} : { "content-type": type }) };
    return (await runner.call("/said", { method: "POST", headers, body })).text;
  };
  assert.equal(await send("application/json", "5"), "5");
  assert.equal(await send("application/vnd.shop+json", '{"a":1}'), '{"a":1}');
  assert.equal(await send("text/plain", "hi"), '"hi"');
  assert.match(await send("application/octet-stream", "hi"), /"Buffer"/);
  assert.equal(await send(undefined, ""), "");
});

test("an event in structured mode is one document", async (t) => {
  const runner = await start(t, { "index.js": SOURCE });
  const headers = { "content-type": "application/cloudevents+json; charset=utf-8" };
  const event = { specversion: "1.0", id: "8", source: "/shop", type: "t", data: { amount: 1 } };
  const send = async (/** @type {object} */ body) => runner.call("/job", { method: "POST", headers, body: JSON.stringify(body) });
  assert.deepEqual((await send(event)).json, event);
  const { data, ...rest } = event;
  assert.ok(data);
  const bytes = (await send({ ...rest, data_base64: "aGk=" })).json.data;
  assert.equal(Buffer.from(bytes).toString(), "hi");
  assert.equal((await send({ ...event, data_base64: "aGk=" })).status, 400);
});

test("what is no event is refused with the reason", async (t) => {
  const runner = await start(t, { "index.js": SOURCE });
  const send = async (/** @type {Record<string, string>} */ headers, body = "{}") => {
    const { status, json } = await runner.call("/job", { method: "POST", headers, body });
    return [status, json.reason, json.detail];
  };
  assert.deepEqual(await send({ ...BINARY, "ce-id": "" }), [400, "bad_event", "the event has no id"]);
  assert.match((await send({ ...BINARY, "ce-specversion": "0.3" })).join(), /400.*not "1.0"/);
  assert.deepEqual((await send({ "content-type": "application/cloudevents-batch+json" }, "[]"))[0], 415);
  assert.deepEqual((await send({ "content-type": "application/cloudevents+json" }, "[]"))[0], 400);
});

test("a plain request becomes an event of its own type", async (t) => {
  const runner = await start(t, { "index.js": SOURCE });
  const headers = { "content-type": "application/json", "x-fnlocal-request-id": "abc" };
  const { json } = await runner.call("/job", { method: "POST", headers, body: '{"a":1}' });
  assert.deepEqual([json.id, json.source, json.type, json.data], ["abc", "/job", "dev.fnlocal.request", { a: 1 }]);
});

test("nothing returned is 204, and what is thrown is 500", async (t) => {
  const runner = await start(t, { "index.js": SOURCE });
  assert.equal((await runner.call("/quiet", { method: "POST", headers: BINARY })).status, 204);
  assert.equal((await runner.call("/fails", { method: "POST", headers: BINARY })).status, 500);
  assert.equal((await runner.call("/page")).text, "page");
});

test("functions that Google's framework registers are found, by require and by import", async (t) => {
  const common = `const f = require("@google-cloud/functions-framework");
    f.http("page", (req, res) => res.send("hi"));
    f.cloudEvent("job", (...all) => all[0].id);`;
  const runner = await start(t, { "index.js": common });
  assert.equal((await runner.call("/page")).text, "hi");
  assert.equal((await runner.call("/job", { method: "POST", headers: BINARY })).json, "7");
  if (typeof (/** @type {any} */ (process.getBuiltinModule("node:module")).registerHooks) !== "function") return;
  const module = `import { cloudEvent } from "@google-cloud/functions-framework"; cloudEvent("job", () => {});`;
  const { modules } = await describe(folder({ "index.mjs": module }));
  assert.deepEqual(modules[0].functions, [{ name: "job", config: { signature: "event" }, kind: ["http", "event"] }]);
});
