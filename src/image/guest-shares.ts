/** How /init of our root learns of the folders that it is to mount. */

import { UserError } from "../base/assert.ts";
import { directory, file, writeCpio } from "./cpio.ts";
import { EXEC_DIRECTORY } from "./exec-protocol.ts";

/** Lines of a tag, mount options and a path: the rest of the line. */
export const SHARES_FILE = `${EXEC_DIRECTORY}/shares`;

/** A folder of the host's and its place in the guest. */
export interface GuestShare {
  readonly guestPath: string;
  readonly readOnly?: boolean | undefined;
}

/** What the guest mounts a folder by. */
export function shareTag(index: number): string {
  return `share${index}`;
}

/** An initramfs, to be put after the root's, that has /init mount folders. Throws UserError. */
export function sharesInitrd(shares: readonly GuestShare[]): Uint8Array {
  const lines = shares.map((share, index) => `${shareTag(index)} ${share.readOnly ? "ro" : "rw"} ${placeOf(share)}\n`);
  return writeCpio([directory("run"), directory(EXEC_DIRECTORY), file(SHARES_FILE, lines.join(""))]);
}

function placeOf({ guestPath }: GuestShare): string {
  if (/^\/[^\n\\]*[^\n\\/ ]$/.test(guestPath)) return guestPath;
  throw new UserError(`a folder cannot be put at "${guestPath}"`, "Give an absolute path in the guest, like /work.");
}
