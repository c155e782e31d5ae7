import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { describe, folder, startSpare } from "./runner.js";

/**
 * The hint for an entry that imports what is not there.
 *
 * @param {string} source
 * @param {Record<string, string>} files
 * @param {string} [entry]
 */
async function hint(source, files = {}, entry = "index.js") {
  const { modules, err } = await describe(folder({ [entry]: source, ...files }), entry);
  assert.ok(modules?.[0].error, err);
  return modules[0].error.hint;
}

const manifest = (/** @type {object} */ fields) => ({ "package.json": JSON.stringify(fields) });

test("npm install is suggested only for packages that package.json does not list", async () => {
  assert.match(await hint("require('greet')"), /^package\.json does not name greet: .*npm install greet$/);
  assert.match(await hint("require('@a/greet/sub')"), /npm install @a\/greet$/);
  for (const range of ["file:./vendor/greet", "link:../greet", "workspace:*", "portal:x"]) {
    const said = await hint("require('greet')", manifest({ dependencies: { greet: range } }));
    assert.ok(said.includes(`asks for greet as ${range}`), said);
    assert.doesNotMatch(said, /npm install/);
  }
  assert.match(await hint("require('greet')", manifest({ devDependencies: { greet: "1" } })), /move it to dependencies$/);
  assert.match(await hint("require('greet')", manifest({ dependencies: { greet: "1" } })), /not installed: npm install$/);
});

test("no install is suggested for a TypeScript path alias or a mistyped file path", async () => {
  const tsconfig = { "tsconfig.json": '\uFEFF{ // comment\n "compilerOptions": { "paths": { "@/*": ["./src/*"], "greet": ["./greet"] } } }' };
  for (const wanted of ["@/util/greet", "greet"]) {
    assert.match(await hint(`require('${wanted}')`, tsconfig), /^tsconfig\.json maps .* by `paths`/);
  }
  assert.match(await hint("require('@/util')"), /cannot be a package's name/);
  assert.match(await hint("require('greet')", { "greet.js": "" }), /the file beside it is \.\/greet\.js$/);
  assert.match(await hint("require('src/greet')", { "src/greet.ts": "" }), /\.\/src\/greet\.ts$/);
});

test("a missing file suggests an existing file with a similar name", async () => {
  const files = { "util/greet.js": "", "lib/index.js": "", "only.ts": "", "empty/x.txt": "" };
  assert.equal(await hint("require('./gone')", files), "there is no file ./gone");
  assert.match(await hint("require('./util/Greet')", files), /but there is util\/greet\.js/);
  assert.match(await hint("import './util/greet'", files, "index.mjs"), /there is no file util\/greet, but there is util\/greet\.js/);
  assert.match(await hint("require('./only.js')", files), /but there is only\.ts/);
  assert.match(await hint("import './lib'", files, "index.mjs"), /an ES module names the file: lib\/index\.js/);
  assert.match(await hint("require('./empty')", files), /is a folder without an index\.js/);
});

test("a missing transitive dependency is reported with the package that requires it", async () => {
  const installed = { "node_modules/outer/index.js": "require('inner')", "node_modules/outer/package.json": "{}" };
  assert.match(await hint("require('outer')", installed), /^outer needs inner: .*npm install inner$/);
});

test("a function fails with the error of its own file if several files are broken", async (t) => {
  const files = { "functions/b.js": "exports.b = nope()", "functions/c.js": "exports.c = ;", "functions/ab.js": "throw 1" };
  const runner = await startSpare(t, files);
  const entries = Object.keys(files);
  const failed = async (/** @type {string} */ name) => (await runner.assign({ entries, function: name })).json.error;
  assert.equal((await failed("b")).file, "functions/b.js");
  assert.equal((await failed("c")).file, "functions/c.js");
  const other = await failed("nosuch");
  assert.equal(other.name, "FunctionNotFound");
  assert.match(other.hint, /functions\/b\.js, functions\/c\.js, functions\/ab\.js could not be imported/);
});

test("a port in use is reported as such", async (t) => {
  const taken = createServer().listen(0, "127.0.0.1");
  t.after(() => taken.close());
  await once(taken, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (taken.address());
  const code = `require("net").createServer().listen(${port}, "127.0.0.1"); exports.f = () => {};`;
  const runner = await startSpare(t, { "index.js": code });
  await runner.assign({}).catch(() => {});
  await runner.exited;
  assert.match(runner.err, /EADDRINUSE/);
  assert.match(runner.err, /another process listens there/);
});

test("a refused write to the code folder is reported with a hint where to write", async () => {
  const refused = (/** @type {string} */ path) => `throw Object.assign(new Error("no"), { code: "EROFS", path: ${path} })`;
  assert.match(await hint(refused("__dirname + '/a.txt'")), /read-only: write to \/tmp \(os\.tmpdir\(\)\)/);
  assert.equal(await hint(refused("'/elsewhere/a.txt'")), undefined);
});
