const PREFIX = "/_fnlocal/";

/**
 * @typedef {object} Control
 * @property {string} token
 * @property {number} bootMs
 * @property {import("./assignment.js").Assignment} assignment
 * @property {import("./events.js").Events} events
 * @property {import("./instance.js").Instance} instance
 */

/** @param {string} url */
export function isControl(url) {
  return url.startsWith(PREFIX);
}

/**
 * Answers the platform. Whoever lacks the token learns nothing, not even that there is something.
 *
 * @param {Control} control
 * @param {import("node:http").IncomingMessage} req
 * @param {import("node:http").ServerResponse} res
 */
export function handleControl(control, req, res) {
  const given = req.headers["x-fnlocal-token"];
  if (typeof given !== "string" || !sameText(given, control.token)) return void answer(res, 404, {});
  const { events, assignment, instance } = control;
  const [path, query] = /** @type {string} */ (req.url).slice(PREFIX.length).split("?", 2);
  if (req.method === "GET" && path === "health") {
    return void answer(res, 200, { state: assignment.state, node: process.version, boot_ms: control.bootMs });
  }
  if (req.method === "POST" && path === "assign") return void assign(assignment, req, res);
  if (req.method === "GET" && path === "events") return events.attach(res);
  if (req.method === "GET" && path === "idle") {
    return instance.whenOver(new URLSearchParams(query).get("request"), () => answer(res, 200, {}));
  }
  answer(res, 404, {});
}

/**
 * @param {import("./assignment.js").Assignment} assignment
 * @param {import("node:http").IncomingMessage} req
 * @param {import("node:http").ServerResponse} res
 */
async function assign(assignment, req, res) {
  try {
    let text = "";
    for await (const chunk of req.setEncoding("utf8")) text += chunk;
    const { status, body } = await assignment.assign(JSON.parse(text));
    answer(res, status, body);
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error);
    answer(res, 400, { error: { name, message } });
  }
}

/**
 * Takes as long for a wrong token as for the right one. Not node:crypto's, whose loading would
 * cost more than the whole answer.
 *
 * @param {string} given
 * @param {string} wanted
 */
function sameText(given, wanted) {
  let difference = given.length ^ wanted.length;
  for (let index = 0; index < wanted.length; index += 1) {
    difference |= given.charCodeAt(index % (given.length || 1)) ^ wanted.charCodeAt(index);
  }
  return difference === 0;
}

/**
 * @param {import("node:http").ServerResponse} res
 * @param {number} status
 * @param {object} body
 */
function answer(res, status, body) {
  const text = JSON.stringify(body);
  res.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  res.end(text);
}
