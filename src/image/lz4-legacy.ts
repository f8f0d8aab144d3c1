/** The legacy frame of LZ4, in which Linux packs its kernels: blocks that are independent, each after its length. */

/** [lz4_Frame_format, "Legacy frame"] */
export const LZ4_LEGACY_MAGIC = 0x184c_2102;

const MATCH_MINIMUM = 4;
/** A length of 15 goes on in the bytes that follow. [lz4_Block_format] */
const LENGTH_CONTINUES = 15;
/** Below this many bytes a loop is faster than a call. */
const SHORT = 24;

/** Decodes frames to exactly fill `output`. Throws Error if the input is damaged or holds more or less. */
export function decodeLz4Legacy(input: Uint8Array, output: Uint8Array): void {
  const data = new DataView(input.buffer, input.byteOffset, input.byteLength);
  let filled = 0;
  for (let at = 0; at < input.length; ) {
    if (at + 4 > input.length) throw damaged();
    const size = data.getUint32(at, true);
    at += 4;
    if (size === LZ4_LEGACY_MAGIC) continue;
    if (size > input.length - at) throw damaged();
    filled = decodeBlock(input.subarray(at, at + size), output, filled);
    at += size;
  }
  if (filled !== output.length) throw damaged();
}

/** Decodes a block to `output` from `start` on; returns where it ended. [lz4_Block_format] */
function decodeBlock(block: Uint8Array, output: Uint8Array, start: number): number {
  let to = start;
  let at = 0;
  /** The length in a token, with the bytes that continue it. */
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    if (nibble === LENGTH_CONTINUES) {
      let byte: number;
      do {
        if (at >= block.length) throw damaged();
        byte = block[at++]!;
        length += byte;
      } while (byte === 255);
    }
    return length;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = lengthFrom(token >>> 4);
    if (literals > block.length - at || literals > output.length - to) throw damaged();
    copyLiterals(block, at, output, to, literals);
    at += literals;
    to += literals;
    if (at === block.length) return to;
    const offset = block[at]! | (block[at + 1]! << 8);
    at += 2;
    const match = lengthFrom(token & 0xf) + MATCH_MINIMUM;
    if (offset === 0 || offset > to - start || match > output.length - to) throw damaged();
    copyMatch(output, to, offset, match);
    to += match;
  }
  throw damaged();
}

function copyLiterals(from: Uint8Array, at: number, output: Uint8Array, to: number, length: number): void {
  if (length > SHORT) output.set(from.subarray(at, at + length), to);
  else for (let i = 0; i < length; i++) output[to + i] = from[at + i]!;
}

/** A match may overlap what it makes: then it repeats. */
function copyMatch(output: Uint8Array, to: number, offset: number, length: number): void {
  if (length > SHORT && offset >= length) output.copyWithin(to, to - offset, to - offset + length);
  else for (let i = 0; i < length; i++) output[to + i] = output[to - offset + i]!;
}

function damaged(): Error {
  return new Error("the LZ4 data is damaged");
}
