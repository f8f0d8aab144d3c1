/** What a run of a fuzzer is asked for. A seed and a count name the same instances in every split into shares. */
export interface Task {
  readonly seed: number;
  /** Instances in all shares together; ignored where `seconds` is given. */
  readonly count: number;
  readonly seconds?: number | undefined;
  /** Number of the first instance; 0 if not given. */
  readonly first?: number | undefined;
  /** This run makes the instances `first + share`, `first + share + shares`, ... */
  readonly share: number;
  readonly shares: number;
}

/** What a run of a fuzzer found. */
export interface Report {
  /** How often something happened, in the order in which it is shown. */
  readonly counts: Map<string, number>;
  /** Things covered, by their kind. */
  readonly covered: Map<string, Set<string>>;
  /** Instances that were not compared, by reason. */
  readonly skipped: Map<string, number>;
  /** A text for each instance that failed, with how to repeat it. */
  readonly failures: string[];
}

export function newReport(): Report {
  return { counts: new Map(), covered: new Map(), skipped: new Map(), failures: [] };
}

export function count(map: Map<string, number>, name: string, by = 1): void {
  map.set(name, (map.get(name) ?? 0) + by);
}

export function cover(report: Report, kind: string, name: string): void {
  const names = report.covered.get(kind);
  if (names) names.add(name);
  else report.covered.set(kind, new Set([name]));
}

/** Adds another share's findings. */
export function addReport(to: Report, from: Report): void {
  for (const [name, n] of from.counts) count(to.counts, name, n);
  for (const [name, n] of from.skipped) count(to.skipped, name, n);
  for (const [kind, names] of from.covered) for (const name of names) cover(to, kind, name);
  to.failures.push(...from.failures);
}

/** The report as text; of the failures the first `shown`. */
export function reportText(report: Report, shown: number): string {
  const { counts, covered, skipped, failures } = report;
  return [
    ...failures.slice(0, shown),
    ...Array.from(counts, ([name, n]) => `${name}: ${n}`),
    ...Array.from(covered, ([kind, names]) => `${kind} covered: ${names.size}`),
    ...[...skipped].sort(([, a], [, b]) => b - a).map(([reason, n]) => `skipped: ${n}, ${reason}`),
    `differing: ${failures.length}`,
  ].join("\n");
}

/** The numbers of a task's instances in this share, until its count or time is used up. */
export function* instances({ count: all, seconds, first = 0, share, shares }: Task): Generator<number> {
  const end = seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
  for (let n = share; seconds === undefined ? n < all : performance.now() < end; n += shares) yield first + n;
}

/** A seed of 32 bits for instance `n` of a run. */
export function seedOf(seed: number, n: number): number {
  return Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca77);
}
