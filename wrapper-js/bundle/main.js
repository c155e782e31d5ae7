import { statSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { OPTIONS, chunkComments, lateExpress } from "./late.js";

const OUTFILE = "dist/runner.cjs";

await build({ ...OPTIONS, entryPoints: ["src/main.js"], outfile: OUTFILE, plugins: [lateExpress], footer: { js: await chunkComments() } });
console.log(`${OUTFILE}  ${Math.round(statSync(join(String(OPTIONS.absWorkingDir), OUTFILE)).size / 1024)} kB`);
