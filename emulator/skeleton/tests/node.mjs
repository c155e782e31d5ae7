// Loads modules as the wrapper does and says what they export and which marks were reached.
import { readFileSync, writeSync } from "node:fs";
import { describeModules, loadModule } from "../../../wrapper-js/src/load.js";
import { watch } from "../../../wrapper-js/src/watch.js";

// What modules leave behind is theirs; what this file does wrong shows in that nothing is written.
process.on("unhandledRejection", (error) => console.error(error));
process.on("uncaughtException", (error) => console.error(error));
const [folder, count] = [process.argv[2], Number(process.argv[3])];
const watched = watch(folder);
const said = [];
for (let number = 0; number < count; number += 1) {
  const loaded = [];
  for (const version of ["before", "after"]) {
    const place = `${folder}/${number}/${version}`;
    const entry = readFileSync(`${place}/entry.txt`, "utf8");
    const [{ error, functions }] = describeModules([await loadModule(place, entry, "p")]);
    loaded.push(error === null ? told(functions) : null);
  }
  said.push(loaded);
}
writeSync(1, JSON.stringify({ said, ran: watched().ran }));
process.exit(0);

/** @param {unknown} functions as JSON, or that saying it fails: a getter or toJSON may throw */
function told(functions) {
  try {
    return JSON.stringify(functions);
  } catch {
    return null;
  }
}
