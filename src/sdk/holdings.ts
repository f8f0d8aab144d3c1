/** What a machine keeps of the host's while it runs: locks of its disks, sockets of its network. */

import { existsSync } from "node:fs";
import { type FileLock, lockFile } from "../backend/block/file-lock.ts";
import { UserError } from "../base/assert.ts";
import { GuestNetwork } from "./network.ts";
import type { RootedOptions } from "./root-machine.ts";

export class Holdings {
  readonly #locks: FileLock[] = [];
  network: GuestNetwork | undefined;

  /** Takes all that the options ask for, or nothing. Throws UserError. */
  static async take({ disks = [], network }: RootedOptions): Promise<Holdings> {
    const holdings = new Holdings();
    try {
      for (const { file, readOnly } of disks) holdings.#lock(file, readOnly ?? false);
      holdings.network = network && (await GuestNetwork.open(network));
      return holdings;
    } catch (error) {
      holdings.release();
      throw error;
    }
  }

  /** Gives everything back. */
  release(): void {
    for (const lock of this.#locks.splice(0)) lock.release();
    this.network?.close();
  }

  /** Keeps others from a disk, whatever becomes of the machine's thread. */
  #lock(file: string, readOnly: boolean): void {
    if (!existsSync(file)) throw new UserError(`${file} does not exist`, "Make it with `tskvm disk create`.");
    if (!readOnly) this.#locks.push(lockFile(file));
  }
}
