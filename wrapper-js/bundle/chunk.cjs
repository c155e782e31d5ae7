const vm = require("node:vm");
const texts = require("chunk-texts");

/** @type {Map<string, any>} */
const loaded = new Map();

/**
 * Compiles a part of the bundle when it is first needed. V8 reads over a string far quicker than
 * over the same code.
 *
 * @param {string} name
 */
module.exports = function chunk(name) {
  if (loaded.has(name)) return loaded.get(name).exports;
  const module = { exports: {} };
  loaded.set(name, module);
  const wrapped = `(function (module, exports, require, chunk, __filename) {${texts[name]}\n})`;
  const filename = `${__filename}#${name}`;
  vm.runInThisContext(wrapped, { filename })(module, module.exports, require, chunk, filename);
  return module.exports;
};
