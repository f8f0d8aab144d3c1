import { UserError } from "../base/assert.ts";
import type { ShareOptions } from "../sdk/index.ts";

/** Reads the value of --volume as docker does: HOST:GUEST[:ro]. Throws UserError. */
export function parseVolume(text: string): ShareOptions {
  const [, hostPath, guestPath, mode = "rw"] = /^(.+?):(\/[^:]*)(?::(ro|rw))?$/.exec(text) ?? [];
  if (hostPath !== undefined && guestPath !== undefined) return { hostPath, guestPath, readOnly: mode === "ro" };
  throw new UserError(
    `--volume ${text} does not name two folders`,
    "Write it like .:/work or /data:/data:ro; the second is a path in the guest.",
  );
}
