/** The drivers that a guest needs and Debian's kernels have as modules: chosen from a kernel package, in the order to load. */

import { basename } from "node:path";
import { directory, file, writeCpio } from "./cpio.ts";
import type { UnpackedFile } from "./debian/deb.ts";

/** A module's file in a kernel package. */
export const MODULE_FILE = /^(usr\/)?lib\/modules\/[^/]+\/kernel\/.*\.ko$/;
/** Where /init finds them; the names begin with their place in the order. */
export const MODULE_DIRECTORY = "lib/modules/tskvm";

/** What is loaded; a kernel that has one built in has no such module. crc32c is what ext4 looks for by name. */
const WANTED = ["virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "crc32c_generic", "ext4"];

/** An initramfs of the wanted modules and those that they depend on. */
export function modulesArchive(files: readonly UnpackedFile[]): Uint8Array {
  const byName = new Map(files.map((found) => [moduleName(found.path), found]));
  const ordered = new Map<string, UnpackedFile>();
  for (const name of WANTED) addWithDependencies(name, byName, ordered);
  const entries = [...ordered].map(([name, { data }], index) =>
    file(`${MODULE_DIRECTORY}/${String(index).padStart(2, "0")}-${name}.ko`, data),
  );
  const parents = MODULE_DIRECTORY.split("/").map((_, depth, parts) => directory(parts.slice(0, depth + 1).join("/")));
  return writeCpio([...parents, ...entries]);
}

/** Modules are named alike with "-" and "_". */
function moduleName(path: string): string {
  return basename(path, ".ko").replaceAll("-", "_");
}

function addWithDependencies(name: string, from: Map<string, UnpackedFile>, into: Map<string, UnpackedFile>): void {
  const found = from.get(name);
  if (!found || into.has(name)) return;
  for (const dependency of dependenciesOf(found.data)) addWithDependencies(dependency, from, into);
  into.set(name, found);
}

/** The line "depends=a,b" of the section .modinfo. [Linux scripts/mod/modpost.c, add_depends] */
function dependenciesOf(module: Uint8Array): string[] {
  const bytes = Buffer.from(module.buffer, module.byteOffset, module.length);
  const at = bytes.indexOf("\0depends=");
  if (at < 0) return [];
  const start = at + "\0depends=".length;
  const names = bytes.toString("latin1", start, bytes.indexOf(0, start));
  return names === "" ? [] : names.split(",").map((name) => name.replaceAll("-", "_"));
}
