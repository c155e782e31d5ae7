import { resolve } from "node:path";
import { parseArgs } from "node:util";

/**
 * The settings of one process. The environment and the arguments are read here and nowhere else.
 *
 * @typedef {object} Config
 * @property {"platform" | "single" | "all" | "describe"} mode
 * @property {{ path: string } | { port: number, host?: string } | { dial: string }} listen where requests come from;
 *   `dial` is the platform's socket, which this process connects to
 * @property {string | undefined} token
 * @property {string} code folder of the package's code
 * @property {string[]} entries entry files, relative to `code`; empty means: discover them
 * @property {string | undefined} function the function to load at start
 * @property {string | undefined} packageName name for an index file's default export
 * @property {boolean} dev error bodies carry message and stack
 * @property {number} slowRequestMs how long a body may take to arrive; 0 means the gateway watches that
 */

export const USAGE = `usage: fnlocal-runner [files or a folder] [--port 8080] [--host 127.0.0.1] [--describe]

Serves every function of the given files at /NAME.
With no files: index.js, package.json's main or functions/* of this folder.
`;

/** A mistake in how the runner was started; its text is for the user. */
export class UsageError extends Error {
  /**
   * @param {string} message
   * @param {number} [exitCode]
   */
  constructor(message, exitCode = 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {string[]} argv
 * @param {string} [token] the platform's, of an instance
 * @returns {Config}
 */
export function readConfig(env, argv, token) {
  const platform = token !== undefined;
  const words = platform ? [] : argv;
  const args = words.every((word) => word === DESCRIBE) ? { ...NO_ARGUMENTS, describe: words.length > 0 } : readArguments(words);
  const named = args.files.length > 0;
  return {
    mode: args.describe ? "describe" : platform ? "platform" : env.FNLOCAL_FUNCTION ? "single" : "all",
    listen: readListen(env, args, named),
    token,
    code: resolve(named ? "." : env.FNLOCAL_CODE ?? (platform || env.FNLOCAL_FUNCTION ? "/app" : ".")),
    entries: named ? args.files : list(env.FNLOCAL_ENTRIES),
    function: env.FNLOCAL_FUNCTION || undefined,
    packageName: env.FNLOCAL_PACKAGE || undefined,
    dev: env.FNLOCAL_DEV === "1" || (named && !platform),
    slowRequestMs: platform ? 0 : Number(env.FNLOCAL_SLOW_REQUEST_MS ?? 30_000),
  };
}

/**
 * `true` if the platform runs this process as an instance, whose token comes on stdin. An argument and
 * not a variable: a wrapper that does not know it ends at once and says so.
 *
 * @param {string[]} argv
 */
export function isInstance(argv) {
  return argv.length === 1 && argv[0] === INSTANCE;
}

/**
 * User code must not see our own settings.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {Config} config
 */
export function hideInternals(env, { token }) {
  for (const key of Object.keys(env)) {
    if (key.startsWith("FNLOCAL_")) delete env[key];
  }
  if (token === undefined) return;
  delete env.PORT;
  process.argv.splice(2);
}

const INSTANCE = "--instance";

const DESCRIBE = "--describe";

/** Usual arguments are read without the parser, which takes longer to load than this. @type {Arguments} */
const NO_ARGUMENTS = { files: [], port: undefined, host: undefined, describe: false };

/**
 * @typedef {object} Arguments
 * @property {string[]} files
 * @property {string | undefined} port
 * @property {string | undefined} host
 * @property {boolean} describe
 */

/**
 * @param {string[]} argv
 * @returns {Arguments}
 */
function readArguments(argv) {
  let parsed;
  try {
    parsed = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        port: { type: "string", short: "p" },
        host: { type: "string" },
        describe: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(`${/** @type {Error} */ (error).message}\n\n${USAGE}`);
  }
  const { values, positionals } = parsed;
  if (values.help) throw new UsageError(USAGE);
  return { files: positionals, port: values.port, host: values.host, describe: values.describe ?? false };
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {Arguments} args
 * @param {boolean} named
 * @returns {Config["listen"]}
 */
function readListen(env, args, named) {
  if (env.FNLOCAL_DIAL) return { dial: env.FNLOCAL_DIAL };
  if (env.FNLOCAL_SOCKET) return { path: env.FNLOCAL_SOCKET };
  const port = Number(args.port ?? env.PORT ?? 8080);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new UsageError(`port ${args.port ?? env.PORT} is not a number from 0 to 65535`);
  }
  // A container must listen on every interface, a developer's shell must not.
  const container = env.PORT !== undefined && !named;
  return { port, host: args.host ?? env.FNLOCAL_HOST ?? (container ? undefined : "127.0.0.1") };
}

/** @param {string | undefined} text */
function list(text) {
  return text ? text.split(",").map((part) => part.trim()).filter(Boolean) : [];
}
