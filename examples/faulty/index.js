// Every way a function can go wrong, for trying out what the platform makes of it.

exports.throws = () => {
  throw new Error("thrown on purpose");
};

exports.rejects = async () => {
  await null;
  throw new Error("rejected on purpose", { cause: new Error("the reason beneath") });
};

exports.never = { func: () => new Promise(() => {}), config: { timeout: 1_000 } };

exports.exits = () => process.exit(3);

exports.uncaught = () =>
  new Promise(() => {
    setTimeout(() => {
      throw new Error("thrown where nobody catches");
    }, 10);
  });

const kept = [];

// Grows by 10 MB a turn until something stops it.
exports.leaks = async () => {
  for (;;) {
    kept.push(Buffer.alloc(10 * 1024 * 1024, 1));
    await new Promise((resolve) => setImmediate(resolve));
  }
};

// The event loop never turns again, so not even a timer inside the process can end this.
exports.spins = {
  func: () => {
    for (;;);
  },
  config: { timeout: 1_000 },
};

exports.silent = async () => {};
