// Tables as GitHub's Markdown has them.

/**
 * @param {readonly string[]} header
 * @param {readonly (readonly string[])[]} rows each with a cell for every column
 * @returns {string} lines, the last one ended too
 */
export function markdownTable(header, rows) {
  const lines = [header, header.map(() => "---"), ...rows.map((row) => row.map(escaped))];
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** @param {string} cell */
const escaped = (cell) => cell.replace(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
