/**
 * Debian's control-file syntax [deb822(5)]: stanzas of "Field: value", continued on indented lines,
 * separated by empty lines.
 */

/** Field names in lower case (they are case-insensitive); continuation lines are kept, joined by newlines. */
export type Stanza = Map<string, string>;

/** All stanzas of a text; comment lines are dropped. */
export function parseStanzas(text: string): Stanza[] {
  const stanzas: Stanza[] = [];
  let stanza: Stanza = new Map();
  let field = "";
  for (const line of `${text}\n\n`.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    if (line.trim() === "") {
      if (stanza.size > 0) stanzas.push(stanza);
      stanza = new Map();
    } else if (/^\s/.test(line)) {
      stanza.set(field, `${stanza.get(field) ?? ""}\n${line.trim()}`);
    } else {
      const colon = line.indexOf(":");
      field = line.slice(0, Math.max(colon, 0)).toLowerCase();
      stanza.set(field, line.slice(colon + 1).trim());
    }
  }
  return stanzas;
}

/** The stanzas of one package in a Packages index (50 MB: it is searched, not parsed). */
export function findPackage(index: Buffer, name: string): Stanza[] {
  const needle = Buffer.from(`\nPackage: ${name}\n`);
  const found: Stanza[] = [];
  let at = index.subarray(0, needle.length - 1).equals(needle.subarray(1)) ? 0 : index.indexOf(needle);
  while (at >= 0) {
    const start = at === 0 ? 0 : index.lastIndexOf("\n\n", at) + 1;
    const end = index.indexOf("\n\n", at + 1);
    found.push(...parseStanzas(index.toString("utf8", start, end < 0 ? index.length : end)));
    at = index.indexOf(needle, at + 1);
  }
  return found;
}

/** The names of the packages in an index whose stanza, as it stands there, fits a pattern. */
export function selectPackages(index: Buffer, pattern: RegExp): string[] {
  const stanzas = index.toString("latin1").split("\n\n");
  const fitting = stanzas.filter((stanza) => pattern.test(stanza));
  return fitting.flatMap((stanza) => /^Package: (\S+)/m.exec(stanza)?.[1] ?? []);
}
