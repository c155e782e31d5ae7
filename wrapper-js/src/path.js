const SLASH = 47;
const QUESTION = 63;

/**
 * Splits `/NAME/rest?query` into the function's name and what its handler sees.
 *
 * @param {string} url
 * @returns {{ name: string, base: string, rest: string }}
 */
export function splitPath(url) {
  let end = 1;
  while (end < url.length && url.charCodeAt(end) !== SLASH && url.charCodeAt(end) !== QUESTION) end += 1;
  const rest = url.slice(end);
  return {
    name: decode(url.slice(1, end)),
    base: url.slice(0, end),
    rest: rest.charCodeAt(0) === SLASH ? rest : `/${rest}`,
  };
}

/** @param {string} segment */
function decode(segment) {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
