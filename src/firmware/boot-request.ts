import { UserError } from "../base/assert.ts";
import type { BootMode } from "./initial-state.ts";
import type { MemoryMapEntry } from "./memory-map.ts";

/** A file that the kernel finds in memory, and the words it is given with it (multiboot and PVH only). */
export interface BootModule {
  readonly bytes: Uint8Array;
  readonly commandLine: string;
}

/** What to boot, and the machine it finds itself in. */
export interface BootRequest {
  /** The kernel file. */
  readonly kernel: Uint8Array;
  /**
   * What `kernel`, a bzImage, would unpack itself to; it is entered directly then, unless `mode` asks for the file's own
   * entry. Leave it out to let the kernel choose a random address for itself (KASLR).
   */
  readonly unpacked?: Uint8Array | undefined;
  /** What messages call the kernel file, and the first word of a multiboot command line. */
  readonly kernelName: string;
  readonly commandLine: string;
  /** The initial RAM disk: Linux's initrd, the first module of multiboot and PVH kernels. */
  readonly initrd?: Uint8Array | undefined;
  /** More modules; Linux's own protocol takes none. */
  readonly modules?: readonly BootModule[] | undefined;
  /** As `systemMemoryMap` makes it; the RAM in it is behind `memory`. */
  readonly memoryMap: readonly MemoryMapEntry[];
  /** Address of the ACPI root pointer, if there are ACPI tables. */
  readonly rsdp?: number | undefined;
  /** Whether the processor has long mode. */
  readonly longMode: boolean;
  /** How to enter a bzImage that can be entered both ways; 64-bit mode if not given and possible. */
  readonly mode?: BootMode | undefined;
}

/** The initial RAM disk, if any, and the modules, in the order in which a kernel that takes several sees them. */
export function allModules(request: BootRequest): BootModule[] {
  const first = request.initrd ? [{ bytes: request.initrd, commandLine: "" }] : [];
  return [...first, ...(request.modules ?? [])];
}

/** Throws UserError if the command line has more than `limit` bytes or a zero byte in it. */
export function checkCommandLine(bytes: Uint8Array, limit: number): void {
  if (bytes.length > limit)
    throw new UserError(
      `the kernel command line has ${bytes.length} bytes; this kernel takes ${limit}`,
      "Shorten the command line.",
    );
  if (bytes.includes(0)) throw new UserError("the kernel command line contains a zero byte", "Remove it.");
}
