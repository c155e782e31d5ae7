// Makes node_modules of an installed workspace: everything that was installed goes into
// node_modules/.workspace as it is, so that each package finds what its package manager meant for
// it, and what the one package may require is linked beside. Its argument is that package's folder.
const { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } = require("node:fs");
const { join, relative } = require("node:path");

const WORK = __dirname;
const NEW = join(WORK, ".arranged");
const INSIDE = join(NEW, ".workspace");
const STAYS = new Set([".arranged", "arrange.cjs", "install.cjs", "manager", "store", "cache", "user.npmrc", "ca.pem"]);
/** What package managers note for themselves, with times and paths of the machine. */
const NOTES = [".package-lock.json", ".modules.yaml", ".yarn-integrity", ".yarn-state.yml", ".cache", ".pnpm-workspace-state-v1.json"];
const LOCKS = ["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock"];
const SETTINGS = new Set([...LOCKS, ".npmrc", ".yarnrc", ".yarnrc.yml", ".yarn", "pnpm-workspace.yaml"]);

mkdirSync(INSIDE, { recursive: true });
for (const name of readdirSync(WORK)) if (!STAYS.has(name)) renameSync(join(WORK, name), join(INSIDE, name));
forget(INSIDE);
// As Node looks for a package: in the nearest folder first.
const parts = process.argv[2].split("/").filter((part) => part !== "" && part !== ".");
for (let length = parts.length; length >= 0; length -= 1) {
  const modules = join(INSIDE, ...parts.slice(0, length), "node_modules");
  for (const name of names(modules)) link(join(modules, name), join(NEW, name));
}
renameSync(NEW, join(WORK, "node_modules"));

/** The packages in a folder of them. */
function names(modules) {
  if (!existsSync(modules)) return [];
  return readdirSync(modules).flatMap((name) => {
    if (name.startsWith(".")) return [];
    if (!name.startsWith("@")) return [name];
    return readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`);
  });
}

function link(target, at) {
  if (lstatSync(at, { throwIfNoEntry: false }) !== undefined) return;
  mkdirSync(join(at, ".."), { recursive: true });
  symlinkSync(relative(join(at, ".."), target), at);
}

/** Removes notes, settings and lock files: no code needs them, and they may hold a token. */
function forget(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (SETTINGS.has(entry.name)) rmSync(join(folder, entry.name), { recursive: true });
    else if (entry.name === "node_modules") for (const note of NOTES) rmSync(join(folder, "node_modules", note), { recursive: true, force: true });
    else if (entry.isDirectory()) forget(join(folder, entry.name));
  }
}
