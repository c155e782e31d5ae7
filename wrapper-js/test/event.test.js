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

test("an event in binary mode has decoded attributes and parsed data", async (t) => {
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

test("an event in structured mode is read from one JSON document", async (t) => {
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

test("an invalid event is refused with the reason", async (t) => {
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

test("an event handler that returns nothing answers 204, and one that throws answers 500", async (t) => {
  const runner = await start(t, { "index.js": SOURCE });
  assert.equal((await runner.call("/quiet", { method: "POST", headers: BINARY })).status, 204);
  assert.equal((await runner.call("/fails", { method: "POST", headers: BINARY })).status, 500);
  assert.equal((await runner.call("/page")).text, "page");
});

test("functions registered with Google's framework are found with require and import", async (t) => {
  const common = `const f = require("@google-cloud/functions-framework");
    f.http("page", (req, res) => res.send("hi"));
    f.cloudEvent("job", (...all) => all[0].id);`;
  const runner = await start(t, { "index.js": common });
  assert.equal((await runner.call("/page")).text, "hi");
  assert.equal((await runner.call("/job", { method: "POST", headers: BINARY })).text, "7");
  const module = `import { cloudEvent } from "@google-cloud/functions-framework"; cloudEvent("job", () => {});`;
  const { modules } = await describe(folder({ "index.mjs": module }));
  assert.deepEqual(modules[0].functions, [{ name: "job", config: { signature: "event" }, kind: ["http", "event"], signature: "event" }]);
});

test("an import of Google's framework in an imported file is detected, and the installed framework is not run", async (t) => {
  const real = "node_modules/@google-cloud/functions-framework";
  const runner = await start(t, {
    "index.mjs": `import "./deep.mjs"; import * as all from "@google-cloud/functions-framework"; all.default.http("b", (q, s) => s.send(typeof all.JsonInvocationFormat))`,
    "deep.mjs": `import { http, typed } from "@google-cloud/functions-framework"; http("a", (q, s) => s.send("a")); typed("c", (x) => x)`,
    [`${real}/package.json`]: `{"name":"@google-cloud/functions-framework","main":"index.js"}`,
    [`${real}/index.js`]: `process.exit(9)`,
  });
  assert.equal((await runner.call("/a")).text, "a");
  assert.equal((await runner.call("/b")).text, "function");
  const headers = { "content-type": "application/json" };
  assert.equal((await runner.call("/c", { method: "POST", headers, body: "7" })).text, "7");
});

const STRUCTURED = { specversion: "1.0", id: "8", source: "/shop", type: "t", data: { amount: 1 } };
const JSON_TYPE = { "content-type": "application/json" };

/** A Pub/Sub message as Google's first generation had it. */
const LEGACY = {
  context: {
    eventId: "aaaaaa-1111", timestamp: "2020-09-29T11:32:00.000Z", eventType: "google.pubsub.topic.publish",
    resource: { service: "pubsub.googleapis.com", name: "projects/p/topics/t", type: "type.googleapis.com/google.pubsub.v1.PubsubMessage" },
  },
  data: { "@type": "type.googleapis.com/google.pubsub.v1.PubsubMessage", attributes: { a: "b" }, data: "aGk=" },
};

const KINDS = `const f = require("@google-cloud/functions-framework");
  exports.job = (event) => event;
  exports.back = (event, callback) => { setTimeout(() => event.fail ? callback(new Error("told")) : callback(null, event), 10) };
  f.cloudEvent("google", (event) => event);
  f.cloudEvent("called", (event, done) => { setTimeout(() => done(null, event), 10) });
  exports.first = (data, context) => ({ data, context });
  exports.firstCalled = (_data, _context, callback) => { setTimeout(() => callback(null, "ok"), 10) };
  exports.arrow = async (message, ctx) => { return ctx.eventId };
  exports.promised = async (event, cb) => { await null };
  f.typed("add", ({ a, b }) => ({ sum: a + b }));
  f.typed("shout", { handler: async (text) => text.toUpperCase(), format: {
    deserializeRequest: (req) => { if (!req.body()) throw new Error("empty"); return req.body() + req.header("x-end") },
    serializeResponse: (res, text) => { res.setHeader("content-type", "text/x-loud"); res.write("<"); res.end(text + ">") } } });`;

test("application/json is read as an event if it has a specversion or all event attributes", async (t) => {
  const runner = await start(t, { "index.js": KINDS });
  const send = async (/** @type {string} */ path, /** @type {object} */ body) => (await runner.call(path, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(body) })).json;
  const { specversion, ...bare } = STRUCTURED;
  for (const path of ["/job", "/google", "/back", "/called"]) assert.deepEqual(await send(path, STRUCTURED), STRUCTURED, path);
  for (const path of ["/google", "/back"]) assert.deepEqual(await send(path, bare), bare, path);
  assert.deepEqual(await send("/job", bare), STRUCTURED);
  // A job's data, which happens to look a little like an event.
  assert.deepEqual((await send("/job", { id: "1", type: "order", source: "web" })).data, { id: "1", type: "order", source: "web" });
  assert.equal(specversion, "1.0");
});

test("a handler of event and callback ends with its callback or its promise", async (t) => {
  const runner = await start(t, { "index.js": KINDS });
  const post = (/** @type {string} */ path, /** @type {object} */ body) => runner.call(path, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(body) });
  const { status, json } = await post("/back", { ...STRUCTURED, fail: true });
  assert.deepEqual([status, json.reason], [500, "handler_error"]);
  assert.equal((await post("/promised", STRUCTURED)).status, 204);
});

test("a first-generation function gets data and context from its own events and from CloudEvents", async (t) => {
  const runner = await start(t, { "index.js": KINDS });
  const post = (/** @type {string} */ path, /** @type {any} */ body, /** @type {object} */ headers = JSON_TYPE) =>
    runner.call(path, { method: "POST", headers: { ...headers }, body: JSON.stringify(body) });
  assert.deepEqual((await post("/first", LEGACY)).json, LEGACY);
  const { data, context } = LEGACY;
  assert.deepEqual((await post("/first", { data, ...context })).json, LEGACY);
  const push = { subscription: "s", message: { data: "aGk=", messageId: "7", publishTime: context.timestamp, attributes: { a: "b" } } };
  const pushed = (await post("/first/projects/p/topics/t", push)).json;
  assert.deepEqual(pushed, { data, context: { ...context, eventId: "7" } });
  const headers = { ...JSON_TYPE, "ce-specversion": "1.0", "ce-id": "aaaaaa-1111", "ce-time": context.timestamp,
    "ce-type": "google.cloud.pubsub.topic.v1.messagePublished", "ce-source": "//pubsub.googleapis.com/projects/p/topics/t" };
  assert.deepEqual((await post("/first", { message: { ...data, messageId: "1", publishTime: "x" } }, headers)).json, LEGACY);
  const other = (await post("/first", { a: 1 }, { ...JSON_TYPE, ...BINARY })).json;
  assert.deepEqual([other.data, other.context.type, other.context.id], [{ a: 1 }, "com.example.bid", "7"]);
  assert.equal((await post("/firstCalled", LEGACY)).text, "ok");
  assert.equal((await post("/arrow", LEGACY)).text, "aaaaaa-1111");
  const plain = (await post("/first", { a: 1 })).json;
  assert.deepEqual([plain.data, plain.context.eventType], [{ a: 1 }, "dev.fnlocal.request"]);
  const { status, json } = await runner.call("/first");
  assert.deepEqual([status, json.reason], [500, "signature"]);
  assert.match(json.hint, /\(data, context\): POST an event/);
});

test("a first-generation event is converted to a CloudEvent for a CloudEvent function", async (t) => {
  const runner = await start(t, { "index.js": KINDS });
  for (const path of ["/google", "/job"]) {
    const { json } = await runner.call(path, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(LEGACY) });
    assert.deepEqual(json, {
      specversion: "1.0", id: "aaaaaa-1111", time: LEGACY.context.timestamp, datacontenttype: "application/json",
      type: "google.cloud.pubsub.topic.v1.messagePublished", source: "//pubsub.googleapis.com/projects/p/topics/t",
      data: { message: { publishTime: LEGACY.context.timestamp, messageId: "aaaaaa-1111", ...LEGACY.data } },
    }, path);
  }
  const storage = { data: { kind: "storage#object", bucket: "b" }, eventId: "1", timestamp: "t", eventType: "google.storage.object.finalize",
    resource: { service: "storage.googleapis.com", name: "projects/_/buckets/b/objects/a/b.txt", type: "storage#object" } };
  const { json } = await runner.call("/google", { method: "POST", headers: JSON_TYPE, body: JSON.stringify(storage) });
  assert.deepEqual([json.source, json.subject, json.data], ["//storage.googleapis.com/projects/_/buckets/b", "objects/a/b.txt", storage.data]);
});

test("a typed function reads and writes through its format", async (t) => {
  const runner = await start(t, { "index.js": KINDS });
  const add = await runner.call("/add", { method: "POST", headers: JSON_TYPE, body: '{"a":1,"b":2}' });
  assert.deepEqual([add.json, add.headers["content-type"]], [{ sum: 3 }, "application/json; charset=utf-8"]);
  const shout = await runner.call("/shout", { method: "POST", headers: { "content-type": "text/plain", "x-end": "!" }, body: "hey" });
  assert.deepEqual([shout.text, shout.headers["content-type"]], ["<HEY!>", "text/x-loud; charset=utf-8"]);
  for (const [headers, body] of /** @type {[object, string][]} */ ([[JSON_TYPE, "{"], [{ "content-type": "text/plain" }, ""], [{ "content-type": "image/png" }, "x"]])) {
    assert.equal((await runner.call(body === "" ? "/shout" : "/add", { method: "POST", headers: { ...headers }, body })).status, 400);
  }
});

test("the kind of a handler is detected from its parameters", async () => {
  const index = `const back = function (event, callback) {};
    exports.http = (req, res) => {}; exports.next = (req, res, next) => {}; exports.req = (req, context) => {}; exports.pattern = ({ a }, b) => {};
    exports.back = back; exports.named = async function named (_event, done) {}; exports.minified = (e, t) => {};
    exports.context = (anything, context) => {}; exports.method = { func(event, context, callback) {} }; exports.said = { func: (e, t) => {}, config: { signature: "event" } };
    exports.still = { func: (data, context) => {}, config: { signature: "http" } }; exports.bound = back.bind(null);`;
  const { modules } = await describe(folder({ "index.js": index }));
  const events = modules[0].functions.filter((/** @type {any} */ { kind }) => kind.includes("event")).map((/** @type {any} */ { name }) => name);
  assert.deepEqual(events, ["back", "named", "context", "method", "said"]);
});
