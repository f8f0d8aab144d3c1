import { elf } from "../../test/guest/kernel-files.ts";

/** Bytes for the branch filter to trip over: opcodes that overlap, and operands whose top byte is 00 or FF. */
function branches(length: number): Uint8Array {
  const bytes = [0xe8, 0xe9, 0x00, 0xff, 0x00, 0xe8, 0xff, 0x12];
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state, 0x41c6_4e6d) + 0x3039;
    return bytes[(state >>> 24) & 7]!;
  });
}

export function vmlinux(): Uint8Array {
  return elf(64, 0x100_0000, [
    { paddr: 0x100_0000, bytes: branches(240) },
    { paddr: 0x120_0000, bytes: new Uint8Array(300).fill(7, 0, 100), memsz: 0x1000 },
  ]);
}
