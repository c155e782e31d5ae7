import { realpathSync } from "node:fs";
import { openInspector } from "./inspect.js";
import { captureOutput } from "./output.js";
import { bindFunction } from "./limits.js";
import { describeModules, loadModule } from "./load.js";
import { loadExpress } from "./express.js";
import { setVariables } from "./lambda/variables.js";
import { findFailure, markDuplicates } from "./modules.js";

/**
 * @typedef {import("./limits.js").Given & {
 *   code: string, entries: string[], function: string | null, env?: Record<string, string>, package_name?: string, inspect?: boolean
 * }} Request
 * @typedef {{ status: number, body: object }} Answer
 */

/** The work of this process: nothing, a package's code, then once one function. */
export class Assignment {
  /**
   * @param {import("./instance.js").Instance} instance
   * @param {() => void} onUpgrades called when a bound function handles upgrades
   */
  constructor(instance, onUpgrades) {
    this.instance = instance;
    this.onUpgrades = onUpgrades;
    /** @type {"spare" | "primed" | "bound"} */
    this.state = "spare";
    this.code = "";
    /** @type {import("./load.js").LoadedModule[]} */
    this.modules = [];
    /** @type {Promise<unknown>} */
    this.last = Promise.resolve();
  }

  /**
   * @param {Request} request
   * @returns {Promise<Answer>}
   */
  assign(request) {
    // One after the other: a bind may come while the prime is still importing.
    const answer = this.last.then(() => this.#assign(request));
    this.last = answer.catch(() => {});
    return answer;
  }

  /**
   * @param {Request} request
   * @returns {Promise<Answer>}
   */
  async #assign(request) {
    const refusal = this.#refusal(request);
    if (refusal !== undefined) return { status: 409, body: { error: { name: "Conflict", message: refusal } } };
    const begun = performance.now();
    this.#enter(request);
    await loadExpress();
    if (this.state === "spare") {
      this.code = request.code;
      this.modules = await this.#import(request);
      this.state = "primed";
    }
    const import_ms = Math.round((performance.now() - begun) * 100) / 100;
    const described = { import_ms, modules: describeModules(this.modules) };
    if (request.function === null) return { status: 200, body: described };
    const spec = this.modules.flatMap(({ functions }) => functions).find(({ name }) => name === request.function);
    if (spec === undefined) {
      return { status: 422, body: { error: findFailure(this.modules, request.function), ...described } };
    }
    if (request.inspect) this.instance.debuggers ??= await openInspector(this.instance.inspectorSocket);
    const func = bindFunction(spec, request, 1);
    if (func.signature === "lambda") {
      const entry = this.modules.find(({ functions }) => functions.includes(spec))?.entry ?? "";
      setVariables({ code: this.instance.code, file: `${this.instance.code}/${entry}`, name: spec.name, memoryMib: request.memory_mib ?? undefined });
    }
    this.instance.bind(func);
    if (spec.upgrade !== undefined) this.onUpgrades();
    this.state = "bound";
    return { status: 200, body: described };
  }

  /** @param {Request} request */
  #refusal(request) {
    if (this.state === "bound") return "this instance already serves a function";
    if (this.state === "primed" && request.function === null) return "this instance is already primed";
    if (this.state === "primed" && request.code !== this.code) return "this instance is primed with other code";
    return undefined;
  }

  /** @param {Request} request */
  #enter({ env = {}, code }) {
    for (const [key, value] of Object.entries(env)) process.env[key] = value;
    this.instance.code = realpathSync(code);
    process.chdir(code);
    if (this.instance.events !== undefined) captureOutput(this.instance.events, this.instance.code);
  }

  /** @param {Request} request */
  async #import({ entries, function: wanted, package_name, signature }) {
    /** @type {import("./load.js").LoadedModule[]} */
    const modules = [];
    for (const entry of likelyFirst(entries, wanted)) {
      const module = await loadModule(this.instance.code, entry, package_name ?? this.instance.config.packageName, signature);
      modules.push(module);
      if (wanted !== null && module.functions.some(({ name }) => name === wanted)) break;
    }
    return markDuplicates(modules);
  }
}

/**
 * A file called like the function most likely holds it, and then the others need no import.
 *
 * @param {string[]} entries
 * @param {string | null} wanted
 */
function likelyFirst(entries, wanted) {
  const namesake = entries.find((entry) => entry.replace(/^.*\//, "").replace(/\.[mc]?[jt]s$/, "") === wanted);
  return namesake === undefined ? entries : [namesake, ...entries.filter((entry) => entry !== namesake)];
}
