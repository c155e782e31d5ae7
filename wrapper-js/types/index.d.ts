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
import type { FunctionConfig } from "./config.js";

export type * from "./config.js";

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

/** The same with a callback, as Google's framework has it: told apart by the parameters' names. */
export type EventCallbackHandler = (event: CloudEvent, callback: (error?: unknown, result?: unknown) => void) => unknown;

/** Google's first generation, told by the second parameter's name. */
export type BackgroundHandler = (data: any, context: Record<string, any>, callback?: any) => unknown;

/** What AWS Lambda tells a handler besides the event. */
export interface LambdaContext {
  callbackWaitsForEmptyEventLoop: boolean;
  functionName: string;
  functionVersion: string;
  invokedFunctionArn: string;
  memoryLimitInMB: string;
  /** The request's id, as the log has it. */
  awsRequestId: string;
  logGroupName: string;
  logStreamName: string;
  identity?: unknown;
  clientContext?: unknown;
  getRemainingTimeInMillis(): number;
  done(error?: unknown, result?: unknown): void;
  fail(error: unknown): void;
  succeed(result: unknown): void;
}

/** A handler as AWS Lambda has it: the export `handler`, or with `signature: "lambda"`. */
export type LambdaHandler<Event = any, Result = any> = (
  event: Event,
  context: LambdaContext,
  callback: (error?: unknown, result?: Result) => void,
) => Promise<Result> | void;

/** What a web-standard handler gets besides the request. */
export interface FetchContext {
  /** Keeps the instance busy until the promise has settled, at most for the function's timeout. */
  waitUntil(promise: Promise<unknown>): void;
  passThroughOnException(): void;
  /** Parameters of the route's path. */
  params: Record<string, string>;
  requestId: string;
  ip: string;
}

/** A web-standard handler: exported as `GET` and the like, as a default export, or with `signature: "fetch"`. */
export type FetchHandler = (request: globalThis.Request, context: FetchContext) => globalThis.Response | Promise<globalThis.Response>;

/** The default export of a Worker. */
export interface FetchModule {
  fetch(request: globalThis.Request, env: Record<string, string | undefined>, ctx: FetchContext): globalThis.Response | Promise<globalThis.Response>;
  scheduled?(controller: { scheduledTime: number; cron: string; type: string }, env: Record<string, string | undefined>, ctx: FetchContext): unknown;
}

/** Takes over the connection, as a listener of Node's "upgrade" event does. */
export type UpgradeHandler = (req: IncomingMessage, socket: Duplex, head: Buffer) => unknown;

export type FunctionSpec = { config?: FunctionConfig } & (
  | { func: EventHandler; upgrade?: UpgradeHandler }
  | { func: Handler; upgrade?: UpgradeHandler }
  | { definition: Handler; upgrade?: UpgradeHandler }
  | { func?: undefined; upgrade: UpgradeHandler }
);

/** A function of events in any of their forms; a parameter's type has to be written then. */
export interface EventFunctionSpec {
  config?: FunctionConfig;
  func: EventHandler | EventCallbackHandler | BackgroundHandler;
}
