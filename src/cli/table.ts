/** Lines of columns, as wide as they must be, below their names. */
export function table(names: readonly string[], rows: readonly string[][]): string {
  const all = [[...names], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((cells) => cells[column]!.length)));
  return all
    .map(
      (cells) =>
        `${cells
          .map((cell, column) => cell.padEnd(widths[column]! + 2))
          .join("")
          .trimEnd()}\n`,
    )
    .join("");
}
