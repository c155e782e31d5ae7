/**
 * The media types that functions send most, answered without loading the table of all of them.
 * A test holds this list against the real module.
 *
 * @type {Record<string, string>}
 */
export const COMMON_TYPES = {
  "application/json": "application/json; charset=utf-8",
  "application/octet-stream": "application/octet-stream",
  "application/problem+json": "application/problem+json",
  "text/event-stream": "text/event-stream; charset=utf-8",
  "text/html": "text/html; charset=utf-8",
  "text/plain": "text/plain; charset=utf-8",
  bin: "application/octet-stream",
  html: "text/html; charset=utf-8",
  json: "application/json; charset=utf-8",
  text: "text/plain; charset=utf-8",
  txt: "text/plain; charset=utf-8",
};

/** @returns {string} code that puts the list before the real `contentType` */
export function shortcut() {
  return `const common = new Map(Object.entries(${JSON.stringify(COMMON_TYPES)}));
    module.exports.contentType = (type) =>
      common.get(type) ?? (/^[^;]+\\/[^;]+; *charset=/.test(type) ? type : real().contentType(type));`;
}
