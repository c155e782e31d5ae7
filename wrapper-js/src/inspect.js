/**
 * The inspector of a process whose platform has a debugger's port for it.
 *
 * Node's inspector listens on TCP only, which nothing outside an instance can reach. A thread connects
 * it to the platform's socket: the main one stands still at a breakpoint. The thread also counts
 * debuggers, so that time at a breakpoint is not the function's.
 */

/** How many debuggers are attached, and how often one has been. */
export class Debuggers {
  /**
   * @param {SharedArrayBuffer} shared
   * @param {() => void} detach ends them all: Node waits for them before it lets a process end
   */
  constructor(shared, detach) {
    this.counts = new Int32Array(shared);
    this.detach = detach;
  }

  get seen() {
    return Atomics.load(this.counts, 1);
  }

  /** @param {number} seen what {@link seen} was */
  attachedSince(seen) {
    return Atomics.load(this.counts, 0) > 0 || this.seen !== seen;
  }
}

/**
 * Opens the inspector, and connects to the socket where debuggers come in.
 *
 * @param {string} path
 * @returns {Promise<Debuggers>}
 */
export async function openInspector(path) {
  // Loaded only now: every start would pay for it.
  const inspector = process.getBuiltinModule("node:inspector");
  const { Worker } = process.getBuiltinModule("node:worker_threads");
  inspector.open(0, "127.0.0.1");
  const port = Number(new URL(/** @type {string} */ (inspector.url())).port);
  const shared = new SharedArrayBuffer(8);
  const worker = new Worker(`(${relay})()`, { eval: true, workerData: { port, path, shared } });
  worker.unref();
  await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return new Debuggers(shared, () => void worker.terminate());
}

/** Runs in a thread of its own, as text: it may use nothing from outside itself. */
function relay() {
  const net = process.getBuiltinModule("node:net");
  const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
  const counts = new Int32Array(workerData.shared);
  const carry = (/** @type {import("node:net").Socket} */ client, /** @type {Buffer} */ head) => {
    const inspector = net.connect(workerData.port, "127.0.0.1");
    const attached = /^upgrade:/im.test(head.toString("latin1"));
    if (attached) {
      Atomics.add(counts, 0, 1);
      Atomics.add(counts, 1, 1);
    }
    client.on("close", () => {
      if (attached) Atomics.sub(counts, 0, 1);
      inspector.destroy();
    });
    inspector.on("error", () => {}).on("close", () => client.destroy());
    inspector.write(head);
    client.pipe(inspector).pipe(client);
  };
  let reached = false;
  // One connection waits for a debugger. When it is used, or closed unused, it is replaced.
  const dial = () => {
    const client = net.connect(workerData.path);
    let waits = true;
    client.once("connect", () => {
      reached = true;
      parentPort?.postMessage("connected");
    });
    client.once("data", (head) => {
      waits = false;
      dial();
      carry(client, head);
    });
    client.on("error", (error) => {
      if (!reached) throw error;
    });
    client.on("close", () => {
      if (waits) setTimeout(dial, 100);
    });
  };
  dial();
}
