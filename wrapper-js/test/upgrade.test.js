import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { start, startBound } from "./runner.js";

const offer = { connection: "Upgrade", upgrade: "echo" };
const source = `exports.f = {
  upgrade(req, socket, head) {
    if (req.url.includes("throw")) throw new Error("no");
    if (req.url.includes("never")) return;
    socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n" + req.url + head);
    socket.on("data", (data) => { console.log("got " + data); socket.write(data) });
  }, config: { timeout: "50ms" } };
  exports.g = (q, s) => s.send("plain")`;

/**
 * @param {import("./runner.js").Runner} runner
 * @param {string} path
 * @param {any} [headers]
 */
async function upgrade(runner, path, headers = offer) {
  const req = runner.open(path, { headers });
  req.end();
  return Promise.race([once(req, "upgrade"), once(req, "response")]);
}

test("an upgrade handler gets the arguments of Node.js and the path below its name", async (t) => {
  const runner = await start(t, { "index.js": source });
  const [res, socket, head] = await upgrade(runner, "/f/room");
  assert.equal(res.statusCode, 101);
  const greeting = head.length > 0 ? head : (await once(socket, "data"))[0];
  assert.equal(String(greeting), "/room");
  socket.write("hello");
  assert.equal(String((await once(socket, "data"))[0]), "hello");
  socket.destroy();
});

test("an upgrade handler that fails or never answers produces a problem response", async (t) => {
  const runner = await start(t, { "index.js": source });
  assert.equal((await upgrade(runner, "/f/throw"))[0].statusCode, 500);
  assert.equal((await upgrade(runner, "/f/never"))[0].statusCode, 504);
});

test("a function without an upgrade handler answers upgrade requests like any other", async (t) => {
  const runner = await start(t, { "index.js": source });
  const [res] = await upgrade(runner, "/g", { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c" });
  assert.equal(res.statusCode, 200);
  assert.equal((await runner.call("/f")).status, 426);
});

test("lines printed for a socket belong to its request, and closing it ends the invocation", async (t) => {
  const runner = await startBound(t, source, { concurrency: 2 });
  const events = await runner.events();
  const sockets = [];
  for (const id of ["r1", "r2"]) {
    const [, socket] = await upgrade(runner, "/f", { ...offer, "x-fnlocal-request-id": id });
    sockets.push(socket);
    socket.write(id);
  }
  for (const id of ["r1", "r2"]) assert.equal((await events.find(({ line }) => line === `got ${id}`)).request, id);
  sockets[0].destroy();
  assert.equal((await events.find(({ t }) => t === "done")).status, 101);
});
