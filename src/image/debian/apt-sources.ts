/** The package sources that apt is configured with [sources.list(5)], narrowed to Debian archives. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../base/assert.ts";
import { parseStanzas, type Stanza } from "./control.ts";

/** One archive: a suite under a root, with the components wanted. */
export interface Archive {
  /** Root URL, without a slash at the end. */
  uri: string;
  suite: string;
  components: string[];
  /** Key files, fingerprints or an armored key block; undefined means every key that apt trusts. */
  signedBy?: string;
  /** Take it even if its signature is missing or bad ([trusted=yes]). */
  trusted: boolean;
  /** Refuse a release file that is past its Valid-Until. */
  checkValidUntil: boolean;
  /** Say nothing when the archive is not there. */
  optional?: boolean;
}

const SUITES_OF_MIRROR = ["bookworm", "bookworm-updates"];
const SECURITY_SUITE = "bookworm-security";

/** Debian's names of its releases, and what may follow them; third parties use other suites. */
const DEBIAN_SUITE =
  /^(stable|oldstable|oldoldstable|testing|unstable|sid|buster|bullseye|bookworm|trixie|forky|duke)(-updates|-security|\/updates|-proposed-updates)?$/;

/**
 * The Debian archives of an apt configuration directory (normally /etc/apt).
 * Throws a UserError if there are none.
 */
export async function readAptSources(directory: string): Promise<Archive[]> {
  const archives: Archive[] = [];
  const files = [join(directory, "sources.list")];
  const parts = join(directory, "sources.list.d");
  const names = await readdir(parts).catch(() => []);
  files.push(...names.sort().map((name) => join(parts, name)));
  for (const path of files) {
    const parse = path.endsWith(".sources")
      ? parseDeb822Sources
      : path.endsWith(".list")
        ? parseOneLineSources
        : undefined;
    const text = parse && (await readFile(path, "utf8").catch(() => ""));
    if (parse && text) archives.push(...parse(text));
  }
  const debian = archives.filter(isDebian);
  if (debian.length > 0) return debian;
  throw new UserError(
    `no Debian archive is configured in ${directory}`,
    "Name one with --mirror, for instance --mirror http://deb.debian.org/debian.",
  );
}

function isDebian(archive: Archive): boolean {
  const scheme = archive.uri.slice(0, archive.uri.indexOf(":"));
  const usable = ["http", "https", "file", "copy"].includes(scheme);
  return usable && DEBIAN_SUITE.test(archive.suite) && archive.components.includes("main");
}

/**
 * The archives of a mirror: the root of a Debian archive, with or without options as in sources.list, for instance
 * "[trusted=yes] http://localhost:8000/debian". Security updates are looked for in the root and beside it.
 */
export function mirrorArchives(mirror: string): Archive[] {
  const [base] = parseOneLineSources(`deb ${mirror.trim()} bookworm main`);
  if (!base || !URL.canParse(base.uri)) {
    throw new UserError(
      `"${mirror}" is not a mirror`,
      "Give the URL of a Debian archive, such as http://deb.debian.org/debian.",
    );
  }
  const beside = new URL("../debian-security", `${base.uri}/`).href;
  return [
    ...SUITES_OF_MIRROR.map((suite, index) => ({ ...base, suite, optional: index > 0 })),
    ...[base.uri, beside].map((uri) => ({ ...base, uri, suite: SECURITY_SUITE, optional: true })),
  ];
}

/** "deb [option=value ...] URI suite component..." lines. */
export function parseOneLineSources(text: string): Archive[] {
  const archives: Archive[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (!match) continue;
    const [, optionText = "", uri = "", suite = "", components = ""] = match;
    const options = new Map(words(optionText).map((option) => splitAt(option.toLowerCase(), option, "=")));
    archives.push(archive(uri, suite, words(components), options));
  }
  return archives;
}

/** Stanzas with Types, URIs, Suites, Components. */
export function parseDeb822Sources(text: string): Archive[] {
  return parseStanzas(text).flatMap((stanza) => {
    if (!words(stanza.get("types")).includes("deb") || isNo(stanza.get("enabled"))) return [];
    const components = words(stanza.get("components"));
    return words(stanza.get("uris")).flatMap((uri) =>
      words(stanza.get("suites")).map((suite) => archive(uri, suite, components, stanza)),
    );
  });
}

function archive(uri: string, suite: string, components: string[], options: Stanza): Archive {
  const signedBy = options.get("signed-by");
  return {
    uri: uri.replace(/\/+$/, ""),
    suite: suite.replace(/\/+$/, ""),
    components,
    ...(signedBy && { signedBy }),
    trusted: isYes(options.get("trusted")),
    checkValidUntil: !isNo(options.get("check-valid-until")),
  };
}

function splitAt(lowered: string, text: string, separator: string): [key: string, value: string] {
  const at = lowered.indexOf(separator);
  return at < 0 ? [lowered, ""] : [lowered.slice(0, at), text.slice(at + 1)];
}

function words(text = ""): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function isYes(value = ""): boolean {
  return /^(yes|true|on|1|enable|with)$/i.test(value);
}

function isNo(value = ""): boolean {
  return /^(no|false|off|0|disable|without)$/i.test(value);
}
