import type { DiskFormat } from "../backend/block/open.ts";
import { UserError } from "../base/assert.ts";
import type { Arch } from "../image/catalog.ts";
import type { Progress } from "../image/progress.ts";
import type { IrqchipKind } from "../machine/interrupt-controllers.ts";
import { checkMemorySize } from "../machine/memory-size.ts";
import type { EngineName, JitMode } from "./engine.ts";
import type { NetworkOptions } from "./network.ts";

/** A file: its path, or its bytes. */
export type FileSource = string | Uint8Array;

/** A file for a multiboot or PVH kernel, and the words it is given with it. */
export interface ModuleSource {
  readonly file: FileSource;
  readonly commandLine?: string | undefined;
}

/** A disk of the machine: an image file, which belongs to the machine while it runs. */
export interface DiskOptions {
  readonly file: string;
  /** Found out from the file's first bytes if not given. */
  readonly format?: DiskFormat | undefined;
  readonly readOnly?: boolean | undefined;
  /** What the guest reads as its serial number, up to 20 characters; the place among the disks if not given. */
  readonly serial?: string | undefined;
}

/** A folder of the host's that the guest sees as its own. */
export interface ShareOptions {
  readonly hostPath: string;
  /** Where the image's root mounts it: an absolute path. */
  readonly guestPath: string;
  readonly readOnly?: boolean | undefined;
}

/** A program in the root of an image. What is not given is as the image has it. */
export interface ProgramOptions {
  /** The program and its arguments, or the arguments of the entry point. */
  readonly words?: readonly string[] | undefined;
  /** What `words` are the arguments of. */
  readonly entrypoint?: readonly string[] | undefined;
  /** NAME=VALUE, beside those of the image. */
  readonly env?: readonly string[] | undefined;
  /** "name", "uid", "user:group". */
  readonly user?: string | undefined;
  readonly directory?: string | undefined;
  /** Whether it runs on the console, a terminal, and not on streams of its own. */
  readonly terminal?: boolean | undefined;
}

/** What to boot and on what. Nothing of it is needed: the default image boots with 512 MiB. */
export interface MachineOptions {
  /**
   * A bzImage, an ELF file with a PVH entry, or a multiboot kernel; by default the image's. What a bzImage has packed is
   * unpacked here if possible and entered where it is linked, so it does not choose a random address (KASLR).
   */
  readonly kernel?: FileSource | undefined;
  /** A PC BIOS, 64 to 256 KiB, that finds something to boot on the disks; instead of a kernel. */
  readonly firmware?: FileSource | undefined;
  /** The initial RAM disk. By default the image's if it is the image that boots, or if `command` is given; else none. */
  readonly initrd?: FileSource | undefined;
  readonly modules?: readonly ModuleSource[] | undefined;
  /** Kernel parameters; they follow the image's own if files of an image are used. */
  readonly append?: string | undefined;
  /**
   * Name of the image to boot. A kernel with a small root, for instance "debian-cloud": `kernel` and `initrd` replace its files.
   * Or a root, which runs under our kernel on a disk of its own, with a network unless told otherwise: "debian:12", a reference to a
   * registry, "oci:DIRECTORY[:TAG]", "docker-archive:FILE[:TAG]".
   */
  readonly image?: string | undefined;
  /** What runs in the root of an image; without it, and without `command`, what the image says, on the console. */
  readonly program?: ProgramOptions | undefined;
  /** Where the root's disk is kept, an overlay of the image's that is made if it is not there; by default it is thrown away. */
  readonly rootDisk?: string | undefined;
  /** Without `image`, chooses the default image. */
  readonly arch?: Arch | undefined;
  /** Where an image that is not in the cache comes from, instead of apt's sources: the URL of a Debian archive. */
  readonly mirror?: string | undefined;
  /** Told of downloads. */
  readonly progress?: Progress | undefined;
  /** RAM, 32 MiB to 3 GiB: bytes, or text such as "512M" or "1G"; 512 MiB by default. */
  readonly memory?: number | string | undefined;
  /** Disks, /dev/vda and so on in Linux. Each is written to unless `readOnly`; use an overlay to keep an image as it is. */
  readonly disks?: readonly DiskOptions[] | undefined;
  /** A network card, connected to a network of the guest's own with a way out; by default a root has one, other images have none. */
  readonly network?: NetworkOptions | false | undefined;
  /** Folders of the host's, by virtio 9P. A kernel of your own finds them by the tags "share0" and so on. */
  readonly shares?: readonly ShareOptions[] | undefined;
  /** Whether commands can be run in the guest while it runs, by `machine.exec`; needs the root of an image. */
  readonly agent?: boolean | undefined;
  /** Number of CPUs, 1 by default. */
  readonly cpus?: number | undefined;
  /** CPU model and features: "MODEL[,+FEATURE,-FEATURE]"; `cpuModels` lists them. "x86-64-v2" by default. */
  readonly cpu?: string | undefined;
  /** "auto" by default. */
  readonly engine?: EngineName | undefined;
  /** "auto" by default. */
  readonly jit?: JitMode | undefined;
  /**
   * Where the interrupt controllers are: all in the engine, which is the default where it can, or there only the local APICs
   * ("split", as on kernels without the others).
   */
  readonly irqchip?: IrqchipKind | undefined;
  /** Whether a write of V to port 0xf4 ends the machine with status (V << 1) | 1. */
  readonly debugExit?: boolean | undefined;
  /** Whether there is QEMU's pc-testdev: interrupt lines at port 0x2000, echo ports at 0xe0, memory at 0xff000000. */
  readonly testDevice?: boolean | undefined;
  /** What a reset by the guest does: start anew, or end the machine. "reboot" by default; "end" with `command`. */
  readonly onReset?: "reboot" | "end" | undefined;
  /** A shell command to run in the guest, with the image's root, in place of an interactive shell. */
  readonly command?: string | undefined;
  /** Whether the command reads what is written to `machine.command.stdio`; by default its input is empty. */
  readonly commandInput?: boolean | undefined;
}

const DEFAULT_MEMORY = "512M";
const MIB = 1024 * 1024;
const UNITS: Record<string, number> = { k: 1024, m: MIB, g: 1024 * MIB };

/** Bytes of RAM that are asked for. Text without a unit counts MiB, as in QEMU. Throws UserError. */
export function memoryBytes(memory: number | string = DEFAULT_MEMORY): number {
  const bytes = typeof memory === "number" ? memory : parseSize(memory);
  checkMemorySize(bytes);
  return bytes;
}

function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmg])(?:i?b)?)?$/i.exec(text.trim());
  if (!match) throw new UserError(`"${text}" is not an amount of memory`, "Write it like 512M or 1G.");
  const [, number, unit = "m"] = match;
  return Number(number) * UNITS[unit.toLowerCase()]!;
}
