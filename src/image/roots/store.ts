/** Roots in the cache: what is known of each, and its disk. */

import { createHash } from "node:crypto";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FileInUseError, lockFile } from "../../backend/block/file-lock.ts";
import { listDirectory, makeDirectory, writeAtomically } from "../cache.ts";
import type { Arch } from "../catalog.ts";
import type { ImageConfig } from "../oci/manifest.ts";
import type { Progress } from "../progress.ts";
import type { RootFacts } from "./root-disk.ts";

/** root.json in a root's directory. */
export interface RootRecord extends RootFacts {
  readonly format: typeof RECORD_FORMAT;
  /** As `tskvm images` shows it, and `run` takes it. */
  readonly name: string;
  readonly arch: Arch;
  /** Of what it was made of. */
  readonly digest: string;
  /** Name of the disk's file in the same directory. */
  readonly disk: string;
  /** "unpacked": its packages must still be configured, by a machine that runs on the disk. */
  readonly stage: "unpacked" | "ready";
  readonly config: ImageConfig;
}

const RECORD_FORMAT = 1;
const LOCK_POLL_MS = 500;

export function rootsDirectory(cache: string): string {
  return join(cache, "roots");
}

/** Where blobs of registries are kept. */
export function blobDirectory(cache: string): string {
  return join(cache, "blobs", "sha256");
}

/** The directory of a root: its name may hold anything. */
export function rootDirectory(cache: string, name: string, arch: Arch): string {
  const key = createHash("sha256").update(`${arch} ${name}`).digest("hex").slice(0, 16);
  return join(rootsDirectory(cache), key);
}

/** The record in a root's directory, if its disk is there. */
export async function readRecord(directory: string): Promise<RootRecord | undefined> {
  const text = await readFile(join(directory, "root.json"), "utf8").catch(() => "{}");
  const record = parseRecord(text);
  const disk = record && (await stat(join(directory, record.disk)).catch(() => undefined));
  return disk ? record : undefined;
}

function parseRecord(text: string): RootRecord | undefined {
  try {
    const record = JSON.parse(text) as RootRecord;
    return record.format === RECORD_FORMAT && !record.disk.includes("/") ? record : undefined;
  } catch {
    return undefined;
  }
}

export async function writeRecord(directory: string, record: Omit<RootRecord, "format">): Promise<RootRecord> {
  const whole: RootRecord = { ...record, format: RECORD_FORMAT };
  await writeAtomically(join(directory, "root.json"), `${JSON.stringify(whole, undefined, 2)}\n`);
  return whole;
}

/** Every root that is in the cache, with its directory. */
export async function listRecords(cache: string): Promise<{ record: RootRecord; directory: string }[]> {
  const names = await listDirectory(rootsDirectory(cache));
  const found = await Promise.all(
    names.map(async (name) => {
      const directory = join(rootsDirectory(cache), name);
      const record = await readRecord(directory);
      return record ? [{ record, directory }] : [];
    }),
  );
  return found.flat().sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
}

/** Files in the directories of roots that no record names. */
export async function unneededFiles(cache: string): Promise<string[]> {
  const directories = await listDirectory(rootsDirectory(cache));
  const paths = directories.map(async (name) => {
    const directory = join(rootsDirectory(cache), name);
    const record = await readRecord(directory);
    const needed = record ? ["root.json", record.disk] : [];
    const files = await listDirectory(directory);
    if (files.includes("making.lock")) return [];
    return files.filter((file) => !needed.includes(file)).map((file) => join(directory, file));
  });
  return (await Promise.all(paths)).flat();
}

/** Runs what makes a root while no other process does: who comes second waits. */
export async function withRootLock<T>(directory: string, progress: Progress, action: () => Promise<T>): Promise<T> {
  await makeDirectory(directory);
  const path = join(directory, "making");
  await writeFile(path, "");
  for (let round = 0; ; round++) {
    const lock = tryLock(path);
    if (lock === undefined) {
      if (round === 0) progress.note("another process is making this root: waiting for it");
      await sleep(LOCK_POLL_MS);
      continue;
    }
    try {
      return await action();
    } finally {
      await rm(path, { force: true });
      lock.release();
    }
  }
}

function tryLock(path: string) {
  try {
    return lockFile(path);
  } catch (error) {
    if (error instanceof FileInUseError) return undefined;
    throw error;
  }
}
