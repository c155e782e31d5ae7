/** The most a line or a text of an error may have, in bytes of UTF-8, without the marker. */
export const MAX_LINE_BYTES = 64 * 1024;

// User code may replace the global ones.
const encoder = new TextEncoder();
const byteLength = Buffer.byteLength;

/**
 * Cuts a text to a number of bytes, between characters, and says how much was cut.
 *
 * @param {string} text
 * @param {number} maxBytes
 * @returns {string}
 */
export function cut(text, maxBytes) {
  // A character has at most three bytes for each unit of a string's length.
  if (text.length * 3 <= maxBytes) return text;
  const bytes = byteLength(text);
  if (bytes <= maxBytes) return text;
  const { read, written } = encoder.encodeInto(text, new Uint8Array(maxBytes));
  return `${text.slice(0, read)}… [${bytes - written} bytes cut]`;
}
