import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { elf, packedBzImage } from "../../test/guest/kernel-files.ts";
import { type ElfSegment, loadable, parseElf } from "../firmware/elf.ts";
import { unpackKernel } from "./kernel-payload.ts";

const MIB = 2 ** 20;

/** What all packed kernels here hold; the first segment is for the branch filter to trip over. */
const CODE = branches(240);
const DATA = new Uint8Array(300).fill(7, 0, 100);
const VMLINUX = elf(64, 16 * MIB, [
  { paddr: 16 * MIB, bytes: CODE },
  { paddr: 18 * MIB, bytes: DATA, memsz: 0x1000 },
]);

/** Opcodes that overlap, and operands whose top byte is 00 or FF. */
function branches(length: number): Uint8Array {
  const bytes = [0xe8, 0xe9, 0x00, 0xff, 0x00, 0xe8, 0xff, 0x12];
  return Uint8Array.from(numbers(1, length), (number) => bytes[number & 7]!);
}

/** `length` numbers of 8 bits. */
function numbers(seed: number, length: number): number[] {
  let state = seed;
  return Array.from({ length }, () => {
    state = Math.imul(state, 0x41c6_4e6d) + 0x3039;
    return state >>> 24;
  });
}

/** VMLINUX as made by xz, lz4 -l and zstd, with its size behind it as Linux's build adds it. */
const SAMPLES = new Map(
  Object.entries({
    "xz with the branch filter":
      "/Td6WFoAAAFpIt42AgEEACEBEACLIW9J4ALLAOJdAD+RRYRoPYmm2orMk+JO8enh6PAAfZ2WTioLyrALvASy94LF4TI/Dp8lDu5wtLCx" +
      "9gL1IuQ4hiaH4oTGk3XjKLNQYOuWvybe6pxxIa1MmUaBc7wQofm3GbFSOoi0vMucw6Ba2tLtI1SYRSWRDPneyNQqimq2rq352IJWT/ns" +
      "Ztr65th5E2wAVbWHBLC6tW8TbYiZZwDQwq7za9/CsenZ3/1Z7+L2nMnvx9ecVlz5LjxSAsJP5jpExVddb2HSHtdFSvPGY9X+aVbDXGg5" +
      "Mfu8gP6u0VPhjWhAQqdMRpbBzWgX7gAAAAB/v6cnAAH6AcwFAABHVGxwPjANiwIAAAAAAVlazAIAAA==",
    "plain xz":
      "/Td6WFoAAAD/EtlBAgAhARAAAACocI6G4ALLAMNdAD+RRYRoPYmm2orMk+JO8enh6PAAfZ2WTioLyrALvASy94LF4TI/Dp8lDu5wtLCx" +
      "9gL1IuQ4hiaH4oTGkewpok4MXSzdUYkgwUSGHhm57oKcyk+nZ5n263uMD/me9Tu3FnyqKckmVy6ZCTWiFieWIN60X2x7Wm/MssUL3++f" +
      "sVuzqNE47RT5uMQ9G31AEBrORZ4SKtKCrjtyFa8EaPPvTpTfeB3FQGO6sFr8uBjfkFfJeCzFqdZaEOnxW212lsPJ7VAAAAAAAAHXAcwF" +
      "AACvQl7LqAAK/AIAAAAAAFlazAIAAA==",
    lz4:
      "AiFMGCoBAACEf0VMRgIBAQABAEMCAD4ADgABBwAuQAABAGdAADgAAgAlAEYAAACwHwAYAQgAE/ANAAQIAAwlABWgewAoIAEIABQsGAAa" +
      "EDgAoOn/EgDp6OkAEhILABDoEwDwAf/p/+joAOgA/+gAEhL//+kgAPEK6ej/6Oj/AP8A/+kA/+joEv/oAOgS6OjpEgwAwP8S/+jo6AAA" +
      "6QD/AA8AACUAEP8TAGH///8S/xJSAGAA6ej/AOgKABASCQAxABLoJAAACwBAAP8S6AsAEBJjAACBACD/6QUAoP8A6QDo/wAS6OhrAABP" +
      "AEDoAOj/LwAAbABQ//8S6BIuAAAbABDpbABB6P/p6SYAkOj/EgDo6BIA/3EAEAC8ABEAOQAAXQAfBwEAUB8AAQCvUAAAAAAAzAIAAA==",
    zstd:
      "KLUv/WTMAS0FALbRHxXQV8YUvgmgmAIUOKCNQJomkFoYISkiABcAFQB5ps9VypNI4yTPoAAg1KgeAEdVIEOIEFUBOhQIAAgoFglGyfKr" +
      "f/Mu3ZS67KIyKuaiN3frzjjNiwS6iipt01/zVavsK5ftn5Kt+Gw7+RwJqnNrZ9o+0WRVn9nVca0S5UsvNw0OIMBscAdEoEQccCp7Jdu/" +
      "InwocXzgRsvvN0EYRT3WgYjHBVL1sN/MAgAA",
  }).map(([name, text]) => [name, Buffer.from(text, "base64")]),
);

function inMemory(file: Uint8Array, { offset, filesz, memsz }: ElfSegment): Uint8Array {
  const bytes = new Uint8Array(memsz);
  bytes.set(file.subarray(offset, offset + filesz));
  return bytes;
}

async function reason(file: Uint8Array): Promise<string | undefined> {
  const unpacked = await unpackKernel(file);
  return unpacked.elf === undefined ? unpacked.reason : undefined;
}

function withSize(packed: Uint8Array, size: number): Buffer {
  const field = Buffer.alloc(4);
  field.writeUInt32LE(size);
  return Buffer.concat([packed, field]);
}

describe("a packed kernel is unpacked", () => {
  test.each([...SAMPLES, ["gzip", gzipSync(VMLINUX)] as const])("from %s", async (_, payload) => {
    const { elf: file } = await unpackKernel(packedBzImage(payload));
    const parsed = parseElf(file!, "vmlinux");
    expect([parsed.bits, parsed.entry]).toEqual([64, 16 * MIB]);
    expect(loadable(parsed).map((segment) => ({ paddr: segment.paddr, bytes: inMemory(file!, segment) }))).toEqual([
      { paddr: 16 * MIB, bytes: CODE },
      { paddr: 18 * MIB, bytes: Uint8Array.from({ length: 0x1000 }, (_, at) => DATA[at] ?? 0) },
    ]);
  });

  test("without the zeros at its segments' ends", async () => {
    const { elf: file } = await unpackKernel(packedBzImage(gzipSync(VMLINUX)));
    expect(file!.length).toBeLessThan(VMLINUX.length - 200);
  });

  test("at the physical address of its entry", async () => {
    const high = { paddr: 16 * MIB, vaddr: 0xc100_0000, bytes: CODE };
    const payload = gzipSync(elf(32, 0xc100_0010, [high]));
    const { elf: file } = await unpackKernel(packedBzImage(payload, { xloadflags: 0 }));
    expect(parseElf(file!, "vmlinux")).toMatchObject({ bits: 32, entry: 16 * MIB + 16 });
  });
});

describe("a kernel is left packed", () => {
  const gzip = gzipSync(VMLINUX);
  const xz = SAMPLES.get("xz with the branch filter")!;
  const packed = (paddr: number) => gzipSync(elf(64, paddr, [{ paddr, bytes: CODE }]));

  test.each([
    ["that is no bzImage", VMLINUX, /not a bzImage/],
    ["that is cut off", packedBzImage(gzip).subarray(0, 1200), /truncated/],
    ["of an old protocol", packedBzImage(gzip, { version: 0x207 }), /where the kernel inside is/],
    ["whose payload lies outside", packedBzImage(gzip, { payload_offset: 0xffff_ff00 }), /where the kernel inside is/],
    ["whose payload is empty", packedBzImage(gzip, { payload_length: 0 }), /where the kernel inside is/],
    ["packed with bzip2", packedBzImage(withSize(Buffer.from("BZh91AY&SY"), 100)), /packed with bzip2/],
    ["packed with lzo", packedBzImage(withSize(Buffer.from("894c5a4f000d0a1a0a", "hex"), 100)), /packed with lzo/],
    ["packed somehow", packedBzImage(withSize(Buffer.from("what is this"), 100)), /unknown method/],
    ["of an absurd size", packedBzImage(withSize(xz.subarray(0, -4), 0xffff_ffff)), /too large/],
    ["of a size that is too large", packedBzImage(withSize(xz.subarray(0, -4), VMLINUX.length + 1)), /shorter/],
    ["of a size that is too small", packedBzImage(withSize(xz.subarray(0, -4), VMLINUX.length - 1)), /longer/],
    ["with something else inside", packedBzImage(gzipSync("no kernel, just a text that is a bit longer")), /ELF/],
    ["linked below the memory that it asks for", packedBzImage(packed(15 * MIB)), /setup header/],
    ["linked above the memory that it asks for", packedBzImage(packed(24 * MIB - 1)), /setup header/],
    ["of another width than its header says", packedBzImage(gzip, { xloadflags: 0 }), /setup header/],
  ])("%s", async (_, file, message) => expect(await reason(file)).toMatch(message));

  test("with a wrong checksum", async () => {
    const damaged = Buffer.from(xz);
    // The check stands before the index of 12 bytes, the footer of 12 and the size.
    damaged[damaged.length - 4 - 12 - 12 - 4]! ^= 1;
    expect(await reason(packedBzImage(damaged))).toMatch(/checksum/);
  });

  test.each([...SAMPLES, ["gzip", gzip] as const])(
    "or it is whole, however its bytes are damaged: %s",
    async (_, payload) => {
      const good = packedBzImage(payload);
      for (let seed = 1; seed <= 60; seed++) {
        const [where = 0, what = 0, ...places] = numbers(seed, 6);
        const file = good.slice();
        const start = where % 2 === 0 ? 0x1f1 : 1024 + 0x102;
        for (const place of places) file[start + place] = what;
        const unpacked = await unpackKernel(file);
        if (unpacked.elf === undefined) expect(unpacked.reason, `seed ${seed}`).not.toBe("");
        else expect(() => parseElf(unpacked.elf, "vmlinux"), `seed ${seed}`).not.toThrow();
      }
    },
  );
});
