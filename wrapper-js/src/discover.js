import { existsSync, readdirSync, statSync } from "node:fs";
import { extname, join, relative, resolve } from "node:path";
import { UsageError } from "./config.js";
import { readPackage } from "./load.js";

const EXTENSIONS = [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx"];

/**
 * The entry files meant by what was named: files as they are, folders by the rules of zero config.
 *
 * @param {string} code
 * @param {string[]} named files or folders; none means the folder `code`
 * @returns {string[]} relative to `code`
 */
export function discoverEntries(code, named) {
  const wanted = named.length === 0 ? ["."] : named;
  return wanted.flatMap((name) => {
    const path = resolve(code, name);
    if (!existsSync(path)) throw new UsageError(`${name} does not exist`);
    return statSync(path).isDirectory() ? ofFolder(path).map((file) => relative(code, file)) : [relative(code, path)];
  });
}

/** @param {string} folder */
function ofFolder(folder) {
  const main = readPackage(folder)?.main;
  const index = EXTENSIONS.map((extension) => join(folder, `index${extension}`)).find((file) => existsSync(file));
  if (main !== undefined && existsSync(join(folder, main))) return [join(folder, main)];
  if (index !== undefined) return [index];
  const functions = join(folder, "functions");
  const files = existsSync(functions) ? readdirSync(functions).filter(isEntry).sort() : [];
  if (files.length > 0) return files.map((file) => join(functions, file));
  throw new UsageError(`no functions in ${folder}\nhint: add an index.js, a package.json with "main", or functions/*.js`);
}

/** @param {string} file */
function isEntry(file) {
  return EXTENSIONS.includes(extname(file)) && !/\.(?:test|spec|d)\.[mc]?[jt]sx?$/.test(file);
}
