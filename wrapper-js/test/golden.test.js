import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { startSpare } from "./runner.js";

/** Written by golden/exchanges.py from API Gateway's documented rules. @type {any[]} */
const EXCHANGES = JSON.parse(readFileSync(new URL("golden/exchanges.json", import.meta.url), "utf8"));

const SOURCE = `const all = require("./exchanges.json");
  exports.f = { config: { signature: "lambda" }, func: async (event, context) => {
    const exchange = all[Number(context.awsRequestId)];
    return "result" in exchange ? exchange.result : { statusCode: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(event) };
  } };`;

/** @param {any[]} pairs */
function joined(pairs) {
  /** @type {Record<string, string | string[]>} */
  const headers = {};
  for (const [name, value] of pairs) headers[name] = name in headers ? [headers[name], value].flat() : value;
  return headers;
}

/** @param {string} text what an account, an id and a clock decide is made the same */
function normal(text) {
  return text
    .replace(/"apiId":"[^"]*"/, '"apiId":"API"')
    .replace(/"requestId":"[^"]*"/, '"requestId":"ID"')
    .replace(/"time":"\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000"/, '"time":"TIME"')
    .replace(/"timeEpoch":\d{13}/, '"timeEpoch":0');
}

test("at least 200 exchanges of API Gateway 2.0 are the same byte for byte", async (t) => {
  assert.ok(EXCHANGES.length >= 200);
  const runner = await startSpare(t, { "index.js": SOURCE, "exchanges.json": JSON.stringify(EXCHANGES) });
  assert.equal((await runner.assign({ function: "f", concurrency: 1 })).status, 200);
  for (const [index, { name, request, event, response }] of EXCHANGES.entries()) {
    const { method, target, headers, body64, route } = request;
    const own = { "x-fnlocal-request-id": String(index), ...(route ? { "x-fnlocal-route": route[0], "x-fnlocal-params": Object.entries(route[1]).map((pair) => pair.join("=")).join("&") } : {}) };
    const answer = await runner.call(target, { method, headers: { ...joined(headers), ...own }, body: Buffer.from(body64, "base64") });
    if (event !== undefined) {
      assert.equal(normal(answer.text), JSON.stringify(event), name);
      continue;
    }
    const rest = { ...answer.headers };
    const length = rest["content-length"];
    for (const own of ["date", "connection", "keep-alive", "content-length"]) delete rest[own];
    if (length !== undefined && method !== "HEAD") assert.equal(Number(length), answer.raw.length, name);
    assert.deepEqual([answer.status, rest, answer.raw.toString("base64")], [response.status, response.headers, response.body64], name);
  }
});
