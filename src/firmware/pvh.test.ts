import { describe, expect, test } from "vitest";
import { elf, pattern, pvhNote } from "../../test/guest/kernel-files.ts";
import { view } from "../base/struct-layout.ts";
import { createFlatMemory, type SlotMemory } from "../memory/slot-memory.ts";
import { hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info } from "../spec/boot/pvh.ts";
import type { BootRequest } from "./boot-request.ts";
import { asciiAt } from "./bytes.ts";
import { systemMemoryMap } from "./memory-map.ts";
import { loadPvh } from "./pvh.ts";

const MIB = 2 ** 20;
const SIZE = 16 * MIB;

function load(kernel: Uint8Array, request: Partial<BootRequest> = {}) {
  const memory = createFlatMemory(SIZE);
  memory.fill(2 * MIB, MIB, 0xee);
  const state = loadPvh(memory, {
    ...{ kernel, kernelName: "vmlinux", commandLine: "quiet", memoryMap: systemMemoryMap(SIZE), longMode: true },
    ...request,
  });
  return { memory, state, info: view(hvm_start_info, at(memory, state.regs.rbx, hvm_start_info.size)) };
}

function at(memory: SlotMemory, gpa: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  memory.read(gpa, bytes);
  return bytes;
}

function kernel(bits: 32 | 64): Uint8Array {
  const code = { paddr: 2 * MIB, vaddr: bits === 64 ? 2 ** 47 : 2 * MIB, bytes: pattern(600), memsz: 0x3000 };
  return elf(bits, 0, [code, pvhNote(2 * MIB + 0x50, bits)]);
}

describe("PVH boot", () => {
  test.each([32, 64] as const)("of an ELF%i file", (bits) => {
    const { memory, state, info } = load(kernel(bits), { rsdp: 0xe0000 });
    expect([state.mode, state.regs.rip, state.cr0, state.cs.db]).toEqual(["protected32", 2 * MIB + 0x50, 0x11, 1]);
    expect(at(memory, 2 * MIB, 600)).toEqual(pattern(600));
    expect(at(memory, 2 * MIB + 600, 0x3000 - 600).every((byte) => byte === 0)).toBe(true);
    expect(memory.readU8(2 * MIB + 0x3000)).toBe(0xee);
    expect([info.magic, info.version, info.rsdp_paddr_num]).toEqual([0x336e_c578, 1, 0xe0000]);
    expect(asciiAt(at(memory, info.cmdline_paddr_num, 16), 0, 16)).toBe("quiet");
  });

  test("hands over the memory map", () => {
    const { memory, info } = load(kernel(64));
    const entries = Array.from({ length: info.memmap_entries }, (_, index) => {
      const entry = view(hvm_memmap_table_entry, at(memory, info.memmap_paddr_num + index * 24, 24));
      return { addr: entry.addr_num, size: entry.size_num, type: entry.type };
    });
    expect(entries).toEqual(systemMemoryMap(SIZE));
  });

  test("hands over initrd and modules", () => {
    const modules = [{ bytes: pattern(10, 5), commandLine: "two" }];
    const { memory, info } = load(kernel(64), { initrd: pattern(5000, 4), modules });
    expect(info.nr_modules).toBe(2);
    const [first, second] = [0, 1].map((index) =>
      view(hvm_modlist_entry, at(memory, info.modlist_paddr_num + index * 32, 32)),
    );
    expect([first!.paddr_num, first!.size_num]).toEqual([2 * MIB + 0x3000, 5000]);
    expect(at(memory, first!.paddr_num, 5000)).toEqual(pattern(5000, 4));
    expect([second!.paddr_num, second!.size_num]).toEqual([2 * MIB + 0x5000, 10]);
    expect(asciiAt(at(memory, second!.cmdline_paddr_num, 8), 0, 8)).toBe("two");
  });

  test("has no module list without modules", () => {
    const { info } = load(kernel(32));
    expect([info.nr_modules, info.modlist_paddr_num]).toEqual([0, 0]);
  });

  test("refuses modules that do not fit, saying how much memory they need", () => {
    const tooMuch = () => load(kernel(64), { initrd: new Uint8Array(15 * MIB) });
    expect(tooMuch).toThrow(expect.objectContaining({ remedy: expect.stringMatching(/at least 17 MiB/) }));
  });
});
