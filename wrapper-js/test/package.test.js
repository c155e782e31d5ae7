// What is published: the bundle and the types, and a program that uses both.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), "fnlocal-package-"));
after(() => rmSync(folder, { recursive: true }));

/** @param {string} program @param {string[]} args @param {string} cwd */
const run = (program, args, cwd) => execFileSync(program, args, { cwd, encoding: "utf8" });

test("the npm package contains the bundle and its types and no build sources", () => {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root));
  const files = packed.files.map((/** @type {{ path: string }} */ file) => file.path);
  for (const wanted of ["dist/runner.cjs", "types/index.d.ts", "package.json", "README.md"]) assert.ok(files.includes(wanted), wanted);
  assert.deepEqual(files.filter((/** @type {string} */ file) => /^(src|test|bundle|node_modules)\//.test(file)), []);
  run("tar", ["-xzf", packed.filename], folder);
});

test("a project that installs the package is type-checked and served with it", () => {
  const project = join(folder, "project");
  mkdirSync(join(project, "node_modules/@types"), { recursive: true });
  run("cp", ["-r", join(folder, "package"), join(project, "node_modules/fnlocal-runner")], folder);
  for (const types of ["express", "express-serve-static-core", "node", "qs", "range-parser", "send", "serve-static", "body-parser", "connect", "http-errors", "mime"]) {
    try {
      run("cp", ["-r", join(root, "node_modules/@types", types), join(project, "node_modules/@types")], folder);
    } catch {
      // Which of them @types/express needs differs between its versions.
    }
  }
  run("cp", ["-r", join(root, "node_modules/undici-types"), join(project, "node_modules")], folder);
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
  const good = 'import type { FunctionSpec } from "fnlocal-runner";\nexport const hello: FunctionSpec = { func: (req, res) => void res.json({ hello: req.query.name }) };\n';
  writeFileSync(join(project, "index.ts"), good);
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--skipLibCheck", "index.ts"];
  const tsc = join(root, "node_modules/.bin/tsc");
  run(tsc, options, project);
  writeFileSync(join(project, "index.ts"), good.replace("hello: FunctionSpec = {", "hello: FunctionSpec = { config: { timeout: true },"));
  assert.throws(() => run(tsc, options, project), (/** @type {{ stdout: string }} */ error) => error.stdout.includes("is not assignable"));
  writeFileSync(join(project, "index.ts"), good);
  const described = run("node", ["node_modules/fnlocal-runner/dist/runner.cjs", "--describe", "index.ts"], project);
  assert.match(described, /hello/);
});
