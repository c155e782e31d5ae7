import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import { basename, dirname, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { property, textProperty } from "./thrown.js";
import { isTranslated } from "./translated.js";

const ENDINGS = [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".json", ".node"];
/** Fields of package.json that name packages, and whether they are installed for running. */
const FIELDS = ["dependencies", "optionalDependencies", "peerDependencies", "devDependencies"];
const PACKAGE_NAME = /^(?:@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*$/i;

/**
 * Returns the hint for a module that Node does not find: only what package.json and the files say.
 *
 * @param {Error & { code?: string, requireStack?: string[] }} error
 * @param {string} code folder of the user's code
 * @returns {string | undefined}
 */
export function missingModuleHint(error, code) {
  const kind = property(error, "code");
  if (kind === "ERR_UNSUPPORTED_DIR_IMPORT") return folderHint(textProperty(error, "message") ?? "", code);
  if (kind !== "MODULE_NOT_FOUND" && kind !== "ERR_MODULE_NOT_FOUND") return undefined;
  const message = textProperty(error, "message") ?? "";
  const wanted = /Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1];
  if (wanted === undefined || isBuiltin(wanted)) return undefined;
  const importer = /imported from (.+)$/m.exec(message)?.[1] ?? importerOf(error);
  const from = importer === undefined ? code : dirname(toPath(importer));
  if (/^\.{0,2}\//.test(wanted)) return fileHint(wanted, from, code);
  return packageHint(wanted, importer === undefined ? undefined : toPath(importer), code);
}

/** @param {Error & { requireStack?: string[] }} error */
function importerOf(error) {
  const stack = property(error, "requireStack");
  return Array.isArray(stack) && typeof stack[0] === "string" ? stack[0] : undefined;
}

/**
 * @param {string} wanted a path
 * @param {string} from the importer's folder
 * @param {string} code
 */
function fileHint(wanted, from, code) {
  const path = wanted.startsWith("/") ? wanted : join(from, wanted);
  const shown = wanted.startsWith("/") ? shorten(path, code) : wanted;
  const found = alike(path);
  if (found === undefined) return `there is no file ${shown}`;
  if (found !== path) return `there is no file ${shown}, but there is ${shorten(found, code)}: write its name in full`;
  return statSync(path).isDirectory() ? `${shown} is a folder without an index.js` : undefined;
}

/**
 * The file that was most likely meant by a path: with an ending, or written in other case.
 *
 * @param {string} path
 * @returns {string | undefined} the path itself if it is there
 */
function alike(path) {
  if (existsSync(path)) return path;
  const stem = path.slice(0, path.length - extname(path).length);
  const candidates = [path, stem].flatMap((start) => ENDINGS.map((ending) => start + ending));
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  const folder = dirname(path);
  if (!existsSync(folder)) return undefined;
  const names = [path, ...candidates].map((candidate) => basename(candidate).toLowerCase());
  const other = readdirSync(folder).find((name) => names.includes(name.toLowerCase()));
  return other === undefined ? undefined : join(folder, other);
}

/**
 * @param {string} message
 * @param {string} code
 */
function folderHint(message, code) {
  const folder = /Directory import '([^']+)'/.exec(message)?.[1];
  if (folder === undefined) return undefined;
  const index = ENDINGS.map((ending) => join(folder, `index${ending}`)).find((file) => existsSync(file));
  if (index === undefined) return `${shorten(folder, code)} is a folder without an index.js`;
  return `an ES module names the file: ${shorten(index, code)}`;
}

/**
 * @param {string} wanted `name`, `@scope/name`, or something in it
 * @param {string | undefined} importer
 * @param {string} code
 */
function packageHint(wanted, importer, code) {
  const alias = aliasOf(wanted, code);
  if (alias !== undefined && isTranslated(code)) {
    return `${alias} maps ${wanted} by \`paths\` to no file of this package`;
  }
  if (alias !== undefined) {
    return `${alias} maps ${wanted} by \`paths\`, which Node does not read: import a relative path, or use "imports" in package.json`;
  }
  const name = wanted.split("/").slice(0, wanted.startsWith("@") ? 2 : 1).join("/");
  const declared = declaredIn(importer?.includes("/node_modules/") ? importer : undefined, name, code);
  if (declared !== undefined) return declared;
  const beside = alike(join(importer === undefined ? code : dirname(importer), wanted));
  if (beside !== undefined && beside !== code) {
    const path = relative(importer === undefined ? code : dirname(importer), beside);
    return `${wanted} names a package; the file beside it is ./${path}`;
  }
  const below = alike(join(code, wanted));
  if (below !== undefined) return `${wanted} names a package; the file in this one is imported by a relative path`;
  if (!PACKAGE_NAME.test(name)) return `${name} cannot be a package's name: import a relative path`;
  const who = importer?.includes("/node_modules/") ? `${packageOf(importer)} needs ${name}` : `package.json does not name ${name}`;
  return `${who}: if it is the package you mean, npm install ${name}`;
}

/**
 * Returns the hint that package.json gives for a dependency that is not there.
 *
 * @param {string | undefined} importer a file of an installed package
 * @param {string} name
 * @param {string} code
 */
function declaredIn(importer, name, code) {
  const manifest = readJson(join(code, "package.json"));
  for (const field of FIELDS) {
    const range = manifest?.[field]?.[name];
    if (typeof range !== "string") continue;
    if (/^(?:file|link|portal|workspace):/.test(range)) {
      return `package.json asks for ${name} as ${range}, which is not installed: look whether that folder is in the project`;
    }
    if (field === "devDependencies" && importer === undefined) {
      return `${name} is one of the devDependencies, which are not installed for running: move it to dependencies`;
    }
    return `package.json names ${name} in ${field}, but it is not installed: npm install`;
  }
  return undefined;
}

/**
 * The file that maps an import by TypeScript's `paths`.
 *
 * @param {string} wanted
 * @param {string} code
 */
function aliasOf(wanted, code) {
  for (const file of ["tsconfig.json", "jsconfig.json"]) {
    const text = readText(join(code, file));
    const paths = text === undefined ? undefined : /"paths"\s*:\s*\{([^}]*)\}/.exec(text)?.[1];
    const patterns = [...(paths ?? "").matchAll(/"([^"]+)"\s*:/g)].map((match) => match[1]);
    const fits = (/** @type {string} */ pattern) => {
      const [start, end] = pattern.split("*");
      return end === undefined ? wanted === pattern : wanted.startsWith(start) && wanted.endsWith(end);
    };
    if (patterns.some(fits)) return file;
  }
  return undefined;
}

/** @param {string} file of an installed package */
function packageOf(file) {
  const inside = file.slice(file.lastIndexOf("/node_modules/") + "/node_modules/".length).split("/");
  return inside.slice(0, inside[0].startsWith("@") ? 2 : 1).join("/");
}

/** @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch {
    return undefined;
  }
}

/**
 * @param {string} path
 * @returns {any}
 */
function readJson(path) {
  try {
    return JSON.parse(readText(path) ?? "");
  } catch {
    return undefined;
  }
}

/**
 * @param {string} file
 * @param {string} code
 */
function shorten(file, code) {
  return file.startsWith(`${code}/`) ? file.slice(code.length + 1) : file;
}

/** @param {string} pathOrUrl */
function toPath(pathOrUrl) {
  return pathOrUrl.startsWith("file:") ? fileURLToPath(pathOrUrl) : pathOrUrl;
}
