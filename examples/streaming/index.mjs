// Streams: curl -N "localhost:9000/clock?n=5&ms=200", and curl -T big.file localhost:9000/echo
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Server-sent events: n ticks, one every ms milliseconds, until the client leaves. */
export async function clock(req, res) {
  const { n = 10, ms = 1000 } = req.query;
  const left = new AbortController();
  res.on("close", () => left.abort());
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  for (let tick = 1; tick <= Number(n) && !left.signal.aborted; tick += 1) {
    res.write(`id: ${tick}\ndata: ${new Date().toISOString()}\n\n`);
    if (tick < Number(n)) await sleep(Number(ms), undefined, { signal: left.signal }).catch(() => {});
  }
  if (left.signal.aborted) console.log("the client left");
  res.end();
}

/** Sends back what comes in, while it comes in: with body "stream" nothing is read beforehand. */
export const echo = {
  func: async (req, res) => {
    res.setHeader("content-type", req.headers["content-type"] ?? "application/octet-stream");
    await pipeline(req, res);
  },
  config: { body: "stream" },
};
