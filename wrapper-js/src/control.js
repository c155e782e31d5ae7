const PREFIX = "/_fnlocal/";

/** @param {string} url */
export function isControl(url) {
  return url.startsWith(PREFIX);
}

/** The control calls that only the platform may make to this instance. */
export class Control {
  /**
   * @param {string} token
   * @param {import("./assignment.js").Assignment} assignment
   * @param {import("./events.js").Events} events
   * @param {import("./instance.js").Instance} instance
   */
  constructor(token, assignment, events, instance) {
    this.token = token;
    this.assignment = assignment;
    this.events = events;
    this.instance = instance;
    this.bootMs = 0;
    this.attached = false;
    /** @type {Promise<void>} */
    this.attaching = new Promise((resolve) => (this.#attachedNow = resolve));
  }

  /** @type {() => void} */
  #attachedNow = () => {};

  /**
   * Answers the platform. A caller without the token learns nothing, not even that there is something.
   *
   * @param {import("node:http").IncomingMessage} req
   * @param {import("node:http").ServerResponse} res
   */
  handle(req, res) {
    const given = req.headers["x-fnlocal-token"];
    if (typeof given !== "string" || !sameText(given, this.token)) return void answer(res, 404, {});
    const [path, query] = /** @type {string} */ (req.url).slice(PREFIX.length).split("?", 2);
    if (req.method === "GET" && path === "health") {
      return void answer(res, 200, { state: this.assignment.state, node: process.version, boot_ms: this.bootMs });
    }
    if (req.method === "POST" && path === "assign") return void this.#assign(req, res);
    if (req.method === "GET" && path === "events") return this.#attach(res);
    if (req.method === "GET" && path === "idle") {
      return this.instance.whenOver(new URLSearchParams(query).get("request"), () => answer(res, 200, {}));
    }
    answer(res, 404, {});
  }

  /**
   * The platform takes the reports before it has any user code loaded, and nobody takes them again:
   * user code that learned the token would make the platform blind.
   *
   * @param {import("node:http").ServerResponse} res
   */
  #attach(res) {
    if (this.attached) return answer(res, 409, {});
    this.attached = true;
    this.events.attach(res);
    this.#attachedNow();
  }

  /**
   * @param {import("node:http").IncomingMessage} req
   * @param {import("node:http").ServerResponse} res
   */
  async #assign(req, res) {
    try {
      let text = "";
      for await (const chunk of req.setEncoding("utf8")) text += chunk;
      await this.attaching;
      const { status, body } = await this.assignment.assign(JSON.parse(text));
      answer(res, status, body);
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      answer(res, 400, { error: { name, message } });
    }
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
