import { UserError } from "../base/assert.ts";
import { create } from "../base/struct-layout.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import {
  hvm_memmap_table_entry,
  hvm_modlist_entry,
  hvm_start_info,
  XEN_ELFNOTE_NAME,
  XEN_ELFNOTE_PHYS32_ENTRY,
  XEN_HVM_START_MAGIC_VALUE,
} from "../spec/boot/pvh.ts";
import { FOUR_GIB } from "../spec/x86/low-memory.ts";
import { type PlacedModule, placeBytes, placeModules, placeText } from "./boot-data.ts";
import { allModules, type BootRequest, checkCommandLine } from "./boot-request.ts";
import { concat, utf8 } from "./bytes.ts";
import { type ElfFile, elfNotes, loadElf, parseElf } from "./elf.ts";
import { type InitialState, protectedState } from "./initial-state.ts";
import type { MemoryMapEntry } from "./memory-map.ts";
import { Placement } from "./placement.ts";

/** The protocol sets no limit; this is far above any kernel's. */
const COMMAND_LINE_LIMIT = 0x8000;

/** The physical address of the PVH entry, or undefined if the file has none. */
export function pvhEntry(file: Uint8Array, elf: ElfFile): number | undefined {
  const note = elfNotes(file, elf).find(
    ({ name, type }) => name === XEN_ELFNOTE_NAME && type === XEN_ELFNOTE_PHYS32_ENTRY,
  );
  if (!note || note.descriptor.length < 4) return undefined;
  return new DataView(note.descriptor.buffer, note.descriptor.byteOffset).getUint32(0, true);
}

/** Loads an ELF kernel with a PVH entry note: 32-bit flat protected mode, EBX at the start info. [Xen docs/misc/pvh.pandoc] */
export function loadPvh(memory: GuestMemory, request: BootRequest): InitialState {
  const elf = parseElf(request.kernel, request.kernelName);
  const entry = pvhEntry(request.kernel, elf);
  if (entry === undefined)
    throw new UserError(`${request.kernelName} has no PVH entry`, "Give a kernel built with CONFIG_PVH=y.");
  checkCommandLine(utf8(request.commandLine), COMMAND_LINE_LIMIT);
  const placement = new Placement(request.memoryMap);
  const kernelEnd = loadElf(memory, placement, request.kernel, elf);
  if (kernelEnd > FOUR_GIB)
    throw new UserError(`${request.kernelName} is linked above 4 GiB`, "Link it for addresses below 3 GiB.");
  const modules = placeModules(memory, placement, kernelEnd, allModules(request));
  const rbx = writeStartInfo(memory, placement, request, modules);
  return protectedState(memory, placement, { rip: entry, rbx });
}

function writeStartInfo(
  memory: GuestMemory,
  placement: Placement,
  request: BootRequest,
  modules: readonly PlacedModule[],
): number {
  const info = create(hvm_start_info, {
    magic: XEN_HVM_START_MAGIC_VALUE,
    version: 1,
    nr_modules: modules.length,
    modlist_paddr: placeList(memory, placement, "the module list", modules.map(modlistEntry)),
    cmdline_paddr: placeText(memory, placement, "the command line", request.commandLine),
    rsdp_paddr: request.rsdp ?? 0,
    memmap_paddr: placeList(memory, placement, "the memory map", request.memoryMap.map(memmapEntry)),
    memmap_entries: request.memoryMap.length,
  });
  return placeBytes(memory, placement, "the start info", info.bytes);
}

function modlistEntry({ addr, size, string }: PlacedModule): Uint8Array {
  return create(hvm_modlist_entry, { paddr: addr, size, cmdline_paddr: string }).bytes;
}

function memmapEntry({ addr, size, type }: MemoryMapEntry): Uint8Array {
  return create(hvm_memmap_table_entry, { addr, size, type }).bytes;
}

/** An array of records; address 0 if it is empty. */
function placeList(memory: GuestMemory, placement: Placement, what: string, records: readonly Uint8Array[]): number {
  return records.length === 0 ? 0 : placeBytes(memory, placement, what, concat(records));
}
