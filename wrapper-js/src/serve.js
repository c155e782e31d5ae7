import { discoverEntries } from "./discover.js";
import { CONFIG_KEYS } from "./config-keys.js";
import { UsageError } from "./config.js";
import { loadExpress } from "./express.js";
import { printFailure } from "./failure.js";
import { bindFunction, unitlessTimes, unknownKeys } from "./limits.js";
import { loadModule } from "./load.js";
import { markDuplicates } from "./modules.js";
import { setVariables } from "./lambda/variables.js";
import { printable } from "./printable.js";

/**
 * @typedef {import("./config.js").Config} Config
 * @typedef {import("./instance.js").Instance} Instance
 */

/**
 * Loads the one function named at start, as an assign without a platform would.
 *
 * @param {Config} config
 * @param {string} name
 * @param {import("./assignment.js").Assignment} assignment
 */
export async function serveOne(config, name, assignment) {
  const entries = discoverEntries(config.code, config.entries);
  const { status, body } = await assignment.assign({ code: config.code, entries, function: name });
  if (status === 200) return;
  throw new UsageError(printFailure(/** @type {any} */ (body).error), 1);
}

/**
 * Loads every function of every entry. Calls of one function run side by side unless its config
 * limits them: there is no pool here to give them instances of their own.
 *
 * @param {Config} config
 * @param {Instance} instance
 * @param {() => void} onUpgrades
 */
export async function serveAll(config, instance, onUpgrades) {
  const entries = discoverEntries(config.code, config.entries);
  await loadExpress();
  const modules = [];
  for (const entry of entries) modules.push(await loadModule(config.code, entry, config.packageName));
  for (const { entry, functions, error } of markDuplicates(modules)) {
    if (error !== null) console.error(`fnlocal-runner: ${entry} failed: ${printFailure(error)}`);
    for (const spec of functions) {
      for (const key of unknownKeys(spec)) {
        const text = `function \`${spec.name}\` in ${entry}: unknown key \`${key}\` in \`config\``;
        console.error(printable(`fnlocal-runner: ${text}\nhint: known here: ${CONFIG_KEYS.join(", ")}`));
      }
      const unclear = unitlessTimes(spec);
      for (const [key, number] of unclear) {
        const text = `function \`${spec.name}\` in ${entry}: \`${key}\`: a time of ${number} has no unit`;
        const hint = `write "${number}s" for seconds or "${number}ms" for milliseconds`;
        console.error(printable(`fnlocal-runner: ${text}\nhint: ${hint}`));
      }
      if (unclear.length > 0) continue;
      const func = bindFunction(spec, {}, Infinity);
      if (func.signature === "lambda") setVariables({ code: config.code });
      instance.functions.set(spec.name, func);
      if (spec.upgrade !== undefined) onUpgrades();
    }
  }
  if (instance.functions.size === 0) throw new UsageError("no functions found", 1);
}

/**
 * Once listening and loaded, says where the functions are.
 *
 * @param {import("node:http").Server} server
 * @param {Config} config
 * @param {Instance} instance
 */
export async function printServing(server, config, instance) {
  await instance.starting;
  const where = baseUrl(server, config);
  const functions = [...instance.functions.values()];
  const width = Math.max(...functions.map(({ name }) => name.length));
  for (const { name, handler, signature } of functions) {
    const kind = handler === undefined ? "  (WebSocket)" : signature === "http" ? "" : `  (${signature})`;
    console.log(`${name.padEnd(width)}  ${where}/${name}${kind}`);
  }
}

/**
 * @param {import("node:http").Server} server
 * @param {Config} config
 */
function baseUrl(server, { listen }) {
  if (!("port" in listen)) return `unix:${"path" in listen ? listen.path : listen.dial}:`;
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return `http://${listen.host ?? "localhost"}:${port}`;
}
