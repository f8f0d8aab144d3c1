import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ascii, bzImage, elf, join, multibootHeader, pattern, pvhNote } from "../../test/guest/kernel-files.ts";
import { UserError } from "../base/assert.ts";
import { createFlatMemory } from "../memory/slot-memory.ts";
import { detectKernel, loadKernel } from "./kernel.ts";
import { systemMemoryMap } from "./memory-map.ts";

const MIB = 2 ** 20;
const multiboot = multibootHeader(0).subarray(0, 12);
const addresses = {
  header_addr: MIB,
  load_addr: MIB,
  load_end_addr: MIB + 100,
  bss_end_addr: MIB + 0x1000,
  entry_addr: MIB,
};

const SAMPLES = {
  linux: bzImage({ pref_address: MIB, kernel_alignment: 0x1000, init_size: 0x4000 }, 512),
  pvh: elf(64, 0, [{ paddr: MIB, bytes: pattern(50) }, pvhNote(MIB, 64)]),
  multiboot: elf(32, MIB, [{ paddr: MIB, bytes: join([multiboot, pattern(50)]) }]),
  addresses: join([multibootHeader(0x1_0000, addresses), pattern(100)]),
};

function load(kernel: Uint8Array, memory = createFlatMemory(2 * MIB)) {
  const request = { kernel, kernelName: "kernel", commandLine: "x", initrd: pattern(100), longMode: true };
  return loadKernel(memory, { ...request, memoryMap: systemMemoryMap(2 * MIB) });
}

describe("kernel files", () => {
  test("are told apart", () => {
    expect(detectKernel(SAMPLES.linux, "")).toEqual({
      format: "linux",
      longMode: true,
      description: "Linux 6.1.0-test",
    });
    expect(detectKernel(bzImage({ xloadflags: 0, kernel_version: 0 }), "")).toEqual({
      ...{ format: "linux", longMode: false, description: "a Linux kernel" },
    });
    expect(detectKernel(SAMPLES.pvh, "").format).toBe("pvh");
    expect(detectKernel(SAMPLES.multiboot, "").format).toBe("multiboot");
    expect(detectKernel(SAMPLES.addresses, "").format).toBe("multiboot");
    const both = elf(32, MIB, [{ paddr: MIB, bytes: multiboot }, pvhNote(MIB, 32)]);
    expect(detectKernel(both, "").format).toBe("multiboot");
  });

  test.each(Object.entries(SAMPLES))("are loaded by what they are: %s", (_, file) => {
    expect(load(file).regs.rip).toBeGreaterThanOrEqual(MIB);
  });

  test("find the size of base memory in the BIOS data area", () => {
    const memory = createFlatMemory(2 * MIB);
    load(SAMPLES.multiboot, memory);
    expect([memory.readU16(0x40e), memory.readU16(0x413)]).toEqual([0x9fc0, 639]);
  });

  test.each([
    ["an empty file", new Uint8Array()],
    ["a gzip-compressed file", Uint8Array.of(0x1f, 0x8b, 8, 0)],
    ["a Debian package", ascii("!<arch>\ndebian-binary")],
    ["a cpio archive, as an initrd is", ascii("070701000002D1")],
    ["a web page", ascii("<!DOCTYPE html><title>404</title>")],
    ["a script", ascii("#!/bin/sh\n")],
    ["a text file", ascii("hello\n")],
    ["a boot sector", join([pattern(510), Uint8Array.of(0x55, 0xaa)])],
    ["a file that starts with zeros", new Uint8Array(4096)],
    ["of a kind that is not known", Uint8Array.of(1, 2, 3)],
  ])("that are none are named: %s", (name, file) => {
    const message = expect.stringContaining(`/boot/x is not a kernel: it is ${name}`);
    expect(() => detectKernel(file, "/boot/x")).toThrow(expect.objectContaining({ name: "UserError", message }));
  });

  test("that cannot be started directly say why", () => {
    const bare = elf(64, MIB, [{ paddr: MIB, bytes: pattern(50) }]);
    expect(() => detectKernel(bare, "vmlinux")).toThrow(
      /vmlinux is an ELF file without a PVH entry note or a multiboot header/,
    );
  });
});

/** A file and the bytes to overwrite in it: offset, then new bytes, of which 0, 1, 0x7f, 0x80 and 0xff are likely. */
const damaged = fc.record({
  sample: fc.constantFrom(...Object.values(SAMPLES)),
  writes: fc.array(
    fc.tuple(
      fc.nat(0x280),
      fc.array(fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)), { minLength: 1, maxLength: 8 }),
    ),
    { maxLength: 4 },
  ),
  length: fc.option(fc.nat(1600)),
});

test("damaged kernel files are loaded inside memory or refused with a message for the user", () => {
  const seed = Number(process.env.SEED ?? 20261122);
  const property = fc.property(damaged, ({ sample, writes, length }) => {
    const file = sample.slice();
    for (const [offset, bytes] of writes)
      file.set(bytes.slice(0, Math.max(0, file.length - offset)), Math.min(offset, file.length));
    try {
      load(file.subarray(0, length ?? undefined));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  });
  fc.assert(property, { seed, numRuns: 1500 });
});
