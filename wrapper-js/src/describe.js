import { writeFileSync } from "node:fs";
import { discoverEntries } from "./discover.js";
import { UsageError } from "./config.js";
import { describeModules, loadModule } from "./load.js";
import { markDuplicates } from "./modules.js";
import { printable } from "./printable.js";

const STDOUT = 1;

/**
 * Prints every function and its config as JSON, and ends the process whatever user code left running.
 *
 * @param {import("./config.js").Config} config
 */
export async function describe(config) {
  // Output of user code during its import must not end up in the JSON. Node makes neither stream before
  // it is asked for, which takes longer than all else here.
  Object.defineProperty(process, "stdout", { get: () => process.stderr });
  try {
    const entries = discoverEntries(config.code, config.entries);
    process.chdir(config.code);
    const loaded = [];
    for (const entry of entries) loaded.push(await loadModule(config.code, entry, config.packageName));
    const modules = describeModules(markDuplicates(loaded));
    const failed = modules.some(({ error }) => error !== null);
    writeFileSync(STDOUT, `${JSON.stringify({ modules }, null, 2)}\n`);
    process.exit(failed ? 1 : 0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(printable(`fnlocal-runner: ${error.message}`));
    process.exit(2);
  }
}
