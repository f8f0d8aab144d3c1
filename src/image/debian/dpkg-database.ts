/** dpkg's database of packages that are unpacked and not configured yet [deb(5), dpkg(1), deb-triggers(5)]. */

import { parseStanzas } from "./control.ts";

/** What is known of a package once it is unpacked. */
export interface UnpackedPackage {
  /** The files that describe it: "control", "postinst", "conffiles" and so on. */
  readonly control: ReadonlyMap<string, Uint8Array>;
  /** Its files' paths, each beginning with a slash. */
  readonly paths: readonly string[];
  /** MD5 of its files, in hexadecimal, by path. */
  readonly md5: ReadonlyMap<string, string>;
}

/** Puts a file into the root. */
export type PutFile = (path: string, data: Uint8Array | string, mode?: number) => void;

const DATABASE = "var/lib/dpkg";
const SCRIPTS = ["preinst", "postinst", "prerm", "postrm", "config"];
/** Interests in triggers, and what stands behind a package's name for those that nobody waits for. */
const INTERESTS: Readonly<Record<string, string>> = {
  interest: "",
  "interest-await": "",
  "interest-noawait": "/noawait",
};

/** Writes the database. */
export function writeDatabase(packages: readonly UnpackedPackage[], arch: string, put: PutFile): void {
  const triggers = new Map<string, string[]>();
  const stanzas = packages.map((unpacked) => {
    const { name, stem } = names(unpacked);
    for (const [file, data] of unpacked.control)
      if (file !== "control") put(`${DATABASE}/info/${stem}.${file}`, data, SCRIPTS.includes(file) ? 0o755 : 0o644);
    put(`${DATABASE}/info/${stem}.list`, `${["/.", ...unpacked.paths].join("\n")}\n`);
    collectInterests(text(unpacked, "triggers"), stem.includes(":") ? stem : name, triggers);
    return statusOf(unpacked);
  });
  put(`${DATABASE}/status`, stanzas.join("\n"));
  put(`${DATABASE}/info/format`, "1\n");
  put(`${DATABASE}/arch`, `${arch}\n`);
  for (const file of ["available", "diversions", "statoverride"]) put(`${DATABASE}/${file}`, "");
  writeTriggers(triggers, put);
}

function text({ control }: UnpackedPackage, file: string): string {
  return new TextDecoder().decode(control.get(file) ?? new Uint8Array(0));
}

/** Packages that can be there for several architectures have files with the architecture in their names. */
function names(unpacked: UnpackedPackage): { name: string; stem: string } {
  const fields = parseStanzas(text(unpacked, "control"))[0] ?? new Map<string, string>();
  const name = fields.get("package") ?? "";
  return { name, stem: fields.get("multi-arch") === "same" ? `${name}:${fields.get("architecture")}` : name };
}

/** The package's own fields with its state. Configuration files count as installed as they are. */
function statusOf(unpacked: UnpackedPackage): string {
  const [first = "", ...rest] = text(unpacked, "control").trimEnd().split("\n");
  const conffiles = text(unpacked, "conffiles")
    .split("\n")
    .map((path) => path.trim())
    .filter((path) => unpacked.md5.has(path));
  const listed = conffiles.map((path) => ` ${path} ${unpacked.md5.get(path)}`);
  const field = listed.length > 0 ? ["Conffiles:", ...listed] : [];
  return `${[first, "Status: install ok unpacked", ...rest, ...field].join("\n")}\n`;
}

function collectInterests(directives: string, owner: string, into: Map<string, string[]>): void {
  for (const line of directives.split("\n")) {
    const [directive = "", name] = line.trim().split(/\s+/);
    const suffix = INTERESTS[directive];
    if (suffix !== undefined && name) into.set(name, [...(into.get(name) ?? []), `${owner}${suffix}`]);
  }
}

/** Triggers on paths are lines of one file, others have a file each. */
function writeTriggers(triggers: ReadonlyMap<string, readonly string[]>, put: PutFile): void {
  const onPaths = [...triggers].filter(([name]) => name.startsWith("/"));
  const lines = onPaths.flatMap(([path, owners]) => owners.map((owner) => `${path} ${owner}\n`));
  put(`${DATABASE}/triggers/File`, lines.join(""));
  put(`${DATABASE}/triggers/Unincorp`, "");
  for (const [name, owners] of triggers)
    if (!name.startsWith("/")) put(`${DATABASE}/triggers/${name}`, owners.map((owner) => `${owner}\n`).join(""));
}
