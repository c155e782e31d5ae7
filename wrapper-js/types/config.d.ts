// Written by `make generate` from emulator/project/src/config.rs. Do not edit.

/** Settings of a function: in `[functions.NAME]`, in `[defaults]`, or as `config` in code. */
export interface FunctionConfig {
  /** The delivery of the function's asynchronous invocations. */
  async?: AsyncConfig;
  /** The form in which the handler gets a request's body. Default: "parsed". */
  body?: "parsed" | "stream";
  /**
   * The maximum size of a request's body. With `body = "stream"` there is no bound unless one is
   * set. A text such as "6MB". Default: "6MB".
   */
  bodyLimit?: string;
  /** The same as `bodyLimit`, spelt as in fnlocal.toml. */
  body_limit?: string;
  /**
   * The maximum number of requests that may arrive at once within `rps`. Without it, one second's
   * worth. Must be at least 1.
   */
  burst?: number;
  /**
   * The maximum number of requests that an instance serves at once. Default: 1. Must be between 1
   * and 1000.
   */
  concurrency?: number;
  /**
   * The names of variables that the function needs, from `.env`, `.env.ENVIRONMENT` or the shell.
   * Those that only `config` in code names are not taken from the shell. Variables that several
   * places name add up.
   */
  env?: string[];
  /**
   * The format of the events that a Lambda handler gets for requests: `2.0` is an HTTP API's, `1.0`
   * a REST API's. Default: "2.0".
   */
  lambdaEvent?: "1.0" | "2.0";
  /** The same as `lambdaEvent`, spelt as in fnlocal.toml. */
  lambda_event?: "1.0" | "2.0";
  /** The maximum number of instances. Default: 100. Must be between 1 and 1000. */
  maxInstances?: number;
  /** The same as `maxInstances`, spelt as in fnlocal.toml. */
  max_instances?: number;
  /**
   * The memory of an instance. A text such as "512MB", or megabytes. Default: "512MB". Must be
   * between 64MB and 64GB.
   */
  memory?: number | string;
  /**
   * The number of instances that are kept ready while no request arrives. Default: 0. Must be
   * between 0 and 1000.
   */
  minInstances?: number;
  /** The same as `minInstances`, spelt as in fnlocal.toml. */
  min_instances?: number;
  /** Sources whose events call the function. */
  on?: OnConfig[];
  /**
   * The treatment of requests over `rps`. With `refuse` they are answered 429, with the time after
   * which they would not have been. With `queue` they wait: at most `queue` requests, none longer
   * than `queue_timeout`. Default: "refuse".
   */
  overRate?: "refuse" | "queue";
  /** The same as `overRate`, spelt as in fnlocal.toml. */
  over_rate?: "refuse" | "queue";
  /**
   * The idle time after which an instance is paused. A text such as "1.5s", or milliseconds.
   * Default: "10s".
   */
  pauseAfter?: number | string;
  /** The same as `pauseAfter`, spelt as in fnlocal.toml. */
  pause_after?: number | string;
  /** The maximum number of requests that wait. Default: 1000. Must be between 0 and 100000. */
  queue?: number;
  /**
   * The maximum time that a request waits. A text such as "1.5s", or milliseconds. Default: "30s".
   */
  queueTimeout?: number | string;
  /** The same as `queueTimeout`, spelt as in fnlocal.toml. */
  queue_timeout?: number | string;
  /** The maximum size of a response's body. Without it there is no bound. A text such as "6MB". */
  responseLimit?: string;
  /** The same as `responseLimit`, spelt as in fnlocal.toml. */
  response_limit?: string;
  /** The maximum number of requests a second. Default: 3000. Must be at least 1. */
  rps?: number | "unlimited";
  /** The times at which the function is called. */
  schedule?: string | ScheduleTable;
  /**
   * The handler's form: `(req, res)` with `http`, a CloudEvent with `event`, `(event, context)` of
   * AWS Lambda with `lambda`, a web-standard `Request` with `fetch`, and a whole application with
   * `app`. Without it, the handler's shape decides.
   */
  signature?: "http" | "event" | "lambda" | "fetch" | "app";
  /**
   * The maximum number of instances that are started for waiting requests in ten seconds. Without
   * it there is no bound. Must be at least 1.
   */
  startRate?: number;
  /** The same as `startRate`, spelt as in fnlocal.toml. */
  start_rate?: number;
  /**
   * The idle time after which an instance is stopped. A text such as "1.5s", or milliseconds.
   * Default: "10m".
   */
  stopAfter?: number | string;
  /** The same as `stopAfter`, spelt as in fnlocal.toml. */
  stop_after?: number | string;
  /**
   * The time until the head of the response must be sent. A text such as "1.5s", or milliseconds.
   * Default: "15s". Must be between 1ms and 1h.
   */
  timeout?: number | string;
}

/** The delivery of asynchronous invocations. */
export interface AsyncConfig {
  /** The maximum number of runs, the first included. Default: 5. Must be between 1 and 100. */
  attempts?: number;
  /**
   * The pause before the second run. The pause doubles with every run after that. A text such as
   * "1.5s", or milliseconds. Default: "1s". Must be at least 1ms.
   */
  backoff?: number | string;
  /**
   * The longest pause. A text such as "1.5s", or milliseconds. Default: "5m". Must be at least 1ms.
   */
  backoff_max?: number | string;
  /**
   * Allows clients to ask for asynchronous invocations. Without the key, they may where fnlocal
   * listens on this machine alone.
   */
  from_clients?: boolean;
  /**
   * The time for which an idempotency key is remembered. A text such as "1.5s", or milliseconds.
   * Default: "24h".
   */
  keep_keys?: number | string;
  /**
   * The age at which an invocation is given up and becomes a dead letter. A text such as "1.5s", or
   * milliseconds. Default: "6h". Must be at least 1ms.
   */
  max_age?: number | string;
  /**
   * The maximum size of the function's waiting invocations, bodies included. A text such as "6MB".
   * Default: "256MB". Must be at least 1MB.
   */
  queue_size?: string;
  /**
   * The part of the function's concurrency that asynchronous invocations may take. Default: 50.
   * Must be between 1 and 100 percent.
   */
  share?: number;
}

/** A source whose events call a function. */
export interface OnConfig {
  /**
   * The maximum number of events taken at once. Without it, 10 for `sqs` and `s3`, which is also
   * their maximum, and 100 for others. Must be between 1 and 1000.
   */
  batch?: number;
  /** For `postgres`: the channel. */
  channel?: string;
  /** For `folder`: the folder, relative to fnlocal.toml. */
  folder?: string;
  /** For `redis`: the consumer group. Without it, the project's name. */
  group?: string;
  /**
   * For `postgres`: the table that events are written to, so that none is lost while nothing
   * listens.
   */
  outbox?: string;
  /** For `sqs` and `s3`: the URL of the queue. */
  queue?: string;
  /**
   * The kind of source. `folder`: a local folder as if it were a bucket. `s3`: an SQS queue with
   * the notifications of an S3 bucket. `sqs`: an SQS queue. `postgres`: PostgreSQL with LISTEN, and
   * a table as an outbox. `redis`: a Redis stream.
   */
  source: "folder" | "s3" | "sqs" | "postgres" | "redis";
  /** For `redis`: the key of the stream. */
  stream?: string;
  /**
   * For `postgres` and `redis`: where the server is. For `sqs` and `s3`: an endpoint other than
   * AWS.
   */
  url?: string;
  /**
   * The variable that holds the URL, from `.env`, `.env.ENVIRONMENT` or the shell. One that only
   * `config` in code names is not taken from the shell.
   */
  url_env?: string;
  /**
   * For `sqs` and `s3`: the time for which the queue hides what was taken. A text such as "1.5s",
   * or milliseconds. Default: "30s".
   */
  visibility?: number | string;
}

/** A schedule: a cron expression with how it is kept. */
export interface ScheduleTable {
  /** A cron expression of five fields, or six with seconds. */
  cron: string;
  /**
   * The treatment of runs that were missed while fnlocal did not run. `skip` leaves all out, `once`
   * makes one run for all of them, and `all` makes up for at most the newest 100. Default: "skip".
   */
  missed?: "skip" | "once" | "all";
  /** Allows a run to begin before the previous one has ended. Default: false. */
  overlap?: boolean;
  /** The time zone of the cron expression. Default: "UTC". */
  timezone?: string;
}
