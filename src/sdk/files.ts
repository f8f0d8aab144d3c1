/** The files that a machine boots from. */

import { open } from "node:fs/promises";
import { UserError } from "../base/assert.ts";
import { concat } from "../image/cpio.ts";
import { type ExecChannel, prepareExec } from "../image/exec-channel.ts";
import { EXEC_APPEND } from "../image/exec-protocol.ts";
import { agentInitrd } from "../image/guest-agent.ts";
import { type DriverUse, selectModules } from "../image/guest-modules.ts";
import { sharesInitrd } from "../image/guest-shares.ts";
import { type Image, type ImageOptions, resolveImage } from "../image/image.ts";
import type { BootSource, FirmwareSource } from "../machine/machine.ts";
import type { FileSource, MachineOptions } from "./options.ts";
import type { RootedOptions } from "./root-machine.ts";

/** What the guest finds, and how its command's output is read. */
export interface BootFiles {
  readonly boot: BootSource | FirmwareSource;
  /** The image that files were taken from. */
  readonly image: Image | undefined;
  readonly exec: ExecChannel | undefined;
}

/** A guest that dies while it runs a command must end, not wait for somebody to read why. */
const COMMAND_APPEND = `${EXEC_APPEND} panic=-1`;

/** Reads the files that the options name, those of an image among them. Throws UserError. */
export async function loadBootFiles(options: RootedOptions): Promise<BootFiles> {
  checkTogether(options);
  if (options.firmware !== undefined)
    return { boot: await loadFirmware(options.firmware), image: undefined, exec: undefined };
  const [given, initrd, modules] = await Promise.all([
    readSource(options.kernel, "kernel"),
    readSource(options.initrd, "initrd"),
    Promise.all((options.modules ?? []).map(readModule)),
  ]);
  const uses = driverUses(options);
  const image = needsImage(options) ? await resolveImage(options.image, imageOptions(options, uses)) : undefined;
  const exec = options.command === undefined ? undefined : prepareExec(options.command, execOptions(options));
  const [root, kernel, kept, driverFiles] = await Promise.all([
    initrd ?? readSource(image?.initrd, "initrd"),
    given ?? readSource(image!.kernel, "kernel"),
    given ? undefined : readUnpacked(image?.unpackedKernel),
    uses.length > 0 && !given && initrd === undefined ? readSource(image?.modules, "modules") : undefined,
  ]);
  const drivers = driverFiles && selectModules(driverFiles, uses);
  const agent = options.agent ? agentInitrd() : undefined;
  const parts = [root, exec?.initrd, options.rootInitrd, drivers, sharesOf(options), agent].filter(
    (part) => part !== undefined,
  );
  const boot = {
    kernel: kernel!,
    unpacked: kept ?? (await unpack(kernel!)),
    kernelName: nameOf(options.kernel ?? image!.kernel),
    commandLine: commandLine(options, image),
    initrd: parts.length > 1 ? concat(parts) : root,
    modules,
  };
  return { boot, image, exec: exec?.channel };
}

async function loadFirmware(source: FileSource): Promise<FirmwareSource> {
  const firmware = (await readSource(source, "firmware"))!;
  return { firmware, firmwareName: typeof source === "string" ? source : "the firmware" };
}

function checkTogether({ command, initrd, firmware, kernel, image }: MachineOptions): void {
  const others = [kernel, image, command, initrd].filter((each) => each !== undefined);
  if (firmware !== undefined && others.length > 0)
    throw new UserError(
      "--firmware boots from disks: --kernel, --initrd, --image and --exec do not go with it",
      "Leave them out, or --firmware.",
    );
  if (command === undefined || initrd === undefined) return;
  throw new UserError(
    "--exec and --initrd do not go together: a command is run by the root of an image",
    "Leave --initrd out, or run the command in your own initrd's init.",
  );
}

function needsImage({ kernel, image, command }: MachineOptions): boolean {
  return kernel === undefined || image !== undefined || command !== undefined;
}

function imageOptions({ arch, mirror, progress, kernel }: MachineOptions, uses: readonly DriverUse[]): ImageOptions {
  const sharesFolders = kernel === undefined && uses.includes("shares");
  return { arch, mirror, progress, modules: uses.length > 0, sharesFolders };
}

function driverUses({ disks = [], network, shares = [], agent = false }: MachineOptions): DriverUse[] {
  const uses: [DriverUse, boolean][] = [
    ["disks", disks.length > 0],
    ["network", network !== undefined],
    ["shares", shares.length > 0],
    ["agent", agent],
  ];
  return uses.flatMap(([use, isNeeded]) => (isNeeded ? [use] : []));
}

/** The root of a kernel and initrd of one's own mounts by itself. */
function sharesOf({ shares = [], initrd }: MachineOptions): Uint8Array | undefined {
  return shares.length === 0 || initrd !== undefined ? undefined : sharesInitrd(shares);
}

function execOptions({ commandInput }: MachineOptions): { stdin: boolean } {
  return { stdin: commandInput ?? false };
}

function commandLine({ command, append }: MachineOptions, image: Image | undefined): string {
  const parts = [image?.append, command === undefined ? undefined : COMMAND_APPEND, append];
  return parts.filter((part) => part !== undefined && part !== "").join(" ");
}

/** What a bzImage would unpack itself to, from a file that holds it, if there is one. */
async function readUnpacked(file: string | undefined): Promise<Uint8Array | undefined> {
  return file === undefined ? undefined : readShared(file).catch(() => undefined);
}

/** What a bzImage would unpack itself to, which takes a guest long. */
async function unpack(kernel: Uint8Array): Promise<Uint8Array | undefined> {
  const { unpackKernel } = await import("../image/kernel-payload.ts");
  return (await unpackKernel(kernel)).elf;
}

/** A file's bytes where the machine's thread sees them too: large ones take long to copy. */
async function readShared(file: string): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    if (size === 0) return await handle.readFile(); // a pipe does not say how much is in it
    const bytes = new Uint8Array(new SharedArrayBuffer(size));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function readModule({ file, commandLine = "" }: NonNullable<MachineOptions["modules"]>[number]) {
  return { bytes: (await readSource(file, "module"))!, commandLine };
}

function nameOf(source: FileSource): string {
  return typeof source === "string" ? source : "the kernel";
}

const REASONS: Record<string, string> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ENOTDIR: "a part of the path is not a directory",
};

async function readSource(source: FileSource | undefined, what: string): Promise<Uint8Array | undefined> {
  if (typeof source !== "string") return source;
  return readShared(source).catch((error: NodeJS.ErrnoException) => {
    const reason = REASONS[error.code ?? ""] ?? error.message;
    throw new UserError(`cannot read the ${what} ${source}: ${reason}`, "Check the path.", { cause: error });
  });
}
