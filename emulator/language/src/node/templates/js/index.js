// Each export is a function of its own. `fnlocal dev` serves this one at
// http://localhost:9000/hello; change a line, save, and call it again.

let calls = 0;

exports.hello = {
  func: async (req, res) => {
    calls += 1;
    const name = req.query.name ?? "world";
    console.log(`greeting ${name}`);
    res.json({ greeting: `Hello, ${name}!`, calls });
  },
  config: { timeout: 10_000, memory: "256MB" },
};

// A bare handler is a function, too. A promise that settles without an answer is an empty 200.
exports.time = (req, res) => res.json({ now: new Date().toISOString() });
