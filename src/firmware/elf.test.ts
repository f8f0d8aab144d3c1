import { describe, expect, test } from "vitest";
import { elf, pattern, pvhNote } from "../../test/guest/kernel-files.ts";
import { createFlatMemory } from "../memory/slot-memory.ts";
import { elfNotes, loadElf, parseElf, physicalEntry } from "./elf.ts";
import { systemMemoryMap } from "./memory-map.ts";
import { Placement } from "./placement.ts";

const MIB = 2 ** 20;
const SIZE = 4 * MIB;

function load(file: Uint8Array) {
  const memory = createFlatMemory(SIZE);
  return loadElf(memory, new Placement(systemMemoryMap(SIZE)), file, parseElf(file, "kernel"));
}

function changed(file: Uint8Array, offset: number, ...bytes: number[]): Uint8Array {
  const copy = file.slice();
  copy.set(bytes, offset);
  return copy;
}

describe("the ELF loader", () => {
  const good = elf(32, MIB, [{ paddr: MIB, bytes: pattern(100), memsz: 200 }]);

  test("returns the end of what it loaded", () => {
    expect(load(good)).toBe(MIB + 200);
    expect(
      load(
        elf(64, MIB, [
          { paddr: 2 * MIB, bytes: pattern(1) },
          { paddr: MIB, bytes: pattern(1) },
        ]),
      ),
    ).toBe(2 * MIB + 1);
  });

  test("finds the entry's physical address", () => {
    const high = { vaddr: 0xc010_0000, paddr: MIB, bytes: pattern(10), memsz: 100 };
    expect(physicalEntry(parseElf(elf(32, 0xc010_0020, [high]), ""))).toBe(MIB + 0x20);
    expect(physicalEntry(parseElf(elf(32, MIB + 0x20, [high]), ""))).toBe(MIB + 0x20);
  });

  test("reads notes and stops at a damaged one", () => {
    const file = elf(64, 0, [pvhNote(0x1234, 64)]);
    const notes = elfNotes(file, parseElf(file, "kernel"));
    expect(notes.map(({ name, type, descriptor }) => [name, type, descriptor.length])).toEqual([
      ["GNU", 3, 5],
      ["Xen", 18, 8],
    ]);
    const noteAt = file.length - 24;
    const damaged = changed(file, noteAt + 4, 0xff, 0xff, 0xff, 0xff);
    expect(elfNotes(damaged, parseElf(damaged, "kernel")).map((note) => note.name)).toEqual(["GNU"]);
  });

  test.each([
    ["shorter than its header", good.subarray(0, 40), /truncated/],
    ["without its program headers", good.subarray(0, 60), /program headers are missing/],
    ["without its segments' bytes", good.subarray(0, good.length - 1), /truncated/],
    [
      "with a program header table far outside",
      changed(good, 28, 0xff, 0xff, 0xff, 0xff),
      /program headers are missing/,
    ],
    ["with program headers of no size", changed(good, 42, 0), /program headers are missing/],
    ["with more bytes in the file than in memory", changed(good, 52 + 20, 1, 0, 0, 0), /more bytes in the file/],
    ["of another byte order", changed(good, 5, 2), /another kind of machine/],
    ["of an unknown class", changed(good, 4, 3), /another kind of machine/],
    ["for another processor", changed(good, 18, 183), /another processor \(e_machine 183\)/],
    ["that is an object file", changed(good, 16, 1), /not an executable/],
    ["with a segment outside memory", elf(32, 0, [{ paddr: 0xf000_0000, bytes: pattern(1) }]), /does not have/],
    ["with a huge segment", elf(64, 0, [{ paddr: MIB, bytes: pattern(1), memsz: 2 ** 52 }]), /does not have/],
    [
      "with overlapping segments",
      elf(32, 0, [
        { paddr: MIB, bytes: pattern(20) },
        { paddr: MIB + 19, bytes: pattern(20) },
      ]),
      /on top of the kernel/,
    ],
  ])("refuses a file %s", (_, file, message) => {
    expect(() => load(file)).toThrow(
      expect.objectContaining({ name: "UserError", message: expect.stringMatching(message) }),
    );
  });
});
