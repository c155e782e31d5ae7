// An auction people watch while bids come in. In one terminal:
//
//   curl -N localhost:9000/auction/watch
//
// and in another, a bid that is answered at once and dealt with after those before it:
//
//   curl localhost:9000/auction/bid -H 'x-fnlocal-invoke: async' -H 'x-fnlocal-order-key: teapot' \
//     -H 'content-type: application/json' -d '{"bidder": "Ada", "amount": 10}'

/** A bid keeps the auction open for at least so long, in milliseconds. */
const LAST_CALL = 10_000;

// Lives as long as the instance. A real auction keeps its bids in a database.
const lot = { item: "a teapot", highest: null, ends: null, sold: false };
const watchers = new Set();
let timer;

exports.auction = (req, res) => {
  if (req.url.startsWith("/watch")) return watch(res);
  if (req.url === "/bid" && req.method === "POST") return bid(req.body, res);
  res.json(lot);
};

function bid({ bidder, amount }, res) {
  // 4xx: the bid itself is wrong, so it is not tried again.
  if (typeof bidder !== "string" || !(amount > 0)) return res.status(400).json({ error: "who bids how much?" });
  if (lot.sold) return res.status(409).json({ error: "sold" });
  if (amount <= (lot.highest?.amount ?? 0)) return res.json({ taken: false, highest: lot.highest });
  lot.highest = { bidder, amount };
  restartTimer();
  tell("bid");
  res.status(201).json({ taken: true, highest: lot.highest });
}

function restartTimer() {
  clearTimeout(timer);
  lot.ends = new Date(Date.now() + LAST_CALL).toISOString();
  timer = setTimeout(() => {
    lot.sold = true;
    tell("sold");
  }, LAST_CALL);
}

/** Server-sent events, until the watcher leaves. */
function watch(res) {
  res.set({ "content-type": "text/event-stream", "cache-control": "no-store" });
  send(res, "lot");
  watchers.add(res);
  return new Promise((left) => {
    res.on("close", () => {
      watchers.delete(res);
      left();
    });
  });
}

function tell(event) {
  for (const watcher of watchers) send(watcher, event);
}

function send(res, event) {
  res.write(`event: ${event}\ndata: ${JSON.stringify(lot)}\n\n`);
}
