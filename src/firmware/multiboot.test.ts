import { describe, expect, test } from "vitest";
import { elf, join, multibootHeader, pattern } from "../../test/guest/kernel-files.ts";
import { view } from "../base/struct-layout.ts";
import { createFlatMemory, type SlotMemory } from "../memory/slot-memory.ts";
import { multiboot_info, multiboot_mmap_entry, multiboot_module } from "../spec/boot/multiboot.ts";
import type { BootRequest } from "./boot-request.ts";
import { asciiAt } from "./bytes.ts";
import { systemMemoryMap } from "./memory-map.ts";
import { findMultibootHeader, loadMultiboot } from "./multiboot.ts";

const MIB = 2 ** 20;
const SIZE = 16 * MIB;

function load(kernel: Uint8Array, request: Partial<BootRequest> = {}) {
  const memory = createFlatMemory(SIZE);
  memory.fill(MIB, MIB, 0xee);
  const state = loadMultiboot(memory, {
    ...{ kernel, kernelName: "kernel.elf", commandLine: "a b", memoryMap: systemMemoryMap(SIZE), longMode: true },
    ...request,
  });
  return { memory, state, info: view(multiboot_info, at(memory, state.regs.rbx, multiboot_info.size)) };
}

function at(memory: SlotMemory, gpa: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  memory.read(gpa, bytes);
  return bytes;
}

function text(memory: SlotMemory, gpa: number): string {
  return asciiAt(at(memory, gpa, 64), 0, 64);
}

const plain = multibootHeader(3).subarray(0, 12);

function elfKernel(bits: 32 | 64 = 32): Uint8Array {
  return elf(bits, MIB + 16, [{ paddr: MIB, bytes: join([plain, pattern(100)]), memsz: 0x1800 }]);
}

/** 64 bytes that are not loaded, then the image, with the header 16 bytes into it. */
function addressKernel(fields: Parameters<typeof multibootHeader>[1] = {}): Uint8Array {
  const addresses = {
    header_addr: MIB + 16,
    load_addr: MIB,
    load_end_addr: MIB + 200,
    bss_end_addr: MIB + 0x1000,
    entry_addr: MIB + 64,
  };
  return join([pattern(64 + 16), multibootHeader(0x1_0000, { ...addresses, ...fields }), pattern(200)]);
}

describe("multiboot", () => {
  test.each([32, 64] as const)("starts an ELF%i file in 32-bit mode", (bits) => {
    const { memory, state } = load(elfKernel(bits));
    expect([state.mode, state.regs.rip, state.regs.rax]).toEqual(["protected32", MIB + 16, 0x2bad_b002]);
    expect([state.cr0, state.cs.db, state.cs.limit, state.ds.limit]).toEqual([0x11, 1, 0xffff_ffff, 0xffff_ffff]);
    expect(at(memory, MIB + 12, 100)).toEqual(pattern(100));
    expect([memory.readU8(MIB + 112), memory.readU8(MIB + 0x17ff), memory.readU8(MIB + 0x1800)]).toEqual([0, 0, 0xee]);
  });

  test("loads by the header's address fields, which come before ELF's", () => {
    const kernel = addressKernel();
    const { memory, state } = load(kernel);
    expect(state.regs.rip).toBe(MIB + 64);
    expect(at(memory, MIB, 200)).toEqual(kernel.slice(64, 264));
    expect(at(memory, MIB + 200, 0x1000 - 200).every((byte) => byte === 0)).toBe(true);
    expect(memory.readU8(MIB + 0x1000)).toBe(0xee);
  });

  test("loads to the end of the file if no load end is given", () => {
    const kernel = addressKernel({ load_end_addr: 0, bss_end_addr: 0 });
    const { memory } = load(kernel);
    expect(at(memory, MIB, kernel.length - 64)).toEqual(kernel.slice(64));
    expect(memory.readU8(MIB + kernel.length - 64)).toBe(0xee);
  });

  test("says what memory there is", () => {
    const { memory, info } = load(elfKernel());
    expect([info.mem_lower, info.mem_upper, info.flags]).toEqual([639, 15 * 1024, 0x24d]);
    const entries = Array.from({ length: info.mmap_length / 24 }, (_, index) => {
      const entry = view(multiboot_mmap_entry, at(memory, info.mmap_addr + index * 24, 24));
      expect(entry.size).toBe(20);
      return { addr: entry.base_addr_num, size: entry.length_num, type: entry.type };
    });
    expect(entries).toEqual(systemMemoryMap(SIZE));
  });

  test("hands over command line, loader name and modules", () => {
    const modules = [
      { bytes: pattern(5000, 9), commandLine: "mod one" },
      { bytes: pattern(1), commandLine: "two" },
    ];
    const { memory, info } = load(elfKernel(), { modules });
    expect([text(memory, info.cmdline), text(memory, info.boot_loader_name)]).toEqual(["kernel.elf a b", "tskvm"]);
    expect(info.mods_count).toBe(2);
    const [one, two] = [0, 1].map((index) => view(multiboot_module, at(memory, info.mods_addr + index * 16, 16)));
    expect([one!.mod_start, one!.mod_end, text(memory, one!.string)]).toEqual([
      MIB + 0x2000,
      MIB + 0x2000 + 5000,
      "mod one",
    ]);
    expect(at(memory, one!.mod_start, 5000)).toEqual(pattern(5000, 9));
    expect([two!.mod_start, two!.mod_end, text(memory, two!.string)]).toEqual([MIB + 0x4000, MIB + 0x4001, "two"]);
  });

  test("puts its own data where a kernel in base memory is not", () => {
    const low = elf(32, 0x1000, [{ paddr: 0x1000, bytes: join([plain, pattern(100)]), memsz: 0x9ec00 }]);
    const { memory, state } = load(low);
    expect(state.regs.rbx).toBeGreaterThan(MIB);
    expect(at(memory, 0x100c, 100)).toEqual(pattern(100));
  });

  test("finds the header only where the specification has it", () => {
    const [inside, late, unaligned] = [8192 - 12, 8192 - 8, 4].map((offset) => join([new Uint8Array(offset), plain]));
    expect(findMultibootHeader(inside!)?.offset).toBe(8180);
    expect(findMultibootHeader(late!)).toBeUndefined();
    expect(findMultibootHeader(unaligned!)?.offset).toBe(4);
    expect(findMultibootHeader(join([new Uint8Array(2), plain]))).toBeUndefined();
    expect(findMultibootHeader(plain.map((byte, index) => (index === 8 ? byte ^ 1 : byte)))).toBeUndefined();
  });

  test.each([
    ["requires what is not defined", join([multibootHeader(1 << 5), pattern(10)]), /flags 0x20/],
    ["is neither ELF nor has addresses", join([plain, pattern(100)]), /not an ELF file/],
    ["has its addresses cut off", multibootHeader(0x1_0000).subarray(0, 20), /impossible addresses/],
    ["starts before the file", addressKernel({ load_addr: MIB - 100 }), /impossible addresses/],
    ["has its header before its start", addressKernel({ load_addr: MIB + 100 }), /impossible addresses/],
    ["ends before it starts", addressKernel({ load_end_addr: MIB - 1 }), /impossible addresses/],
    ["is longer than its file", addressKernel({ load_end_addr: MIB + 0x1000 }), /truncated/],
    ["does not fit in memory", addressKernel({ bss_end_addr: 0xffff_ffff }), /does not have/],
  ])("refuses a kernel that %s", (_, kernel, message) => {
    expect(() => load(kernel)).toThrow(
      expect.objectContaining({ name: "UserError", message: expect.stringMatching(message) }),
    );
  });
});
