/** Ordering of Debian package versions "[epoch:]upstream[-revision]" [deb-version(7)]. */

/** Negative if a is older than b, 0 if they are equal, positive if newer. */
export function compareVersions(a: string, b: string): number {
  const [epochA, upstreamA, revisionA] = split(a);
  const [epochB, upstreamB, revisionB] = split(b);
  return epochA - epochB || compareParts(upstreamA, upstreamB) || compareParts(revisionA, revisionB);
}

function split(version: string): [epoch: number, upstream: string, revision: string] {
  const colon = version.indexOf(":");
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  const epoch = colon < 0 ? 0 : Number.parseInt(version.slice(0, colon), 10) || 0;
  return dash < 0 ? [epoch, rest, ""] : [epoch, rest.slice(0, dash), rest.slice(dash + 1)];
}

/** Alternately compares a run of non-digits character by character and a run of digits as a number. */
function compareParts(a: string, b: string): number {
  const partsA = a.match(/\d+|\D+/g) ?? [];
  const partsB = b.match(/\d+|\D+/g) ?? [];
  alignOnText(partsA);
  alignOnText(partsB);
  for (let i = 0; i < Math.max(partsA.length, partsB.length); i++) {
    const order = i % 2 === 0 ? compareText(partsA[i] ?? "", partsB[i] ?? "") : compareNumber(partsA[i], partsB[i]);
    if (order !== 0) return order;
  }
  return 0;
}

/** Puts an empty text run before a leading number, so that even positions are text. */
function alignOnText(parts: string[]): void {
  if (/^\d/.test(parts[0] ?? "")) parts.unshift("");
}

function compareNumber(a = "0", b = "0"): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10);
}

function compareText(a: string, b: string): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const order = weight(a[i]) - weight(b[i]);
    if (order !== 0) return order;
  }
  return 0;
}

/** A tilde sorts before the end of the text, letters before everything else. */
function weight(character: string | undefined): number {
  if (character === "~") return -1;
  if (character === undefined) return 0;
  return character.charCodeAt(0) + (/[A-Za-z]/.test(character) ? 0 : 256);
}
