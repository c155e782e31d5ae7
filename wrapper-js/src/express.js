import { EventEmitter } from "node:events";
import { IncomingMessage, ServerResponse } from "node:http";

/**
 * Express' own request and response, without its router: one instance serves one handler, so there
 * is nothing to route. The classes exist before Express is loaded, so that the server can listen at
 * once; loading puts Express' prototypes beneath them, which costs a request nothing.
 *
 * Deliberately absent: app.use and other routing for function authors. A function may itself be an
 * Express app, from the author's own dependencies.
 */
export class FunctionRequest extends IncomingMessage {}

/** @extends {ServerResponse<FunctionRequest>} */
export class FunctionResponse extends ServerResponse {}

/** @type {Promise<void> | undefined} */
let loading;
let loaded = false;

/** @returns {boolean} */
export function expressLoaded() {
  return loaded;
}

/** @returns {Promise<void>} */
export function loadExpress() {
  loading ??= load();
  return loading;
}

async function load() {
  const { application, request, response } = await import("./express-core.js");
  const app = createApplication(application, request, response);
  Object.setPrototypeOf(FunctionRequest.prototype, app.request);
  Object.setPrototypeOf(FunctionResponse.prototype, app.response);
  loaded = true;
}

/**
 * The work of `express()`, without loading the body parsers and the static file server.
 *
 * @param {any} application
 * @param {any} request
 * @param {any} response
 */
function createApplication(application, request, response) {
  /** @type {any} */
  const app = (/** @type {any} */ req, /** @type {any} */ res, /** @type {any} */ next) => app.handle(req, res, next);
  for (const source of [EventEmitter.prototype, application]) {
    for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(source))) {
      if (!Object.hasOwn(app, key)) Object.defineProperty(app, key, descriptor);
    }
  }
  app.request = Object.create(request, { app: { configurable: true, enumerable: true, writable: true, value: app } });
  app.response = Object.create(response, { app: { configurable: true, enumerable: true, writable: true, value: app } });
  app.init();
  app.disable("x-powered-by");
  // Hashing every response costs its first one 5 ms and each one some of its speed, to save bytes
  // only for clients that ask again. req.app.set("etag", "weak") brings it back.
  app.disable("etag");
  // As functions-framework: whoever can reach an instance is the gateway before it.
  app.enable("trust proxy");
  return app;
}
