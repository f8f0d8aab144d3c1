import { UserError } from "../base/assert.ts";

/** The guest architectures there are images for, in Debian's spelling. */
export type Arch = "amd64" | "i386";

/** A name that users give; it stands for a kernel from the Debian archive and a small root that we build. */
export interface CatalogEntry {
  name: string;
  arch: Arch;
  /** The meta package whose dependency is the kernel itself. */
  metaPackage: string;
  description: string;
  /** Whether the kernel can mount a folder of the host's. */
  sharesFolders: boolean;
}

/** Every image, the default of its architecture first. */
export const CATALOG: readonly CatalogEntry[] = [
  {
    name: "debian-cloud",
    arch: "amd64",
    metaPackage: "linux-image-cloud-amd64",
    description: "Debian's kernel for virtual machines (few drivers), busybox root; the default",
    sharesFolders: false,
  },
  {
    name: "debian",
    arch: "amd64",
    metaPackage: "linux-image-amd64",
    description: "Debian's generic 64-bit kernel, busybox root",
    sharesFolders: true,
  },
  {
    name: "debian-686-pae",
    arch: "i386",
    metaPackage: "linux-image-686-pae",
    description: "Debian's 32-bit kernel with PAE, busybox root; the default of i386",
    sharesFolders: true,
  },
  {
    name: "debian-686",
    arch: "i386",
    metaPackage: "linux-image-686",
    description: "Debian's 32-bit kernel without PAE, busybox root",
    sharesFolders: true,
  },
];

/**
 * The entry of a name, or the default of the architecture (amd64 if none is given), if need be the first that shares
 * folders. Throws a UserError.
 */
export function findCatalogEntry(name?: string, arch?: Arch, sharesFolders = false): CatalogEntry {
  const isDefault = (item: CatalogEntry) => item.arch === (arch ?? "amd64") && (item.sharesFolders || !sharesFolders);
  const entry = CATALOG.find((item) => (name === undefined ? isDefault(item) : item.name === name));
  if (!entry) throw new UserError(`unknown image "${name ?? arch}"`, `The images are ${nameList(CATALOG)}.`);
  if (arch !== undefined && entry.arch !== arch) {
    const others = nameList(CATALOG.filter((item) => item.arch === arch));
    throw new UserError(`image "${entry.name}" is for ${entry.arch}, not ${arch}`, `The ${arch} images are ${others}.`);
  }
  if (sharesFolders && !entry.sharesFolders) {
    const others = nameList(CATALOG.filter((item) => item.arch === entry.arch && item.sharesFolders));
    throw new UserError(`the kernel of image "${entry.name}" cannot mount folders`, `Use the image ${others}.`);
  }
  return entry;
}

function nameList(entries: readonly CatalogEntry[]): string {
  return entries.map((entry) => entry.name).join(", ");
}
