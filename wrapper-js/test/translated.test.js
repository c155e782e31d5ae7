import assert from "node:assert/strict";
import { test } from "node:test";
import { HAS_TYPESCRIPT, describe, folder } from "./runner.js";

const MARK = ".fnlocal-typescript";

/** @param {{ name: string }[]} functions */
const names = (functions) => functions.map(({ name }) => name);

/** @param {Record<string, string>} files */
async function described(files) {
  const { modules, err } = await describe(folder(files));
  assert.ok(modules, err);
  return modules[0];
}

test("a file that was made runs in place of its source, and is named like it", async () => {
  const made = { [MARK]: "made\n", "shop.ts": "enum A { B }\nexport default () => A.B;\n" };
  const main = { "package.json": '{ "main": "shop.ts" }' };
  /** @type {Record<string, string>[]} */
  const either = [{ "shop.ts.mjs": "export default () => 0;\n" }, { "shop.ts.cjs": "exports.default = () => 0; exports.__esModule = true;\n" }];
  for (const file of either) {
    const { entry, functions, error } = await described({ ...main, ...made, ...file });
    assert.deepEqual([entry, error, names(functions)], ["shop.ts", null, ["shop"]]);
  }
});

test("a source that Node can run as it is runs itself where Node strips types", async () => {
  const files = { "index.ts": "export const source = (): void => {};\n", "index.ts.mjs": "export const made = () => {};\n" };
  const { functions } = await described({ ...files, [MARK]: "plain\n" });
  assert.deepEqual(names(functions), [HAS_TYPESCRIPT ? "source" : "made"]);
});

test("an error in a file that was made is about its source", async () => {
  const files = { [MARK]: "made\n", "index.ts": "\nimport { a } from '@/gone';\nexport const f = () => a;\n", "index.ts.mjs": "import { a } from '@/gone';\nexport const f = () => a;\n" };
  const tsconfig = { "tsconfig.json": '{ "compilerOptions": { "paths": { "@/*": ["./src/*"] } } }' };
  const { error } = await described({ ...files, ...tsconfig });
  assert.deepEqual([error.file, error.line], ["index.ts", 2]);
  assert.doesNotMatch(error.message + error.stack, /\.ts\.mjs/);
  assert.equal(error.hint, "tsconfig.json maps @/gone by `paths` to no file of this package");
});

test("a file that throws that it could not be made is told with the place in its source", async () => {
  const thrower = `const none = undefined;
export { none as default, none as f };
const error = new SyntaxError("no");
error.stack = decodeURIComponent(new URL(".", import.meta.url).pathname) + "index.ts" + ":2\\nexport const = 1;\\n             ^\\n\\n" + "SyntaxError: no";
throw error;
`;
  const { error } = await described({ [MARK]: "made\n", "index.ts": "\nexport const = 1;\n", "index.ts.mjs": thrower });
  assert.deepEqual([error.name, error.file, error.line, error.column], ["SyntaxError", "index.ts", 2, 14]);
  assert.match(error.frame, /export const = 1;/);
});

test("JSX that nothing was made of is refused with what helps", async () => {
  const { error } = await described({ "package.json": '{ "main": "index.tsx" }', "index.tsx": "export const f = () => <a/>;\n" });
  assert.match(error.message, /cannot run TypeScript \(index\.tsx\)/);
  assert.equal(error.hint, "compile JSX to JavaScript");
});
