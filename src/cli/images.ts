/** tskvm images: lists, pulls and removes images. */

import { UserError } from "../base/assert.ts";
import { nearest } from "../base/nearest.ts";
import { findCatalogEntry } from "../image/catalog.ts";
import {
  type ImageOptions,
  type ListedImage,
  listImages,
  pruneImages,
  pullImage,
  removeImage,
} from "../image/image.ts";
import { formatBytes, type Progress, progressOn } from "../image/progress.ts";
import { parseImageName } from "../image/roots/image-name.ts";
import { type ListedRoot, listRoots, pruneRoots, removeRoot } from "../image/roots/manage.ts";
import { resolveRoot } from "../image/roots/resolve.ts";
import type { ArgumentsOf, IMAGES } from "./commands.ts";
import type { Ending } from "./ending.ts";
import { table } from "./table.ts";
import { parseArch } from "./values.ts";

type Action = (names: readonly string[], options: ImageOptions & { progress: Progress }) => Promise<void>;

const ACTIONS: { readonly [name: string]: Action } = {
  async list(names) {
    requireNoNames("list", names);
    const roots = (await listRoots()).map(rootRow);
    const rows = [...(await listImages()).map(row), ...roots];
    process.stdout.write(table(["NAME", "ARCH", "IN THE CACHE", "WHAT"], rows));
  },
  async pull(names, options) {
    for (const name of checked(names.length > 0 ? names : [findCatalogEntry(undefined, options.arch).name], options)) {
      const pulled = await pullAny(name, options);
      options.progress.end();
      process.stdout.write(`${name}: ${pulled}\n`);
    }
  },
  async rm(names, options) {
    if (names.length === 0) throw new UserError("rm needs the name of an image", "`tskvm images` lists them.");
    for (const name of checked(names, options))
      process.stdout.write((await removeAny(name, options)) ? `${name}: removed\n` : `${name}: was not in the cache\n`);
  },
  async prune(names) {
    requireNoNames("prune", names);
    process.stdout.write(`${formatBytes((await pruneImages()) + (await pruneRoots()))} freed\n`);
  },
};

/** Runs `tskvm images ARGS`. Throws UserError. */
export async function images({ values, positionals }: ArgumentsOf<typeof IMAGES>): Promise<Ending> {
  const [name = "list", ...names] = positionals;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name]! : unknownAction(name);
  const progress = progressOn(process.stderr);
  try {
    await action(names, { arch: parseArch(values.arch), mirror: values.mirror, progress });
  } finally {
    progress.end();
  }
  return { status: 0 };
}

/** Gets an image of any kind anew; returns what it is. */
async function pullAny(text: string, options: ImageOptions): Promise<string> {
  const name = parseImageName(text);
  if (name.kind !== "kernel") return (await resolveRoot(name, { ...options, refresh: true })).record.digest;
  const { kernelPackage, kernelVersion } = await pullImage(text, options);
  return `${kernelPackage} ${kernelVersion}`;
}

function removeAny(text: string, options: ImageOptions): Promise<boolean> {
  const name = parseImageName(text);
  return name.kind === "kernel" ? removeImage(text) : removeRoot(name, options);
}

function unknownAction(name: string): never {
  const guess = nearest(name, Object.keys(ACTIONS));
  const list = `The actions are ${Object.keys(ACTIONS).join(", ")}.`;
  throw new UserError(`unknown action "images ${name}"`, guess === undefined ? list : `Did you mean ${guess}? ${list}`);
}

function requireNoNames(action: string, names: readonly string[]): void {
  if (names.length > 0) throw new UserError(`${action} takes no names`, `Write tskvm images ${action} alone.`);
}

/** The names, once all of them are known to be right. */
function checked(names: readonly string[], { arch }: ImageOptions): readonly string[] {
  for (const name of names) if (parseImageName(name).kind === "kernel") findCatalogEntry(name, arch);
  return names;
}

function row({ name, arch, description, cached }: ListedImage): string[] {
  const state = cached ? `${cached.kernelVersion}, ${formatBytes(cached.bytes)}` : "not downloaded";
  return [name, arch, state, description];
}

function rootRow({ name, arch, digest, bytes }: ListedRoot): string[] {
  return [name, arch, formatBytes(bytes), `a root, ${digest.slice(0, "sha256:".length + 12)}`];
}
