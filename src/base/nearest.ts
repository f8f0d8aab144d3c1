/** The candidate that a mistyped word was most likely meant to be, if one is near enough. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const lowered = word.toLowerCase();
  const beginnings = candidates.filter((candidate) => lowered.length > 1 && candidate.startsWith(lowered));
  if (beginnings.length === 1) return beginnings[0];
  const limit = Math.max(1, Math.floor(lowered.length / 3));
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(lowered, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= limit ? best.candidate : undefined;
}

/** Insertions, deletions, replacements and swaps of neighbours that make `a` into `b`. [optimal string alignment] */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? beforeLast[j - 2]! + 1 : replaced;
      row.push(Math.min(replaced, swapped, last[j]! + 1, row[j - 1]! + 1));
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
