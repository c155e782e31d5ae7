#!/usr/bin/env node
import { UsageError, readConfig } from "./config.js";
import { printable } from "./printable.js";
import { run } from "./run.js";

try {
  run(readConfig(process.env, process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(printable(error.message));
  process.exit(2);
}
