/**
 * Characters that a terminal obeys, that turn text around, and that cannot be seen. Joiners stay: scripts and
 * emoji need them.
 */
const DECEIVES = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Text of other people, safe to print on a terminal: such characters become visible escapes.
 *
 * @param {string} text
 * @returns {string}
 */
export function printable(text) {
  return text.replaceAll("\r\n", "\n").replace(DECEIVES, (c) => {
    const point = /** @type {number} */ (c.codePointAt(0));
    return point < 0x80 ? `\\x${point.toString(16).padStart(2, "0")}` : `\\u{${point.toString(16)}}`;
  });
}
