import { UserError } from "../base/assert.ts";
import { create, type StructView, view } from "../base/struct-layout.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import {
  MULTIBOOT_ADDRESS_FIELDS,
  MULTIBOOT_BOOTLOADER_MAGIC,
  MULTIBOOT_HEADER_ALIGN,
  MULTIBOOT_HEADER_MAGIC,
  MULTIBOOT_HEADER_MIN,
  MULTIBOOT_HEADER_WITH_ADDRESSES,
  MULTIBOOT_INFO,
  MULTIBOOT_MEMORY_INFO,
  MULTIBOOT_PAGE_ALIGN,
  MULTIBOOT_REQUIREMENTS,
  MULTIBOOT_SEARCH,
  MULTIBOOT_VIDEO_MODE,
  multiboot_header,
  multiboot_info,
  multiboot_mmap_entry,
  multiboot_module,
} from "../spec/boot/multiboot.ts";
import { E820 } from "../spec/x86/e820.ts";
import { FOUR_GIB, LOW_MEMORY, PCI_HOLE } from "../spec/x86/low-memory.ts";
import { placeBytes, placeModules, placeText } from "./boot-data.ts";
import { allModules, type BootRequest, checkCommandLine } from "./boot-request.ts";
import { concat, utf8 } from "./bytes.ts";
import { isElf, loadElf, parseElf, physicalEntry } from "./elf.ts";
import { type InitialState, protectedState } from "./initial-state.ts";
import type { MemoryMapEntry } from "./memory-map.ts";
import { Placement } from "./placement.ts";

/** The header and where it stands in the file; the address fields are valid if `hasAddresses`. */
export interface MultibootHeader {
  readonly offset: number;
  readonly flags: number;
  readonly hasAddresses: boolean;
  readonly fields: StructView<typeof multiboot_header>;
}

/** The protocol sets no limit; this is far above any kernel's. */
const COMMAND_LINE_LIMIT = 0x8000;
const LOADER_NAME = "tskvm";

/** Finds the multiboot 1 header, or undefined. [Multiboot 0.6.96 3.1] */
export function findMultibootHeader(file: Uint8Array): MultibootHeader | undefined {
  const data = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const end = Math.min(file.length, MULTIBOOT_SEARCH) - MULTIBOOT_HEADER_MIN;
  for (let offset = 0; offset <= end; offset += MULTIBOOT_HEADER_ALIGN) {
    if (data.getUint32(offset, true) === MULTIBOOT_HEADER_MAGIC && isChecksumRight(data, offset))
      return header(file, offset);
  }
  return undefined;
}

function isChecksumRight(data: DataView, offset: number): boolean {
  const [magic, flags, checksum] = [0, 4, 8].map((field) => data.getUint32(offset + field, true));
  return (magic! + flags! + checksum!) % 2 ** 32 === 0;
}

/** A file may end within the optional fields, which then count as zero. */
function header(file: Uint8Array, offset: number): MultibootHeader {
  const padded = new Uint8Array(multiboot_header.size);
  padded.set(file.subarray(offset, offset + padded.length));
  const fields = view(multiboot_header, padded);
  const hasAddresses = (fields.flags & MULTIBOOT_ADDRESS_FIELDS) !== 0;
  return { offset, flags: fields.flags, hasAddresses, fields };
}

/** Loads a multiboot 1 kernel: 32-bit flat protected mode, EBX at the information structure. [Multiboot 0.6.96 3.2] */
export function loadMultiboot(memory: GuestMemory, request: BootRequest): InitialState {
  const found = findMultibootHeader(request.kernel);
  if (!found) throw new UserError(`${request.kernelName} has no multiboot header`, "Give a multiboot 1 kernel.");
  checkRequirements(found, request.kernelName);
  const commandLine = [request.kernelName, request.commandLine].filter((part) => part !== "").join(" ");
  checkCommandLine(utf8(commandLine), COMMAND_LINE_LIMIT);
  const placement = new Placement(request.memoryMap);
  const { entry, end } = found.hasAddresses
    ? loadByAddresses(memory, placement, request, found)
    : loadByElf(memory, placement, request);
  if (entry >= FOUR_GIB)
    throw new UserError(`${request.kernelName} has its entry above 4 GiB`, "Link it for addresses below 3 GiB.");
  const rbx = writeInfo(memory, placement, request, commandLine, end);
  return protectedState(memory, placement, { rip: entry, rax: MULTIBOOT_BOOTLOADER_MAGIC, rbx });
}

/**
 * Modules are always page-aligned and the memory fields always there. A kernel that asks for a video mode is started
 * without one, as under a loader without graphics: the information structure does not claim one.
 */
function checkRequirements(found: MultibootHeader, name: string): void {
  const known = MULTIBOOT_PAGE_ALIGN | MULTIBOOT_MEMORY_INFO | MULTIBOOT_VIDEO_MODE;
  const unknown = found.flags & MULTIBOOT_REQUIREMENTS & ~known;
  if (unknown !== 0)
    throw new UserError(
      `${name} requires multiboot features that are not defined (flags 0x${unknown.toString(16)})`,
      "Give a kernel for multiboot version 1.",
    );
}

interface Loaded {
  readonly entry: number;
  readonly end: number;
}

/** A 64-bit file is entered in 32-bit mode as well, as GRUB does. */
function loadByElf(memory: GuestMemory, placement: Placement, request: BootRequest): Loaded {
  if (!isElf(request.kernel))
    throw new UserError(
      `${request.kernelName} has a multiboot header without addresses and is not an ELF file`,
      "Give the kernel as an ELF file.",
    );
  const elf = parseElf(request.kernel, request.kernelName);
  return { entry: physicalEntry(elf), end: loadElf(memory, placement, request.kernel, elf) };
}

/** The part of the file around the header, at the addresses that the header names. [Multiboot 0.6.96 3.1.3] */
function loadByAddresses(
  memory: GuestMemory,
  placement: Placement,
  request: BootRequest,
  found: MultibootHeader,
): Loaded {
  const { kernel } = request;
  const { header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr } = found.fields;
  const start = found.offset - (header_addr - load_addr);
  const size = load_end_addr === 0 ? kernel.length - start : load_end_addr - load_addr;
  const whole = Math.max(size, bss_end_addr === 0 ? 0 : bss_end_addr - load_addr);
  const sane = kernel.length >= found.offset + MULTIBOOT_HEADER_WITH_ADDRESSES && start >= 0 && start <= found.offset;
  if (!sane || size <= 0)
    throw new UserError(
      `${request.kernelName} has a multiboot header with impossible addresses`,
      "Build the kernel again.",
    );
  if (start + size > kernel.length)
    throw new UserError(`${request.kernelName} is a truncated multiboot kernel`, "Download or build the file again.");
  placement.claim("the kernel", load_addr, whole);
  memory.write(load_addr, kernel.subarray(start, start + size));
  memory.fill(load_addr + size, whole - size, 0);
  return { entry: entry_addr, end: load_addr + whole };
}

function writeInfo(
  memory: GuestMemory,
  placement: Placement,
  request: BootRequest,
  commandLine: string,
  kernelEnd: number,
): number {
  const modules = placeModules(memory, placement, kernelEnd, allModules(request));
  const list = modules.map(({ addr, size, string }) =>
    create(multiboot_module, { mod_start: addr, mod_end: addr + size, string }),
  );
  const map = concat(request.memoryMap.map(mmapEntry));
  const { MEMORY, CMDLINE, MODS, MMAP, LOADER_NAME: NAME } = MULTIBOOT_INFO;
  const info = create(multiboot_info, {
    flags: MEMORY | CMDLINE | MODS | MMAP | NAME,
    mem_lower: LOW_MEMORY.EBDA / 1024,
    mem_upper: upperMemory(request.memoryMap) / 1024,
    cmdline: placeText(memory, placement, "the command line", commandLine),
    mods_count: modules.length,
    mods_addr:
      modules.length === 0
        ? 0
        : placeBytes(memory, placement, "the module list", concat(list.map((entry) => entry.bytes))),
    mmap_length: map.length,
    mmap_addr: placeBytes(memory, placement, "the memory map", map),
    boot_loader_name: placeText(memory, placement, "the loader's name", LOADER_NAME),
  });
  return placeBytes(memory, placement, "the multiboot information", info.bytes);
}

function mmapEntry({ addr, size, type }: MemoryMapEntry): Uint8Array {
  return create(multiboot_mmap_entry, { size: multiboot_mmap_entry.size - 4, base_addr: addr, length: size, type })
    .bytes;
}

/** Bytes of RAM from 1 MiB up to the first hole. */
function upperMemory(map: readonly MemoryMapEntry[]): number {
  const extended = map.find((entry) => entry.type === E820.RAM && entry.addr === LOW_MEMORY.EXTENDED);
  return extended ? Math.min(extended.size, PCI_HOLE) : 0;
}
