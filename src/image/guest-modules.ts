/** The drivers that Debian's kernels have as modules: kept from a kernel package, and chosen for a guest. */

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { directory, file, readCpio, writeCpio } from "./cpio.ts";
import type { UnpackedFile } from "./debian/deb.ts";

/** A module's file in a kernel package. */
export const MODULE_FILE = /^(usr\/)?lib\/modules\/[^/]+\/kernel\/.*\.ko$/;
/** Where /init finds them; the names begin with their place in the order to load. */
export const MODULE_DIRECTORY = "lib/modules/tskvm";

/**
 * What a guest can need, by what for. A kernel that has one built in has no such module. crc32c is what ext4 looks for by
 * name.
 */
const DRIVERS = {
  board: ["virtio_pci", "virtio_rng"],
  disks: ["virtio_blk", "crc32c_generic", "ext4"],
  network: ["virtio_net"],
  shares: ["9pnet_virtio", "9p"],
  agent: ["virtio_console"],
  others: ["overlay", "virtio_balloon", "vmw_vsock_virtio_transport"],
} as const;

/** What drivers are for. */
export type DriverUse = keyof typeof DRIVERS;

/** What is kept of a kernel's modules. */
const KEPT: readonly string[] = Object.values(DRIVERS).flat();

/** The name of the archive of those that are kept: a cache in which others were kept has another, and is filled anew. */
export const MODULES_NAME = `modules-${createHash("sha256").update(KEPT.join()).digest("hex").slice(0, 8)}.cpio`;

/** An initramfs of the modules that are kept, and those that they depend on. */
export function modulesArchive(files: readonly UnpackedFile[]): Uint8Array {
  return archive(inOrder(KEPT, byName(files)));
}

/** Of such an initramfs the drivers for some uses, the board's among them. */
export function selectModules(kept: Uint8Array, uses: readonly DriverUse[]): Uint8Array {
  const files = readCpio(kept).flatMap(({ path, data }) =>
    path.endsWith(".ko") ? [{ path: basename(path).replace(/^\d+-/, ""), data: data as Uint8Array }] : [],
  );
  return archive(
    inOrder(
      ["board" as const, ...uses].flatMap((use) => DRIVERS[use] as readonly string[]),
      byName(files),
    ),
  );
}

function archive(modules: ReadonlyMap<string, UnpackedFile>): Uint8Array {
  const entries = [...modules].map(([name, { data }], index) =>
    file(`${MODULE_DIRECTORY}/${String(index).padStart(2, "0")}-${name}.ko`, data),
  );
  const parents = MODULE_DIRECTORY.split("/").map((_, depth, parts) => directory(parts.slice(0, depth + 1).join("/")));
  return writeCpio([...parents, ...entries]);
}

function byName(files: readonly UnpackedFile[]): Map<string, UnpackedFile> {
  return new Map(files.map((found) => [moduleName(found.path), found]));
}

/** Modules are named alike with "-" and "_". */
function moduleName(path: string): string {
  return basename(path, ".ko").replaceAll("-", "_");
}

/** Modules, each behind those that it depends on. */
function inOrder(wanted: readonly string[], from: ReadonlyMap<string, UnpackedFile>): Map<string, UnpackedFile> {
  const ordered = new Map<string, UnpackedFile>();
  for (const name of wanted) addWithDependencies(name, from, ordered);
  return ordered;
}

function addWithDependencies(
  name: string,
  from: ReadonlyMap<string, UnpackedFile>,
  into: Map<string, UnpackedFile>,
): void {
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
