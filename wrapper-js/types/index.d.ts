/**
 * Types for authors of functions. They need `@types/express` beside them.
 *
 * ```ts
 * import type { FunctionSpec } from "fnlocal-runner";
 *
 * export const hello: FunctionSpec = {
 *   func: async (req, res) => void res.json({ hello: req.query.name }),
 *   config: { timeout: 10_000 },
 * };
 * ```
 */
import type { Request, Response } from "express";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** Express' request, plus the body as it came. */
export interface FunctionRequest extends Request {
  rawBody: Buffer;
}

export type FunctionResponse = Response;

export type Handler = (req: FunctionRequest, res: FunctionResponse) => unknown;

/** A CloudEvent 1.0: its attributes by their names, and the data, parsed if it is JSON. */
export interface CloudEvent<Data = any> {
  specversion: string;
  id: string;
  source: string;
  type: string;
  subject?: string;
  time?: string;
  datacontenttype?: string;
  data?: Data;
  [attribute: string]: unknown;
}

/** A handler with one argument gets events. What it returns is answered as JSON; nothing, as 204. */
export type EventHandler = (event: CloudEvent) => unknown;

/** Takes over the connection, as a listener of Node's "upgrade" event does. */
export type UpgradeHandler = (req: IncomingMessage, socket: Duplex, head: Buffer) => unknown;

export interface FunctionConfig {
  /** Milliseconds, or a text such as "15s", until the response's headers must be sent. Default 15 s. */
  timeout?: number | string;
  /** Memory of an instance, such as "512MB". */
  memory?: number | string;
  /** Requests one instance runs at a time. Default 1. */
  concurrency?: number;
  min_instances?: number;
  max_instances?: number;
  /** Requests per second over all instances. */
  rps?: number;
  /** Largest body taken, such as "6MB". */
  bodyLimit?: number | string;
  /** "stream" leaves the body to the handler, unread and unlimited. Default "parsed". */
  body?: "parsed" | "stream";
  /** What the handler takes; else its number of arguments tells. */
  signature?: "http" | "event";
  /** When to call the function by itself. */
  schedule?: string | { cron: string; timezone?: string; missed?: "skip" | "once" | "all"; overlap?: boolean };
  /**
   * Asynchronous invocations: whether clients of other machines may ask for them, and the size of
   * all that may wait, such as "256MB".
   */
  async?: { from_clients?: boolean; queue_size?: number | string; [key: string]: unknown };
  [key: string]: unknown;
}

export type FunctionSpec = { config?: FunctionConfig } & (
  | { func: EventHandler; upgrade?: UpgradeHandler }
  | { func: Handler; upgrade?: UpgradeHandler }
  | { definition: Handler; upgrade?: UpgradeHandler }
  | { func?: undefined; upgrade: UpgradeHandler }
);
