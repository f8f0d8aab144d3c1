/** tskvm logs and cp. */

import { createReadStream, createWriteStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserError } from "../base/assert.ts";
import { entryOf, execIn } from "../manage/client.ts";
import { logOf } from "../manage/registry.ts";
import { quoted } from "../sdk/index.ts";
import type { ArgumentsOf } from "./commands.ts";
import type { Ending } from "./ending.ts";
import type { CP, LOGS } from "./machine-commands.ts";
import { requireNames } from "./machine-list.ts";

const LOOK_MS = 200;
const PIECE = 65_536;

/** Runs `tskvm logs ARGS`. Throws UserError. */
export async function logs({ values, positionals }: ArgumentsOf<typeof LOGS>): Promise<Ending> {
  const [name = ""] = requireNames("logs", positionals);
  const { state } = await entryOf(name);
  const file = await open(logOf(name)).catch(() => undefined);
  if (file === undefined) return { status: 0 };
  const bytes = Buffer.alloc(PIECE);
  for (let last = !values.follow || state !== "running"; ; ) {
    const { bytesRead } = await file.read(bytes, 0, PIECE, null);
    if (bytesRead > 0) {
      await written(bytes.subarray(0, bytesRead));
      continue;
    }
    if (last) break;
    last = (await entryOf(name)).state !== "running";
    if (!last) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  await file.close();
  return { status: 0 };
}

function written(bytes: Buffer): Promise<void> {
  return new Promise((resolve) => void process.stdout.write(Buffer.from(bytes), () => resolve()));
}

/** Runs `tskvm cp ARGS`. Throws UserError. */
export async function cp({ positionals }: ArgumentsOf<typeof CP>): Promise<Ending> {
  const [from, to] = positionals;
  if (from === undefined || to === undefined || positionals.length > 2)
    throw new UserError("cp needs a source and a target", "Write tskvm cp FILE NAME:PATH, or the other way round.");
  const [source, target] = [guestPath(from), guestPath(to)];
  if (source && !target) return { status: await copyOut(source, to) };
  if (target && !source) return { status: await copyIn(from, target) };
  throw new UserError("cp copies into a machine or out of one", "Give one of the two as NAME:PATH.");
}

interface GuestPath {
  readonly name: string;
  readonly path: string;
}

/** NAME:PATH; what has a slash before the colon is a file of the host's. */
function guestPath(text: string): GuestPath | undefined {
  const [, name, path] = /^([^/:]+):(.+)$/s.exec(text) ?? [];
  return name === undefined || path === undefined ? undefined : { name, path };
}

async function copyOut({ name, path }: GuestPath, to: string): Promise<number> {
  const isDirectory = (await stat(to).catch(() => undefined))?.isDirectory();
  const output = to === "-" ? process.stdout : createWriteStream(isDirectory ? join(to, basename(path)) : to);
  output.on("error", () => {});
  const status = await execIn(name, {
    command: `cat ${quoted(path)}`,
    options: {},
    output,
    errors: process.stderr,
  });
  if (output !== process.stdout) await new Promise<void>((resolve) => void output.end(() => resolve()));
  return status;
}

async function copyIn(from: string, { name, path }: GuestPath): Promise<number> {
  const found = from === "-" ? undefined : await stat(from).catch(() => undefined);
  if (from !== "-" && !found?.isFile())
    throw new UserError(`${from} is no file`, "Folders are shared by `tskvm run -v`, or packed with tar.");
  const inside = from === "-" ? "stdin" : basename(from);
  return execIn(name, {
    command: `to=${quoted(path)}; [ -d "$to" ] && to=$to/${quoted(inside)}; cat >"$to"`,
    options: { input: true },
    input: from === "-" ? process.stdin : createReadStream(from),
    output: process.stdout,
    errors: process.stderr,
  });
}
