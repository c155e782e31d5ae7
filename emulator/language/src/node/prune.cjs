// Removes what npm installed for development alone, by npm's own note of it. `npm prune` would also
// remove what scripts have made in node_modules.
const { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } = require("node:fs");
const { dirname, join } = require("node:path");

const MODULES = "node_modules";
const NOTE = join(MODULES, ".package-lock.json");
const BIN = join(MODULES, ".bin");

const packages = existsSync(NOTE) ? JSON.parse(readFileSync(NOTE, "utf8")).packages : {};
for (const [folder, { dev }] of Object.entries(packages)) {
  if (!dev || !folder.startsWith(`${MODULES}/`) || folder.split("/").includes("..")) continue;
  rmSync(folder, { recursive: true, force: true });
  const scope = dirname(folder);
  if (scope.includes("/@") && existsSync(scope) && readdirSync(scope).length === 0) rmdirSync(scope);
}
// Links to what is gone.
for (const name of existsSync(BIN) ? readdirSync(BIN) : []) {
  if (!existsSync(join(BIN, name))) rmSync(join(BIN, name), { force: true });
}
