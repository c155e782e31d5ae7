// Runs inside a build container: installs, puts the modules where Node finds them from any folder,
// and removes its own traces. Its arguments are a list of commands, as JSON, and the folder they run
// in, relative to its own.
const { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } = require("node:fs");
const { spawnSync } = require("node:child_process");
const { join } = require("node:path");

const WORK = __dirname;
const MODULES = "/node_modules";
// Exit codes that tell the platform which limit was reached.
const OUT_OF_MEMORY = 90;
const OUT_OF_PROCESSES = 91;
/** Counters of the kernel, under version 2 of control groups and under version 1. */
const COUNTERS = {
  [OUT_OF_MEMORY]: [/^oom_kill (\d+)/m, "memory.events", "memory/memory.oom_control"],
  [OUT_OF_PROCESSES]: [/^max (\d+)/m, "pids.events", "pids/pids.events"],
};

for (const [program, ...words] of JSON.parse(process.argv[2])) {
  const done = spawnSync(program, words, { cwd: join(WORK, process.argv[3] ?? ""), stdio: "inherit" });
  if (done.error && done.error.code === "ENOENT") {
    console.error(`the base image has no ${program}`);
    process.exit(1);
  }
  if (done.error) console.error(done.error.message);
  if (done.error || done.status !== 0) process.exit(limit() ?? 1);
}
if (existsSync(`${WORK}/node_modules`)) {
  for (const name of readdirSync(`${WORK}/node_modules`)) move(`${WORK}/node_modules/${name}`, `${MODULES}/${name}`);
}
for (const name of readdirSync(WORK)) rmSync(`${WORK}/${name}`, { recursive: true, force: true });

/** The limit that was reached, as an exit code. */
function limit() {
  for (const [code, [line, ...files]] of Object.entries(COUNTERS)) {
    for (const file of files) {
      let text = "";
      try {
        text = readFileSync(`/sys/fs/cgroup/${file}`, "utf8");
      } catch {
        continue;
      }
      if (Number(line.exec(text)?.[1] ?? 0) > 0) return Number(code);
    }
  }
  return undefined;
}

function move(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (error.code !== "EXDEV") throw error;
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  }
}
