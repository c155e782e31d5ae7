// The smallest project: `fnlocal dev`, then curl localhost:9000/hello?name=Ada

exports.hello = {
  func: async (req, res) => {
    res.json({ hello: req.query.name ?? "world" });
  },
  config: { timeout: 10_000 },
};

// A plain function will do, too.
exports.time = (req, res) => res.send(new Date().toISOString());
