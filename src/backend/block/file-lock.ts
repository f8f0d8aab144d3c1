import { linkSync, readFileSync, realpathSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { UserError } from "../../base/assert.ts";

export interface FileLock {
  release(): void;
}

/** Another process, or another part of this one, writes to the file. */
export class FileInUseError extends UserError {}

/** Who holds a lock, as its file says. */
interface Owner {
  readonly pid: number;
  /** When the process started, in the kernel's ticks, so that a number used again is told apart; "" where unknown. */
  readonly started: string;
  readonly host: string;
}

/** Paths that this process holds. */
const held = new Set<string>();

/**
 * Takes the lock for writing to a file: `FILE.lock` beside it, with the owner's process in it. A lock whose process has
 * gone is taken over. Throws FileInUseError naming the owner.
 */
export function lockFile(path: string): FileLock {
  const real = realpathSync(path);
  const lock = `${real}.lock`;
  if (held.has(lock)) throw inUse(path, lock, self());
  while (!tryLock(lock)) {
    const owner = readOwner(lock);
    if (owner === undefined) continue;
    if (isAlive(owner)) throw inUse(path, lock, owner);
    removeStale(lock, owner);
  }
  held.add(lock);
  return {
    release() {
      held.delete(lock);
      remove(lock);
    },
  };
}

/** The file appears with its content in one step, so that nobody reads half an owner. */
function tryLock(lock: string): boolean {
  const temporary = `${lock}.${process.pid}`;
  try {
    writeFileSync(temporary, JSON.stringify(self()));
    linkSync(temporary, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new UserError(`cannot lock ${lock}: ${(error as Error).message}`, "The image's folder must be writable.");
  } finally {
    remove(temporary);
  }
}

/** Another process may have taken the lock over meanwhile: what is moved away is looked at again, and put back if alive. */
function removeStale(lock: string, stale: Owner): void {
  const aside = `${lock}.stale.${process.pid}`;
  try {
    renameSync(lock, aside);
    const owner = readOwner(aside);
    if (owner !== undefined && (owner.pid !== stale.pid || owner.started !== stale.started)) linkSync(aside, lock);
  } catch {
    // another process was faster
  }
  remove(aside);
}

function self(): Owner {
  return { pid: process.pid, started: startOf(process.pid), host: hostname() };
}

/** The start time of a process. [Linux proc(5), /proc/pid/stat field 22] */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/** The owner that a lock file names; undefined if it is gone. */
function readOwner(lock: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(lock, "utf8")) as Owner;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new UserError(`${lock} is no lock of ours`, "Remove it if nobody uses the image.");
  }
}

/** On another host nothing can be found out, so its owner counts as alive. */
function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return startOf(owner.pid) === owner.started;
}

function remove(lock: string): void {
  try {
    unlinkSync(lock);
  } catch {
    // another process took it away first
  }
}

function inUse(path: string, lock: string, { pid, host }: Owner): FileInUseError {
  const where = host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
  return new FileInUseError(
    `${path} is in use: ${where} writes to it`,
    `Stop that machine, use an overlay of the image, or remove ${lock} if you are sure.`,
  );
}
