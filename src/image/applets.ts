/**
 * The applets of a busybox binary. It carries their names as consecutive NUL-terminated strings in ascending order,
 * beginning with "[" and "[["; reading them there needs nothing of the guest's to run.
 */

import { UserError } from "../base/assert.ts";

const FIRST_NAMES = Buffer.from("\0[\0[[\0", "latin1");
const APPLET_NAME = /^[a-z0-9_.-]+$|^\[\[?$/;

/** The names, ascending. Throws a UserError if the file has none. */
export function appletNames(busybox: Uint8Array): string[] {
  const bytes = Buffer.from(busybox.buffer, busybox.byteOffset, busybox.byteLength);
  const names: string[] = [];
  let start = bytes.indexOf(FIRST_NAMES) + 1;
  while (start > 0) {
    const end = bytes.indexOf(0, start);
    const name = bytes.toString("latin1", start, Math.max(end, start));
    if (!APPLET_NAME.test(name) || name <= (names.at(-1) ?? "")) break;
    names.push(name);
    start = end + 1;
  }
  if (names.includes("sh")) return names;
  throw new UserError("the busybox-static package holds no busybox that we know", "Name another mirror with --mirror.");
}
