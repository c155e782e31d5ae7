import { SignatureError } from "../signature.js";
import { webContext } from "./context.js";
import { webRequest } from "./request.js";
import { sendResponse } from "./response.js";

/** The text of a Worker in the older form, which listens for events instead of exporting. */
const OLDER = /\baddEventListener\(\s*["'`]fetch["'`]/;

/** @type {((event: any) => unknown)[]} */
let listeners = [];

/**
 * Gives a module that listens for `fetch` events something to listen to. Other code must not take Node for
 * a browser by it.
 *
 * @param {string} source the module's
 */
export function provideListener(source) {
  listeners = [];
  if (!OLDER.test(source) || "addEventListener" in globalThis) return;
  const value = (/** @type {string} */ type, /** @type {any} */ listener) => void (type === "fetch" && listeners.push(listener));
  Object.defineProperty(globalThis, "addEventListener", { value, configurable: true, writable: true });
}

/** @returns {import("../app/kind.js").App | undefined} what listens for `fetch` events, if anything does */
export function takeListener() {
  const [listener] = listeners;
  if (listener === undefined) return undefined;
  return { handler: eventHandler(listener), upgrade: undefined, reading: "stream" };
}

/**
 * @param {(event: any) => unknown} listener
 * @returns {import("../functions.js").Handler}
 */
function eventHandler(listener) {
  return async (req, res) => {
    /** @type {unknown} */
    let answer;
    const { waitUntil, passThroughOnException } = webContext(req);
    const respondWith = (/** @type {unknown} */ response) => void (answer = response);
    await listener({ type: "fetch", request: webRequest(req, res, req.originalUrl), respondWith, waitUntil, passThroughOnException });
    if (answer === undefined) throw new SignatureError("the listener did not call event.respondWith()", "call it before the listener returns");
    await sendResponse(res, await answer);
  };
}
