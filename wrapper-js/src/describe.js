import { readSync, writeFileSync } from "node:fs";
import { discoverEntries } from "./discover.js";
import { UsageError } from "./config.js";
import { describeModules, loadModule } from "./load.js";
import { markDuplicates } from "./modules.js";
import { printable } from "./printable.js";
import { watch } from "./watch.js";

const STDIN = 0;
const STDOUT = 1;

/**
 * Prints every function and its config as JSON, and ends the process whatever user code left running.
 *
 * @param {import("./config.js").Config} config
 */
export async function describe(config) {
  // What user code prints while it is imported must not end up in the JSON. Node makes neither
  // stream before it is asked for, which takes longer than all else here.
  Object.defineProperty(process, "stdout", { get: () => process.stderr });
  if (config.wait) waitForCode();
  try {
    const watched = config.watch ? watch(config.code) : undefined;
    const entries = discoverEntries(config.code, config.entries);
    process.chdir(config.code);
    const loaded = [];
    for (const entry of entries) loaded.push(await loadModule(config.code, entry, config.packageName));
    const modules = describeModules(markDuplicates(loaded));
    const failed = modules.some(({ error }) => error !== null);
    // User code may have its say even here, by a getter or toJSON, so that it is watched until then.
    const said = JSON.parse(JSON.stringify({ modules }));
    writeFileSync(STDOUT, `${JSON.stringify({ ...said, watched: watched?.() }, null, 2)}\n`);
    process.exit(failed ? 1 : 0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(printable(`fnlocal-runner: ${error.message}`));
    process.exit(2);
  }
}

/** Node boots while the code is still being laid out; a byte says that it is there. */
function waitForCode() {
  if (readSync(STDIN, Buffer.alloc(1)) === 0) process.exit(2);
}
