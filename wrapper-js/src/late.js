/** Methods that write to a response, by what each returns. */
const WRITERS = {
  this: ["setHeader", "setHeaders", "appendHeader", "writeHead", "end"],
  true: ["write"],
  nothing: ["removeHeader", "flushHeaders", "addTrailers", "writeContinue", "writeProcessing", "writeEarlyHints"],
};

/**
 * Makes a response that was answered in the handler's place deaf: a handler that answers afterwards, in
 * whatever callback, would otherwise throw there and end the instance, with the requests of others.
 *
 * @param {any} res
 * @param {() => void} onLate called once, at the first attempt
 */
export function deafen(res, onLate) {
  let told = false;
  const ignore = (/** @type {unknown} */ result) => (/** @type {any[]} */ ...args) => {
    if (!told) onLate();
    told = true;
    const callback = args.at(-1);
    // Code that waits for its bytes to be taken goes on.
    if (typeof callback === "function") process.nextTick(callback);
    return result;
  };
  for (const name of WRITERS.this) res[name] = ignore(res);
  for (const name of WRITERS.true) res[name] = ignore(true);
  for (const name of WRITERS.nothing) res[name] = ignore(undefined);
}
