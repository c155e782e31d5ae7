// An auction: curl localhost:9000/bid shows the highest bid and how to place one.

// Lives as long as the instance: back-to-back calls see it. Parallel calls may run in other
// instances with an auction of their own, so a real one keeps its bids in a database.
const lot = { item: "a teapot", highest: { bidder: null, amount: 0 }, bids: 0 };

exports.bid = {
  func: async (req, res) => {
    if (req.method !== "POST") return res.json({ ...lot, howToBid: HOW_TO_BID });
    const { bidder, amount } = req.body;
    if (typeof bidder !== "string" || !(amount > 0)) return res.status(400).json({ error: HOW_TO_BID });
    if (amount <= lot.highest.amount) return res.status(409).json({ error: "too low", highest: lot.highest });
    lot.highest = { bidder, amount };
    lot.bids += 1;
    res.status(201).json(lot);
  },
  config: { timeout: 10_000 },
};

exports.rules = (req, res) => res.json({ rules: ["the highest bid wins", "a bid must top the one before"] });

const HOW_TO_BID = 'POST {"bidder": "Ada", "amount": 10} as application/json';
