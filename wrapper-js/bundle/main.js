import { statSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { OPTIONS, chunkComments, lateExpress } from "./late.js";

const OUTFILE = "dist/runner.cjs";
const DESCRIBE = "dist/describe.cjs";

await build({ ...OPTIONS, entryPoints: ["src/main.js"], outfile: OUTFILE, plugins: [lateExpress], footer: { js: await chunkComments() } });
await build({ ...OPTIONS, entryPoints: ["src/describe-main.js"], outfile: DESCRIBE });
for (const file of [OUTFILE, DESCRIBE]) {
  console.log(`${file}  ${Math.round(statSync(join(String(OPTIONS.absWorkingDir), file)).size / 1024)} kB`);
}
