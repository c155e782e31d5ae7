const AROUND = 2;

/**
 * A few lines of source with a caret under the column.
 *
 * @param {string} source
 * @param {number} line counted from 1
 * @param {number | null} column counted from 1
 * @returns {string}
 */
export function codeFrame(source, line, column) {
  const lines = source.split(/\r?\n/);
  const first = Math.max(1, line - AROUND);
  const last = Math.min(lines.length, line + AROUND);
  const width = String(last).length;
  const shown = [];
  for (let number = first; number <= last; number += 1) {
    const text = lines[number - 1];
    const mark = number === line ? ">" : " ";
    shown.push(`${mark} ${String(number).padStart(width)} | ${text}`.trimEnd());
    if (number === line && column !== null) {
      // Tabs are kept so that the caret stands below the character in any terminal.
      shown.push(`  ${" ".repeat(width)} | ${text.slice(0, column - 1).replace(/[^\t]/g, " ")}^`);
    }
  }
  return shown.join("\n");
}
