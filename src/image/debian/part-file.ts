/**
 * Unfinished downloads. Each belongs to one process, whose name its own carries, so that two never write to one file;
 * renaming is how a process gives one up or takes one over. Nothing rests on this alone: what is finished is hashed.
 */

import { readdir, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { isRunning } from "../../backend/process.ts";

/** A part that nothing was written to for this long is taken to be abandoned, wherever its owner ran. */
const ABANDONED_MS = 600_000;

let claims = 0;

/** The path for this process's part of a download, with what an earlier process left, if anything. */
export async function claimPart(path: string): Promise<string> {
  const own = `${path}.${hostname()}.${process.pid}.${claims++}.part`;
  const names = await readdir(dirname(path));
  for (const name of names.filter((item) => item.startsWith(`${basename(path)}.`) && item.endsWith(".part"))) {
    const candidate = join(dirname(path), name);
    if (!(await isFree(candidate))) continue;
    const taken = await rename(candidate, own).then(
      () => true,
      () => false,
    );
    if (taken) return own;
  }
  return own;
}

/** Leaves a part for whoever comes next. */
export async function releasePart(part: string, path: string): Promise<void> {
  await rename(part, releasedPath(path)).catch(() => rm(part, { force: true }));
}

/** Where a part lies that belongs to nobody. */
export function releasedPath(path: string): string {
  return `${path}.part`;
}

async function isFree(part: string): Promise<boolean> {
  const owner = /^[^.]+\.(.+)\.(\d+)\.\d+\.part$/.exec(basename(part));
  if (!owner) return true;
  if (owner[1] === hostname() && !isRunning(Number(owner[2]))) return true;
  const found = await stat(part).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS;
}
