/** tskvm images: lists, pulls and removes images. */

import { UserError } from "../base/assert.ts";
import { nearest } from "../base/nearest.ts";
import { CATALOG, findCatalogEntry } from "../image/catalog.ts";
import {
  type ImageOptions,
  type ListedImage,
  listImages,
  pruneImages,
  pullImage,
  removeImage,
} from "../image/image.ts";
import { formatBytes, type Progress, progressOn } from "../image/progress.ts";
import type { ArgumentsOf, IMAGES } from "./commands.ts";
import type { Ending } from "./ending.ts";
import { parseArch } from "./values.ts";

type Action = (names: readonly string[], options: ImageOptions & { progress: Progress }) => Promise<void>;

const ACTIONS: { readonly [name: string]: Action } = {
  async list(names) {
    requireNoNames("list", names);
    process.stdout.write(table((await listImages()).map(row)));
  },
  async pull(names, options) {
    for (const name of checked(names.length > 0 ? names : [findCatalogEntry(undefined, options.arch).name], options)) {
      const { kernelPackage, kernelVersion } = await pullImage(name, options);
      options.progress.end();
      process.stdout.write(`${name}: ${kernelPackage} ${kernelVersion}\n`);
    }
  },
  async rm(names, options) {
    if (names.length === 0) throw new UserError("rm needs the name of an image", "`tskvm images` lists them.");
    for (const name of checked(names, options))
      process.stdout.write((await removeImage(name)) ? `${name}: removed\n` : `${name}: was not in the cache\n`);
  },
  async prune(names) {
    requireNoNames("prune", names);
    process.stdout.write(`${formatBytes(await pruneImages())} freed\n`);
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
  for (const name of names) {
    const guess = nearest(
      name,
      CATALOG.map((entry) => entry.name),
    );
    if (guess !== undefined && guess !== name)
      throw new UserError(`unknown image "${name}"`, `Did you mean ${guess}? \`tskvm images\` lists them.`);
    findCatalogEntry(name, arch);
  }
  return names;
}

function row({ name, arch, description, cached }: ListedImage): string[] {
  const state = cached ? `${cached.kernelVersion}, ${formatBytes(cached.bytes)}` : "not downloaded";
  return [name, arch, state, description];
}

function table(rows: readonly string[][]): string {
  const all = [["NAME", "ARCH", "IN THE CACHE", "WHAT"], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((cells) => cells[column]!.length)));
  return all
    .map(
      (cells) =>
        `${cells
          .map((cell, column) => cell.padEnd(widths[column]! + 2))
          .join("")
          .trimEnd()}\n`,
    )
    .join("");
}
