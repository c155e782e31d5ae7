#!/usr/bin/env node
import { UsageError, isInstance, readConfig } from "./config.js";
import { printable } from "./printable.js";
import { run } from "./run.js";
import { readToken } from "./token.js";

try {
  const words = process.argv.slice(2);
  const token = isInstance(words) ? readToken() : undefined;
  // The parent process has gone.
  if (isInstance(words) && token === undefined) process.exit(0);
  run(readConfig(process.env, words, token));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(printable(error.message));
  process.exit(2);
}
