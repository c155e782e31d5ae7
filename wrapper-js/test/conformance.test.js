import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { start } from "./runner.js";

/**
 * The cases of Google's conformance client for functions frameworks, judged as it judges them: each event
 * as a CloudEvent and as one of the first generation, to functions that take either.
 */

/** @type {Record<string, any>} */
const EVENTS = JSON.parse(readFileSync(new URL("google/events.json", import.meta.url), "utf8")).events;

const SOURCE = `const functions = require("@google-cloud/functions-framework");
  functions.cloudEvent("declared", (event) => event);
  functions.http("declaredHttp", (req, res) => res.json(req.body));
  functions.typed("declaredTyped", (request) => ({ payload: request }));
  exports.cloudEvent = (cloudEvent) => cloudEvent;
  exports.legacy = (data, context) => ({ data, context });
  exports.http = (req, res) => res.json(req.body);`;

/** A CloudEvent as Google's client sends it: its attributes as headers. @param {any} event */
function binary({ data, datacontenttype, ...attributes }) {
  const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, String(value)]));
  return { method: "POST", headers: { ...headers, "content-type": datacontenttype ?? "application/json" }, body: JSON.stringify(data) };
}

/** @param {any} event */
function plain(event) {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(event) };
}

/** @param {any} event */
const ofCloudEvent = ({ id, source, subject, type, time, datacontenttype, data }) => ({ id, source, subject, type, time: Date.parse(time), datacontenttype, data });

/** @param {any} event */
const ofLegacy = ({ data, context: { eventId, eventType, timestamp, resource } }) => ({ data, eventId, eventType, timestamp: Date.parse(timestamp), resource });

test("events of Google's conformance client arrive as CloudEvents, whichever form they are sent in", async (t) => {
  const runner = await start(t, { "index.js": SOURCE });
  assert.equal(Object.keys(EVENTS).length, 17);
  for (const [name, event] of Object.entries(EVENTS)) {
    for (const taker of ["declared", "cloudEvent"]) {
      const sent = await runner.call(`/${taker}`, binary(event.cloudevent_input));
      assert.deepEqual(ofCloudEvent(sent.json), ofCloudEvent(event.cloudevent_input), `${taker}: ${name}`);
      const converted = await runner.call(`/${taker}`, plain(event.legacy_input));
      assert.deepEqual(ofCloudEvent(converted.json), ofCloudEvent(event.cloudevent_output), `${taker}: ${name}`);
    }
  }
});

test("events of Google's conformance client arrive as those of the first generation, whichever form they are sent in", async (t) => {
  const runner = await start(t, { "index.js": SOURCE });
  for (const [name, event] of Object.entries(EVENTS)) {
    const sent = await runner.call("/legacy", plain(event.legacy_input));
    assert.deepEqual(ofLegacy(sent.json), ofLegacy(event.legacy_output), name);
    const converted = await runner.call("/legacy", binary(event.cloudevent_input));
    assert.deepEqual(ofLegacy(converted.json), ofLegacy(event.legacy_output_converted ?? event.legacy_output), name);
  }
});

test("requests of Google's conformance client are answered by http and typed functions", async (t) => {
  const runner = await start(t, { "index.js": SOURCE });
  for (const taker of ["http", "declaredHttp"]) assert.deepEqual((await runner.call(`/${taker}`, plain({ res: "PASS" }))).json, { res: "PASS" });
  const typed = await runner.call("/declaredTyped", plain({ message: "Hello world!" }));
  assert.deepEqual(typed.json, { payload: { message: "Hello world!" } });
});
