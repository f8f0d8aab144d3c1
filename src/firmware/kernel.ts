import { UserError } from "../base/assert.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { writeBiosDataArea } from "./bios-data.ts";
import type { BootRequest } from "./boot-request.ts";
import { isBzImage, parseBzImage } from "./bzimage.ts";
import { isElf, parseElf } from "./elf.ts";
import { fileKind } from "./file-kind.ts";
import type { InitialState } from "./initial-state.ts";
import { loadLinux } from "./linux-boot.ts";
import { findMultibootHeader, loadMultiboot } from "./multiboot.ts";
import { loadPvh, pvhEntry } from "./pvh.ts";

/** How a kernel file wants to be started. */
export type KernelFormat = "linux" | "multiboot" | "pvh";

/** What a kernel file is. */
export interface KernelInfo {
  readonly format: KernelFormat;
  /** Whether it needs a processor with long mode; undefined if the file does not say. */
  readonly longMode: boolean | undefined;
  /** A name to show: "Linux 6.1.0-18-amd64", "a multiboot kernel". */
  readonly description: string;
}

const LOADERS = { linux: loadLinux, multiboot: loadMultiboot, pvh: loadPvh };

/**
 * Says what kind of kernel a file is. Throws UserError if it is none, naming what it looks like. A file that can be
 * started in several ways is taken in this order: Linux's own protocol, multiboot, PVH.
 */
export function detectKernel(file: Uint8Array, name: string): KernelInfo {
  if (isBzImage(file)) return linuxInfo(file, name);
  const elf = isElf(file) ? parseElf(file, name) : undefined;
  if (findMultibootHeader(file)) return { format: "multiboot", longMode: undefined, description: "a multiboot kernel" };
  if (elf && pvhEntry(file, elf) !== undefined)
    return { format: "pvh", longMode: elf.bits === 64, description: `a ${elf.bits}-bit kernel with a PVH entry` };
  throw elf ? noEntry(name) : notAKernel(file, name);
}

/** Puts a kernel and all that it is handed into the guest's memory; says in what state the first vCPU enters it. */
export function loadKernel(memory: GuestMemory, request: BootRequest): InitialState {
  const { format } = detectKernel(request.kernel, request.kernelName);
  writeBiosDataArea(memory);
  return LOADERS[format](memory, request);
}

function linuxInfo(file: Uint8Array, name: string): KernelInfo {
  const { version, kernel64 } = parseBzImage(file, name);
  const release = /^\d\S*/.exec(version)?.[0];
  const description = release ? `Linux ${release}` : version || "a Linux kernel";
  return { format: "linux", longMode: kernel64, description };
}

function noEntry(name: string): UserError {
  return new UserError(
    `${name} is an ELF file without a PVH entry note or a multiboot header`,
    "Give a bzImage (vmlinuz), or a vmlinux built with CONFIG_PVH=y.",
  );
}

function notAKernel(file: Uint8Array, name: string): UserError {
  const kind = fileKind(file);
  return new UserError(`${name} is not a kernel: it is ${kind.name}`, kind.remedy);
}
