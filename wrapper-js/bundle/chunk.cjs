const { readFileSync } = require("node:fs");
const vm = require("node:vm");

/** @type {Map<string, any>} */
const loaded = new Map();
let source = "";

/**
 * Compiles a part of the bundle when it is first needed. The parts stand in comments at the end of
 * this very file: V8 reads over a comment far quicker than over code or a string.
 *
 * @param {string} name
 */
module.exports = function chunk(name) {
  if (loaded.has(name)) return loaded.get(name).exports;
  const module = { exports: {} };
  loaded.set(name, module);
  source ||= readFileSync(__filename, "latin1");
  const start = source.indexOf(`\n//# ${name} `) + `\n//# ${name} `.length;
  const text = JSON.parse(source.slice(start, source.indexOf("\n", start)));
  const wrapped = `(function (module, exports, require, chunk, __filename) {${text}\n})`;
  const filename = `${__filename}#${name}`;
  vm.runInThisContext(wrapped, { filename })(module, module.exports, require, chunk, filename);
  return module.exports;
};
