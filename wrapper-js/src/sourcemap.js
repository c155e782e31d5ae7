import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const FRAME = /^(\s+at (?:.*?\()?)((?:file:\/\/)?\/.*?):(\d+):(\d+)(\)?)$/;
const COMMENT = /^\/\/[#@] ?sourceMappingURL=(\S+)\s*$/gm;
const WEBPACK = /^webpack:\/\/[^/]*\//;
const INLINE = /^data:application\/json(?:;charset=[^;,]+)?(;base64)?,(.*)$/;

/** @typedef {{ find: (line: number, column: number) => Place | undefined, texts: Map<string, string> }} Mapped */
/** @typedef {{ file: string, line: number, column: number }} Place */

/** @type {Map<string, Mapped | undefined>} by the file that was made */
const maps = new Map();

/**
 * A stack in terms of the files somebody wrote, where a bundler or compiler left a map to them.
 * Maps are read when something is thrown, and never before: Node's own support costs every start.
 *
 * @param {string} stack
 * @returns {string}
 */
export function mapStack(stack) {
  return stack.split("\n").map(mapFrame).join("\n");
}

/**
 * A place in terms of the files somebody wrote.
 *
 * @template {{ file: string, line: number, column: number | null }} P
 * @param {P} place
 * @returns {P | Place}
 */
export function mapPlace(place) {
  return mapOf(place.file)?.find(place.line, place.column ?? 1) ?? place;
}

/**
 * A file's text, as the file has it or as a map does.
 *
 * @param {string} file
 * @returns {string}
 */
export function sourceText(file) {
  for (const mapped of maps.values()) {
    const text = mapped?.texts.get(file);
    if (text !== undefined) return text;
  }
  return readFileSync(file, "utf8");
}

/** @param {string} text */
function mapFrame(text) {
  const match = FRAME.exec(text);
  if (match === null) return text;
  const [, before, url, line, column, after] = match;
  const file = url.startsWith("file:") ? fileURLToPath(url) : url;
  const place = mapOf(file)?.find(Number(line), Number(column));
  return place === undefined ? text : `${before}${place.file}:${place.line}:${place.column}${after}`;
}

/** @param {string} file */
function mapOf(file) {
  if (!maps.has(file)) {
    // Set first: a map that cannot be read is not tried again.
    maps.set(file, undefined);
    try {
      maps.set(file, readMap(file));
    } catch {
      // The frame stays as it is.
    }
  }
  return maps.get(file);
}

/**
 * @param {string} file
 * @returns {Mapped | undefined}
 */
function readMap(file) {
  const url = [...readFileSync(file, "utf8").matchAll(COMMENT)].pop()?.[1];
  if (url === undefined) return undefined;
  const inline = INLINE.exec(url);
  const at = inline === null ? resolve(dirname(file), decodeURIComponent(url)) : file;
  const json = inline === null ? readFileSync(at, "utf8") : decode(inline[2], inline[1] !== undefined);
  const payload = JSON.parse(json);
  const { SourceMap } = process.getBuiltinModule("node:module");
  const map = new SourceMap(payload);
  const root = resolve(dirname(at), payload.sourceRoot ?? "");
  const toFile = (/** @type {string} */ source) => toPath(root, dirname(at), source);
  const texts = new Map();
  payload.sources.forEach((/** @type {string} */ source, /** @type {number} */ index) => {
    const text = payload.sourcesContent?.[index];
    if (typeof text === "string" && !existsSync(toFile(source))) texts.set(toFile(source), text);
  });
  return {
    texts,
    find(line, column) {
      const { originalSource, originalLine, originalColumn } = /** @type {any} */ (map.findEntry(line - 1, column - 1));
      if (originalSource === undefined) return undefined;
      const source = toFile(originalSource);
      // A name that leads nowhere tells less than the file that runs.
      if (!texts.has(source) && !existsSync(source)) return undefined;
      return { file: source, line: originalLine + 1, column: originalColumn + 1 };
    },
  };
}

/**
 * @param {string} root to which names are relative by the map
 * @param {string} folder of the map
 * @param {string} source
 */
function toPath(root, folder, source) {
  if (source.startsWith("file:")) return fileURLToPath(source);
  const plain = source.replace(WEBPACK, "");
  if (plain === source) return isAbsolute(plain) ? plain : resolve(root, plain);
  return webpackPath([root, ...upToPackage(folder)], plain.replace(/\?[^/]*$/, ""));
}

/**
 * Webpack names files from the folder it ran in, which is one above that of the map.
 *
 * @param {string[]} folders
 * @param {string} name
 */
function webpackPath(folders, name) {
  const places = folders.map((folder) => resolve(folder, name));
  return places.find((place) => existsSync(place)) ?? places[places.length - 1];
}

/**
 * A folder and those above it, up to the first with a package.json; the folder alone where none has.
 *
 * @param {string} folder
 */
function upToPackage(folder) {
  const folders = [folder];
  for (let above = folder; !existsSync(join(above, "package.json")); folders.push(above)) {
    if (dirname(above) === above) return [folder];
    above = dirname(above);
  }
  return folders;
}

/**
 * @param {string} text
 * @param {boolean} base64
 */
function decode(text, base64) {
  return base64 ? Buffer.from(text, "base64").toString("utf8") : decodeURIComponent(text);
}
