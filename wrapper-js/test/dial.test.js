import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { TOKEN, startBound, startSpare } from "./runner.js";

const slow = `exports.f = (q, s) => setTimeout(() => s.send("ok"), 30)`;

/** @param {() => boolean} holds */
async function eventually(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("an instance keeps connections ready, and replaces those that are used or closed", async (t) => {
  const runner = await startSpare(t, { "index.js": slow });
  const host = /** @type {NonNullable<typeof runner.host>} */ (runner.host);
  await eventually(() => host.dialed.length >= 2);
  for (let round = 0; round < 3; round += 1) {
    for (const socket of [...host.dialed]) socket.destroy();
    await eventually(() => host.dialed.length === 0);
    await eventually(() => host.dialed.length >= 2);
  }
  assert.equal((await runner.assign({ function: "f" })).status, 200);
  assert.equal((await runner.call("/f")).text, "ok");
  assert.ok(host.dialed.length <= 16, `${host.dialed.length} connections`);
});

test("a burst of requests gets as many connections as it needs", async (t) => {
  const runner = await startBound(t, slow, { concurrency: 80 });
  const answers = await Promise.all(Array.from({ length: 80 }, () => runner.call("/f")));
  assert.deepEqual(new Set(answers.map(({ text }) => text)), new Set(["ok"]));
});

test("connections are kept while an instance is idle", async (t) => {
  const runner = await startBound(t, slow);
  const host = /** @type {NonNullable<typeof runner.host>} */ (runner.host);
  await eventually(() => host.dialed.length >= 2);
  const [kept] = host.dialed;
  const waited = Number(process.env.IDLE_MS ?? 100);
  const closed = await Promise.race([once(kept, "close"), new Promise((resolve) => setTimeout(resolve, waited, "open"))]);
  assert.equal(closed, "open");
  assert.equal((await runner.call("/f")).text, "ok");
});

test("an instance ends when the gateway it dials is gone", async (t) => {
  const runner = await startBound(t, slow);
  const host = /** @type {NonNullable<typeof runner.host>} */ (runner.host);
  host.server.close();
  for (const socket of [...host.dialed]) socket.destroy();
  assert.equal(await runner.exited, 0);
});

test("a second report channel is refused with 409", async (t) => {
  const runner = await startBound(t, slow);
  const again = await runner.call("/_fnlocal/events", { headers: { "x-fnlocal-token": TOKEN } });
  assert.equal(again.status, 409);
});
