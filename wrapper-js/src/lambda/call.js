import { countActive, whenQuiet } from "../loop.js";
import { SignatureError } from "../signature.js";

const NO_PROMISE = "AWS Lambda ignores what a handler returns unless it is a promise: make it async, or answer by the callback";

/**
 * Calls a handler in all of Lambda's ways: a promise, the callback, or the context's own `done`. One that
 * answers by a callback is waited for until nothing keeps the event loop alive, unless it says otherwise.
 *
 * @param {Function} handler
 * @param {any} event
 * @param {any} context
 * @returns {Promise<unknown>}
 */
export function callHandler(handler, event, context) {
  return new Promise((resolve, reject) => {
    const before = countActive();
    let over = false;
    const done = (/** @type {unknown} */ error, /** @type {unknown} */ result) => {
      if (over) return;
      over = true;
      const finish = () => (error === undefined || error === null ? resolve(result ?? null) : reject(error));
      if (context.callbackWaitsForEmptyEventLoop) whenQuiet(before, () => true).then(finish);
      else setImmediate(finish);
    };
    context.done = done;
    context.succeed = (/** @type {unknown} */ result) => done(null, result);
    context.fail = (/** @type {unknown} */ error) => done(error ?? new Error("the handler called context.fail()"), null);
    const result = handler(event, context, done);
    if (typeof result?.then === "function") return result.then(resolve, reject);
    if (over) return;
    if (result !== undefined) return reject(new SignatureError("the handler returned a value that is no promise", NO_PROMISE));
    // Nothing is left that could call back: Lambda's answer is null then.
    whenQuiet(before, () => !over).then((quiet) => quiet && !over && resolve(null));
  });
}
