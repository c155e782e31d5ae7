// Runs inside a build container: installs, puts the modules where Node finds them from any folder,
// and removes its own traces. Its argument is a list of commands, as JSON.
const { cpSync, existsSync, mkdirSync, renameSync, rmSync } = require("node:fs");
const { spawnSync } = require("node:child_process");

const WORK = __dirname;
for (const [program, ...words] of JSON.parse(process.argv[2])) {
  const done = spawnSync(program, words, { cwd: WORK, stdio: "inherit" });
  if (done.error) {
    console.error(done.error.code === "ENOENT" ? `the base image has no ${program}` : done.error.message);
    process.exit(1);
  }
  if (done.status !== 0) process.exit(done.status ?? 1);
}
rmSync("/node_modules", { recursive: true, force: true });
if (!existsSync(`${WORK}/node_modules`)) mkdirSync(`${WORK}/node_modules`);
try {
  renameSync(`${WORK}/node_modules`, "/node_modules");
} catch (error) {
  if (error.code !== "EXDEV") throw error;
  cpSync(`${WORK}/node_modules`, "/node_modules", { recursive: true, verbatimSymlinks: true });
}
rmSync(WORK, { recursive: true, force: true });
