/**
 * @typedef {import("./load.js").LoadedModule} LoadedModule
 * @typedef {import("./failure.js").Failure} Failure
 */

/**
 * A name belongs to the first module that exports it; a later one is reported.
 *
 * @param {LoadedModule[]} modules
 * @returns {LoadedModule[]}
 */
export function markDuplicates(modules) {
  /** @type {Map<string, string>} */
  const owners = new Map();
  return modules.map((module) => {
    const taken = module.functions.find(({ name }) => owners.has(name));
    const functions = module.functions.filter(({ name }) => !owners.has(name));
    for (const { name } of functions) owners.set(name, module.entry);
    if (taken === undefined) return module;
    const message = `the function ${taken.name} of ${module.entry} is already exported by ${owners.get(taken.name)}`;
    return { ...module, functions, error: failure("DuplicateFunction", message, module.entry, "rename one of them") };
  });
}

/**
 * Why a function is missing: its module failed, or no module exports it. Of several that failed, the
 * one that is named after the function is meant, or else one whose name does not say another.
 *
 * @param {LoadedModule[]} modules
 * @param {string} wanted
 * @returns {Failure}
 */
export function findFailure(modules, wanted) {
  const failed = modules.filter(({ error }) => error !== null && error.name !== "DuplicateFunction");
  const named = failed.find(({ entry }) => namedAfter(entry) === wanted);
  const meant = named ?? failed.find(({ entry }) => namedAfter(entry) === undefined);
  if (meant?.error) return meant.error;
  const names = modules.flatMap(({ functions }) => functions.map(({ name }) => name));
  if (failed.length > 0) {
    const files = failed.map(({ entry }) => entry).join(", ");
    return failure("FunctionNotFound", `no module exports a function ${wanted}`, null, `${files} could not be imported`);
  }
  const hint = names.length === 0 ? `export it: exports.${wanted} = (req, res) => …` : `functions here: ${names.join(", ")}`;
  return failure("FunctionNotFound", `no module exports a function ${wanted}`, null, hint);
}

/**
 * The function that a file in a folder of handlers is named after.
 *
 * @param {string} entry
 */
export function namedAfter(entry) {
  const name = /(?:^|\/)(?:functions|api)\/([^./]+)(?:\.[^/]*|\/index\.[^/]*)$/.exec(entry)?.[1];
  return name === "index" ? undefined : name;
}

/**
 * @param {string} name
 * @param {string} message
 * @param {string | null} file
 * @param {string} hint
 * @returns {Failure}
 */
function failure(name, message, file, hint) {
  return { name, message, stack: "", file, line: null, column: null, frame: null, hint };
}
