// Written by `make generate` from emulator/project/src/config.rs. Do not edit.

/** The keys of a function's config, spelt as in fnlocal.toml. */
export const CONFIG_KEYS = [
  "async",
  "body",
  "body_limit",
  "burst",
  "concurrency",
  "env",
  "lambda_event",
  "max_instances",
  "memory",
  "min_instances",
  "on",
  "over_rate",
  "pause_after",
  "queue",
  "queue_timeout",
  "response_limit",
  "rps",
  "schedule",
  "signature",
  "start_rate",
  "stop_after",
  "timeout",
];
