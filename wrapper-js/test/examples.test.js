import assert from "node:assert/strict";
import { existsSync, symlinkSync, mkdirSync, cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import WebSocket from "ws";
import { HAS_TYPESCRIPT, Runner, folder } from "./runner.js";

const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));

/**
 * @param {import("node:test").TestContext} t
 * @param {string} name
 */
async function example(t, name) {
  const code = join(folder({}), name);
  cpSync(join(EXAMPLES, name), code, { recursive: true });
  if (!existsSync(join(code, "node_modules"))) {
    mkdirSync(join(code, "node_modules"));
    symlinkSync(join(MODULES, "ws"), join(code, "node_modules/ws"));
  }
  const runner = new Runner(code, { args: ["."] });
  t.after(() => runner.stop());
  return runner.ready();
}

test("the hello example greets", async (t) => {
  const runner = await example(t, "hello");
  assert.deepEqual((await runner.call("/hello?name=Ada")).json, { hello: "Ada" });
  assert.match((await runner.call("/time")).text, /^\d{4}-/);
});

test("the auction example accepts only higher bids and remembers them", async (t) => {
  const runner = await example(t, "auction");
  const bid = (/** @type {number} */ amount) =>
    runner.call("/bid", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ bidder: "Ada", amount }) });
  assert.equal((await runner.call("/bid")).json.highest.amount, 0);
  assert.equal((await bid(10)).status, 201);
  assert.equal((await bid(10)).status, 409);
  assert.equal((await bid(-1)).status, 400);
  assert.deepEqual((await runner.call("/bid")).json.highest, { bidder: "Ada", amount: 10 });
  assert.equal((await runner.call("/rules")).status, 200);
});

test("the streaming example ticks, stops when the client disconnects and echoes a stream", async (t) => {
  const runner = await example(t, "streaming");
  assert.equal((await runner.call("/clock?n=3&ms=1")).text.match(/data: /g)?.length, 3);
  /** @type {any} */
  const res = await new Promise((resolve) => runner.open("/clock?n=3&ms=60000", {}, resolve).end());
  res.on("error", () => {}).once("data", () => res.destroy());
  while (!runner.out.includes("the client left")) await new Promise((resolve) => runner.child.stdout.once("data", resolve));
  const body = Buffer.alloc(1e6, "x");
  assert.ok((await runner.call("/echo", { method: "POST", body })).raw.equals(body));
});

test("the typescript example measures shapes", { skip: !HAS_TYPESCRIPT }, async (t) => {
  const runner = await example(t, "typescript");
  const headers = { "content-type": "application/json" };
  const { json } = await runner.call("/measure", { method: "POST", headers, body: '{"kind":"square","side":3}' });
  assert.deepEqual(json, { kind: "square", area: 9 });
  assert.deepEqual((await runner.call("/shapes")).json, ["circle", "square"]);
});

test("the websocket example relays the messages of a client", async (t) => {
  const runner = await example(t, "websocket");
  const [one, two] = [1, 2].map(() => new WebSocket(`ws+unix:${runner.socketPath}:/chat`));
  const heard = (/** @type {WebSocket} */ client, /** @type {string} */ wanted) =>
    new Promise((resolve) => client.on("message", (data) => String(data) === wanted && resolve(wanted)));
  await Promise.all([heard(one, "welcome"), heard(two, "welcome")]);
  const both = Promise.all([heard(one, "hi"), heard(two, "hi")]);
  one.send("hi");
  await both;
  assert.equal((await runner.call("/chat")).json.clients, 2);
  one.close();
  two.close();
});

test("the faulty example fails in every documented way", async (t) => {
  const runner = await example(t, "faulty");
  assert.equal((await runner.call("/throws")).status, 500);
  assert.equal((await runner.call("/rejects")).status, 500);
  assert.match(runner.err, /rejected on purpose/);
  assert.equal((await runner.call("/never")).status, 504);
  assert.equal((await runner.call("/silent")).status, 200);
  assert.equal((await runner.call("/uncaught")).json.reason, "crashed");
  assert.equal(await runner.exited, 1);
  const second = await example(t, "faulty");
  await assert.rejects(second.call("/exits"));
  assert.equal(await second.exited, 3);
});
