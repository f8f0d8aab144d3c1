import { describe, expect, test } from "vitest";
import { bzImage, elf, pattern } from "../../test/guest/kernel-files.ts";
import { view } from "../base/struct-layout.ts";
import { createFlatMemory, type SlotMemory } from "../memory/slot-memory.ts";
import { boot_params } from "../spec/boot/linux.ts";
import type { BootRequest } from "./boot-request.ts";
import { asciiAt } from "./bytes.ts";
import type { SegmentState } from "./initial-state.ts";
import { loadLinux } from "./linux-boot.ts";
import { systemMemoryMap } from "./memory-map.ts";

const MIB = 2 ** 20;

function load(kernel: Uint8Array, request: Partial<BootRequest> = {}, size = 32 * MIB) {
  const memory = createFlatMemory(size);
  const memoryMap = systemMemoryMap(size);
  const state = loadLinux(memory, {
    kernel,
    kernelName: "vmlinuz",
    commandLine: "",
    memoryMap,
    longMode: true,
    ...request,
  });
  const params = view(boot_params, bytesAt(memory, state.regs.rsi, boot_params.size));
  return { memory, state, params };
}

function bytesAt(memory: SlotMemory, gpa: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  memory.read(gpa, bytes);
  return bytes;
}

/** The descriptor that a selector names, decoded from the guest's memory. [SDM 3A 3.4.5] */
function descriptor(memory: SlotMemory, gdt: { base: number; limit: number }, selector: number) {
  expect(selector + 7).toBeLessThanOrEqual(gdt.limit);
  const [low, high] = [memory.readU32(gdt.base + selector), memory.readU32(gdt.base + selector + 4)];
  const limit = (low & 0xffff) | (high & 0xf_0000);
  const g = (high >>> 23) & 1;
  return {
    base: ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) >>> 0,
    limit: g ? limit * 4096 + 4095 : limit,
    selector,
    type: (high >>> 8) & 0xf,
    s: (high >>> 12) & 1,
    dpl: (high >>> 13) & 3,
    present: (high >>> 15) & 1,
    avl: (high >>> 20) & 1,
    l: (high >>> 21) & 1,
    db: (high >>> 22) & 1,
    g,
    unusable: 0,
  } satisfies SegmentState;
}

/** Walks 4-level page tables with large pages. [SDM 3A 4.5] */
function translate(memory: SlotMemory, cr3: number, address: number): number {
  const entry = (table: number, index: number) => {
    const value = memory.readU64(table + index * 8);
    expect(value & 3).toBe(3);
    return value;
  };
  const pml4e = entry(cr3, Math.floor(address / 2 ** 39));
  const pdpte = entry(pml4e - 3, Math.floor(address / 2 ** 30) % 512);
  const pde = entry(pdpte - 3, Math.floor(address / 2 ** 21) % 512);
  expect(pde % 0x20_0000).toBe(0x83);
  return pde - 0x83 + (address % 0x20_0000);
}

describe("the 64-bit boot protocol", () => {
  test("enters at 0x200 in 64-bit mode with an identity map", () => {
    const { memory, state } = load(bzImage());
    expect([state.mode, state.regs.rip, state.regs.rflags]).toEqual(["long64", 0x100_0200, 2]);
    expect([state.cr0, state.cr4, state.efer]).toEqual([0x8000_0011, 0x20, 0x500]);
    for (const address of [0, 0x100_0200, state.regs.rsi, 0x7fff_ffff, 0xffff_ffff])
      expect(translate(memory, state.cr3, address)).toBe(address);
  });

  test("has the segments of the protocol, in the GDT too", () => {
    const { memory, state } = load(bzImage());
    expect([state.cs.selector, state.ds.selector, state.ss.selector, state.es.selector]).toEqual([
      0x10, 0x18, 0x18, 0x18,
    ]);
    expect([state.cs.l, state.cs.db, state.ds.db]).toEqual([1, 0, 1]);
    for (const segment of [state.cs, state.ds, state.tr])
      expect(descriptor(memory, state.gdt, segment.selector)).toEqual(segment);
  });

  test("hands over the header, the memory map and the root pointer", () => {
    const { memory, params } = load(bzImage(), { rsdp: 0xe0000 });
    expect(bytesAt(memory, 0x100_0000, 4096)).toEqual(pattern(4096));
    expect([params.hdr.type_of_loader, params.hdr.code32_start, params.hdr.version]).toEqual([0xff, 0x100_0000, 0x20f]);
    expect([params.e820_entries, params.acpi_rsdp_addr_num]).toEqual([4, 0xe0000]);
    const map = params.e820_table
      .slice(0, 4)
      .map((entry) => ({ addr: entry.addr_num, size: entry.size_num, type: entry.type }));
    expect(map).toEqual(systemMemoryMap(32 * MIB));
  });

  test("leaves what lies behind the header's end in the file out of the boot parameters", () => {
    const kernel = bzImage();
    kernel.fill(0xcc, 0x26c, 0x280);
    const { params } = load(kernel);
    expect(params.bytes.subarray(0x26c, 0x2d0).every((byte) => byte === 0)).toBe(true);
    expect(params.bytes.subarray(0x1e9, 0x1f1).every((byte) => byte === 0)).toBe(true);
  });

  test("hands over command line and initrd", () => {
    const initrd = pattern(5000, 3);
    const { memory, params } = load(bzImage(), { commandLine: "console=ttyS0 ü", initrd });
    const commandLine = bytesAt(memory, params.hdr.cmd_line_ptr, 17);
    expect([...commandLine.subarray(14)]).toEqual([0xc3, 0xbc, 0]);
    expect(asciiAt(commandLine, 0, 13)).toBe("console=ttyS0");
    expect([params.hdr.ramdisk_image, params.hdr.ramdisk_size]).toEqual([32 * MIB - 0x2000, 5000]);
    expect(bytesAt(memory, params.hdr.ramdisk_image, 5000)).toEqual(initrd);
  });

  test("keeps the initrd below the kernel's limit", () => {
    const { params } = load(bzImage({ initrd_addr_max: 0x1bf_ffff }), { initrd: pattern(100) });
    expect(params.hdr.ramdisk_image).toBe(0x1bf_f000);
  });
});

describe("the 32-bit boot protocol", () => {
  test.each([
    ["of a kernel without the 64-bit entry", { xloadflags: 0 }, {}],
    ["of a kernel from before there was one", { version: 0x20b }, {}],
    ["of a 64-bit kernel on request", {}, { mode: "protected32" }],
    ["of a 32-bit kernel on a 32-bit processor", { xloadflags: 0 }, { longMode: false }],
  ] as const)("%s", (_, fields, request) => {
    const { memory, state } = load(bzImage(fields), request);
    expect([state.mode, state.regs.rip, state.regs.rbx]).toEqual(["protected32", 0x100_0000, 0]);
    expect([state.cr0, state.cr3, state.cr4, state.efer]).toEqual([0x11, 0, 0, 0]);
    expect([state.cs.db, state.cs.l, state.cs.limit, state.cs.base]).toEqual([1, 0, 0xffff_ffff, 0]);
    for (const segment of [state.cs, state.ds, state.tr])
      expect(descriptor(memory, state.gdt, segment.selector)).toEqual(segment);
  });

  test("loads old kernels at 1 MiB", () => {
    const { memory, state } = load(bzImage({ version: 0x0204, setup_sects: 1 }));
    expect(state.regs.rip).toBe(MIB);
    expect(bytesAt(memory, MIB, 4096)).toEqual(pattern(4096));
  });
});

describe("an unpacked kernel", () => {
  const code = pattern(200, 5);
  const segments = [
    { paddr: 0x100_0000, vaddr: 0xc100_0000, bytes: code, memsz: 300 },
    { paddr: 0x110_0000, vaddr: 0xc110_0000, bytes: pattern(50) },
  ];
  const vmlinux64 = elf(64, 0x100_0040, segments);
  const vmlinux32 = elf(32, 0x100_0040, segments);

  test.each([
    ["64-bit", {}, vmlinux64, "long64"],
    ["32-bit", { xloadflags: 0 }, vmlinux32, "protected32"],
  ] as const)("%s, is entered as its bzImage would be", (_, fields, unpacked, mode) => {
    const request = { commandLine: "quiet", initrd: pattern(100), rsdp: 0xe0000 };
    const packed = load(bzImage(fields), request);
    const { memory, state, params } = load(bzImage(fields), { ...request, unpacked });
    expect(state).toEqual({ ...packed.state, regs: { ...packed.state.regs, rip: 0x100_0040 } });
    expect(state.mode).toBe(mode);
    expect(params.bytes).toEqual(packed.params.bytes);
    expect(bytesAt(memory, 0x100_0000, 300)).toEqual(Uint8Array.from({ length: 300 }, (_, at) => code[at] ?? 0));
    expect(bytesAt(memory, 0x110_0000, 50)).toEqual(pattern(50));
    expect(bytesAt(memory, 0x100_1000, 100)).toEqual(new Uint8Array(100));
  });

  test("is loaded over what an earlier boot left", () => {
    const memory = createFlatMemory(32 * MIB);
    memory.fill(0x100_0000, MIB, 0xcc);
    const memoryMap = systemMemoryMap(32 * MIB);
    const what = { kernel: bzImage(), kernelName: "vmlinuz", commandLine: "", unpacked: vmlinux64 };
    loadLinux(memory, { ...what, memoryMap, longMode: true });
    expect(bytesAt(memory, 0x100_0000 + 200, 100)).toEqual(new Uint8Array(100));
  });

  test("is left aside if the bzImage's own entry is asked for", () => {
    const { memory, state } = load(bzImage(), { unpacked: vmlinux64, mode: "protected32" });
    expect([state.mode, state.regs.rip]).toEqual(["protected32", 0x100_0000]);
    expect(bytesAt(memory, 0x100_0000, 4096)).toEqual(pattern(4096));
  });

  test.each([
    ["of another width", vmlinux32, /not what its setup header says/],
    ["cut off", vmlinux64.subarray(0, 200), /the kernel inside vmlinuz is a truncated/],
    ["below its memory", elf(64, 0xff_0000, [{ paddr: 0xff_0000, bytes: code }]), /setup header/],
    ["beyond its memory", elf(64, 0x100_0000, [{ paddr: 0x100_0000, bytes: code, memsz: 0x80_0001 }]), /setup header/],
    ["entered elsewhere", elf(64, 0x120_0000, segments), /setup header/],
  ])("%s is refused", (_, unpacked, message) => {
    expect(() => load(bzImage(), { unpacked })).toThrow(
      expect.objectContaining({ name: "UserError", message: expect.stringMatching(message) }),
    );
  });
});

describe("a Linux kernel is refused", () => {
  test.each([
    ["truncated", bzImage().subarray(0, 3000), {}, /truncated Linux kernel: 2.9 KiB of 5 KiB/],
    ["cut off within its setup", bzImage().subarray(0, 0x220), {}, /truncated|no longer supported/],
    ["a zImage", bzImage({ loadflags: 0 }), {}, /zImage/],
    ["too old", bzImage({ version: 0x0201 }), {}, /boot protocol 2\.1/],
    ["loaded below 1 MiB", bzImage({ pref_address: 0x1000 }), {}, /asks to be loaded at 0x1000/],
    ["loaded above 4 GiB", bzImage({ pref_address: 2 ** 40 }), {}, /asks to be loaded/],
    ["oddly aligned", bzImage({ kernel_alignment: 3 }), {}, /damaged/],
    ["64-bit on a 32-bit processor", bzImage(), { longMode: false }, /64-bit kernel, but .* 32-bit processor/],
    ["32-bit in 64-bit mode", bzImage({ xloadflags: 0 }), { mode: "long64" }, /no 64-bit entry/],
    [
      "with a long command line",
      bzImage({ cmdline_size: 10 }),
      { commandLine: "12345678901" },
      /has 11 bytes; this kernel takes 10/,
    ],
    ["with a zero in its command line", bzImage(), { commandLine: "a\0b" }, /zero byte/],
    [
      "with modules",
      bzImage(),
      {
        modules: [
          { bytes: pattern(1), commandLine: "" },
          { bytes: pattern(1), commandLine: "" },
        ],
      },
      /one initrd/,
    ],
    [
      "with an initrd above its limit",
      bzImage({ initrd_addr_max: 0x10f_ffff }),
      { initrd: pattern(100) },
      /initrd is too large/,
    ],
  ] as const)("%s", (_, kernel, request, message) => {
    expect(() => load(kernel, request)).toThrow(
      expect.objectContaining({ name: "UserError", message: expect.stringMatching(message) }),
    );
  });

  test("with too little memory, saying how much it needs", () => {
    const tooLittle = () => load(bzImage({ init_size: 0x337_8000 }), { initrd: pattern(3 * MIB) });
    expect(tooLittle).toThrow(
      expect.objectContaining({
        message: "vmlinuz and its initrd (3 MiB) need 71 MiB of memory, the machine has 32 MiB",
        remedy: "Give the machine at least 71 MiB of memory.",
      }),
    );
    expect(() => load(bzImage({ init_size: 0x337_8000 }), { initrd: pattern(3 * MIB) }, 71 * MIB)).not.toThrow();
  });
});
