import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const BUNDLE = fileURLToPath(new URL("../dist/runner.cjs", import.meta.url));
export const TOKEN = "secret-of-the-test";
export const HAS_TYPESCRIPT = Boolean(/** @type {any} */ (process.features).typescript);

/**
 * @param {Record<string, string>} files
 * @returns {string} a fresh folder with these files
 */
export function folder(files) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "fnlocal-")));
  made.push(root);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

/** @type {string[]} */
const made = [];
process.on("exit", () => made.forEach((root) => rmSync(root, { recursive: true, force: true })));

/** The platform's end of an instance: the socket that the instance dials. */
class Host {
  /** @param {string} path */
  constructor(path) {
    /** @type {import("node:net").Socket[]} */
    this.dialed = [];
    /** @type {((socket: import("node:net").Socket | Error) => void)[]} */
    this.waiting = [];
    this.ended = false;
    this.server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {}).on("close", () => (this.dialed = this.dialed.filter((other) => other !== socket)));
      const taker = this.waiting.shift();
      if (taker === undefined) this.dialed.push(socket);
      else taker(socket);
    }).listen(path);
    this.listening = once(this.server, "listening");
  }

  /** @param {(error: Error | null, socket?: any) => void} callback */
  take(callback) {
    const use = (/** @type {import("node:net").Socket | Error} */ taken) => {
      if (taken instanceof Error) return callback(taken);
      callback(null, taken);
      taken.resume();
    };
    const socket = this.dialed.shift();
    if (socket !== undefined) use(socket);
    else if (this.ended) use(new Error("the instance ended"));
    else this.waiting.push(use);
  }

  close() {
    this.ended = true;
    this.server.close();
    for (const taker of this.waiting.splice(0)) taker(new Error("the instance ended"));
  }
}

/** A wrapper process under test. */
export class Runner {
  /**
   * @param {string} code
   * @param {{ env?: Record<string, string>, args?: string[], host?: Host }} [options]
   */
  constructor(code, { env = {}, args = [], host } = {}) {
    this.code = code;
    this.socketPath = join(code, "s.sock");
    this.host = host;
    /** @type {Awaited<ReturnType<Runner["openEvents"]>> | undefined} */
    this.channel = undefined;
    this.child = spawn(process.execPath, [BUNDLE, ...args, ...(host ? ["--instance"] : [])], {
      cwd: code,
      env: { PATH: process.env.PATH, [host ? "FNLOCAL_DIAL" : "FNLOCAL_SOCKET"]: this.socketPath, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    if (host) this.child.stdin.on("error", () => {}).write(`${TOKEN}\n`);
    this.out = "";
    this.err = "";
    this.child.stdout.setEncoding("utf8").on("data", (text) => (this.out += text));
    this.child.stderr.setEncoding("utf8").on("data", (text) => (this.err += text));
    this.exited = once(this.child, "close").then(([code]) => {
      host?.close();
      return code;
    });
  }

  /**
   * @param {string} path
   * @param {http.RequestOptions & { body?: string | Buffer, target?: http.RequestOptions }} [options]
   * @returns {Promise<{ status: number, headers: http.IncomingHttpHeaders, raw: Buffer, text: string, json: any }>}
   */
  call(path, options = {}) {
    return new Promise((resolve, reject) => this.open(path, options, resolve).on("error", reject).end(options.body)).then(
      async (res) => {
        const raw = Buffer.concat(await all(res));
        const text = raw.toString();
        return {
          status: res.statusCode,
          headers: res.headers,
          raw,
          text,
          get json() {
            return JSON.parse(text);
          },
        };
      },
    );
  }

  /**
   * @param {string} path
   * @param {http.RequestOptions & { target?: http.RequestOptions }} options
   * @param {(res: any) => void} [onResponse]
   */
  open(path, { target = { socketPath: this.socketPath }, ...options }, onResponse) {
    const { host } = this;
    if (host === undefined) return http.request({ ...target, agent: false, path, ...options }, onResponse);
    const createConnection = (/** @type {unknown} */ _, /** @type {any} */ callback) => void host.take(callback);
    return http.request({ createConnection: /** @type {any} */ (createConnection), path, ...options }, onResponse);
  }

  /**
   * @param {string} name
   * @param {object} [body]
   */
  control(name, body) {
    const headers = { "x-fnlocal-token": TOKEN };
    const method = body === undefined ? "GET" : "POST";
    return this.call(`/_fnlocal/${name}`, { method, headers, body: body && JSON.stringify(body) });
  }

  /** @param {object} request */
  async assign(request) {
    return this.control("assign", { code: this.code, entries: ["index.js"], function: null, env: {}, ...request });
  }

  /** The event stream, which the platform opens before it has any code loaded. */
  async events() {
    return (this.channel ??= await this.openEvents());
  }

  /** Opens the event stream; the result gathers what comes. */
  async openEvents() {
    /** @type {any[]} */
    const all = [];
    /** @type {any} */
    const res = await new Promise((resolve, reject) => {
      this.open("/_fnlocal/events", { headers: { "x-fnlocal-token": TOKEN } }, resolve).on("error", reject).end();
    });
    let rest = "";
    res.setEncoding("utf8").on("error", () => {});
    /** @type {Set<() => void>} */
    const watchers = new Set();
    res.on("data", (/** @type {string} */ text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      all.push(...lines.map((line) => JSON.parse(line)));
      for (const watcher of watchers) watcher();
    });
    /** @param {(event: any) => boolean} wanted */
    const find = (wanted) =>
      new Promise((resolve) => {
        const look = () => {
          const event = all.find(wanted);
          if (event !== undefined) resolve(event);
        };
        watchers.add(look);
        look();
      });
    return { all, find, res };
  }

  /** Waits until something answers. */
  async ready() {
    for (;;) {
      if (this.child.exitCode !== null) throw new Error(`the runner ended: ${this.err}`);
      try {
        await this.call("/_fnlocal/health");
        if (this.host) await this.events();
        return this;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }

  /** @param {NodeJS.Signals} [signal] */
  stop(signal = "SIGKILL") {
    this.child.kill(signal);
    return this.exited;
  }
}

/**
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string> | string} files
 * @param {{ env?: Record<string, string>, args?: string[], platform?: boolean }} [options]
 */
export async function start(t, files, { platform = false, ...options } = {}) {
  const code = typeof files === "string" ? files : folder(files);
  const host = platform ? new Host(join(code, "s.sock")) : undefined;
  await host?.listening;
  const runner = new Runner(code, { ...options, host });
  t.after(() => runner.stop());
  return runner.ready();
}

/**
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string> | string} files
 * @param {Record<string, string>} [env]
 */
export function startSpare(t, files, env = {}) {
  return start(t, files, { platform: true, env });
}

/**
 * A spare that was given one function of index.js.
 *
 * @param {import("node:test").TestContext} t
 * @param {string} source
 * @param {object} [request]
 * @param {Record<string, string>} [env]
 */
export async function startBound(t, source, request = {}, env = {}) {
  const runner = await startSpare(t, { "index.js": source }, env);
  const { status, text } = await runner.assign({ function: "f", ...request });
  if (status !== 200) throw new Error(text);
  return runner;
}

/**
 * @param {string} code
 * @param {string[]} args
 */
export async function describe(code, ...args) {
  const runner = new Runner(code, { args: ["--describe", ...args] });
  const exitCode = await runner.exited;
  return { exitCode, err: runner.err, out: runner.out, ...(runner.out ? JSON.parse(runner.out) : {}) };
}

/** @param {AsyncIterable<Buffer>} stream */
async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
