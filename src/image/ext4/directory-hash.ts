import { HALF_MD4 } from "../../spec/fs/ext4.ts";

const CHUNK = 32;
const WORDS = CHUNK / 4;

type Mix = (x: number, y: number, z: number) => number;
const MIXES: readonly Mix[] = [
  (x, y, z) => z ^ (x & (y ^ z)),
  (x, y, z) => ((x & y) + ((x ^ y) & z)) | 0,
  (x, y, z) => x ^ y ^ z,
];

/** The hash of a name in a directory with a hash tree: half MD4 of unsigned characters. `seed` is the file system's. [fs/ext4/hash.c] */
export function directoryHash(name: Uint8Array, seed: Uint32Array): number {
  const state = seed.some((word) => word !== 0) ? Int32Array.from(seed) : Int32Array.from(HALF_MD4.initial);
  for (let at = 0; at < name.length; at += CHUNK) transform(state, words(name.subarray(at)));
  const hash = (state[1]! & ~1) >>> 0;
  return hash === HALF_MD4.end ? HALF_MD4.end - 2 : hash;
}

/** The next characters as words, filled up with the length of what is left of the name. */
function words(rest: Uint8Array): Int32Array {
  const byte = rest.length & 0xff;
  const pad = byte | (byte << 8) | (byte << 16) | (byte << 24);
  const into = new Int32Array(WORDS).fill(pad);
  let value = pad;
  const count = Math.min(rest.length, CHUNK);
  for (let i = 0; i < count; i++) {
    value = (rest[i]! + (value << 8)) | 0;
    into[i >> 2] = value;
    if (i % 4 === 3) value = pad;
  }
  return into;
}

function transform(state: Int32Array, input: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0] = state;
  MIXES.forEach((mix, round) => {
    HALF_MD4.words[round]!.forEach((word, step) => {
      const sum = (a + mix(b, c, d) + input[word]! + HALF_MD4.add[round]!) | 0;
      const shift = HALF_MD4.shifts[round]![step % 4]!;
      [a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c];
    });
  });
  [a, b, c, d].forEach((word, index) => {
    state[index] = (state[index]! + word) | 0;
  });
}
