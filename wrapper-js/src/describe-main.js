// Only what `--describe` needs: it is asked at every build, and the whole runner takes as long to
// load again as Node to boot.
import { UsageError, hideInternals, readConfig } from "./config.js";
import { describe } from "./describe.js";
import { printable } from "./printable.js";

try {
  const config = readConfig(process.env, ["--describe", ...process.argv.slice(2)]);
  hideInternals(process.env);
  describe(config);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(printable(error.message));
  process.exit(2);
}
