import { expect, test } from "vitest";
import { createFlatMemory } from "../memory/slot-memory.ts";
import { biosRange, writeBios } from "./bios.ts";

const KIB = 1024;

test.each([64, 128, 256])("a BIOS of %i KiB ends at 4 GiB and at 1 MiB", (kib) => {
  const bios = Uint8Array.from({ length: kib * KIB }, (_, n) => n >> 10);
  const range = biosRange(bios, "bios");
  expect(range).toEqual({ addr: 2 ** 32 - bios.length, size: bios.length });
  const memory = createFlatMemory(1024 * KIB);
  writeBios(
    { ...memory, write: (gpa, from) => gpa < 2 ** 20 && memory.write(gpa, from) } as typeof memory,
    bios,
    range,
  );
  expect(memory.view(1024 * KIB - bios.length, bios.length)).toEqual(bios);
});

test.each([0, 1000, 63 * KIB, 512 * KIB])("%i bytes are no BIOS", (length) => {
  expect(() => biosRange(new Uint8Array(length), "x.bin")).toThrow(`x.bin is no firmware: it has ${length} bytes`);
});
