// Loads modules as the wrapper does and says what they export and which marks were reached.
import { readFileSync, writeSync } from "node:fs";
import { describeModules, loadModule } from "../../../wrapper-js/src/load.js";
import { watch } from "../../../wrapper-js/src/watch.js";

process.on("unhandledRejection", () => {});
process.on("uncaughtException", () => {});
const [folder, count] = [process.argv[2], Number(process.argv[3])];
const watched = watch(folder);
const said = [];
for (let number = 0; number < count; number += 1) {
  const loaded = [];
  for (const version of ["before", "after"]) {
    const place = `${folder}/${number}/${version}`;
    const entry = readFileSync(`${place}/entry.txt`, "utf8");
    loaded.push(JSON.stringify(describeModules([await loadModule(place, entry, "p")])[0].error));
    loaded.push(JSON.stringify(describeModules([await loadModule(place, entry, "p")])[0].functions));
  }
  said.push(loaded);
}
writeSync(1, JSON.stringify({ said, ran: watched().ran }));
process.exit(0);
