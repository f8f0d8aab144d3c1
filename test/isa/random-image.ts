import type { Random } from "./random.ts";

/** Float edges as bit patterns: zeros, ones, the least and greatest normal and denormal numbers, infinities, NaNs. */
const SINGLES = [
  0, 0x80000000, 1, 0x007fffff, 0x00800000, 0x3f800000, 0xbf800000, 0x40490fdb, 0x4b000001, 0x4f000000, 0xcf000000,
  0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffa00123, 0x3f000000, 0x33800000,
];
const DOUBLES = [
  0n,
  1n << 63n,
  1n,
  0x000f_ffff_ffff_ffffn,
  0x0010_0000_0000_0000n,
  0x3ff0_0000_0000_0000n,
  0xbff0_0000_0000_0000n,
  0x4009_21fb_5444_2d18n,
  0x4330_0000_0000_0001n,
  0x41df_ffff_ffc0_0000n,
  0x43e0_0000_0000_0000n,
  0xc1e0_0000_0000_0000n,
  0x7fef_ffff_ffff_ffffn,
  0x7ff0_0000_0000_0000n,
  0xfff0_0000_0000_0000n,
  0x7ff8_0000_0000_0000n,
  0x7ff0_0000_0000_0001n,
  0xfff4_0000_0000_0123n,
  0x3fe0_0000_0000_0000n,
];
/** Sign and exponent of extended precision numbers. */
const EXPONENTS = [
  0, 1, 0x3ffe, 0x3fff, 0x4000, 0x4003, 0x401e, 0x403e, 0x403f, 0x3fc0, 0x43fe, 0x3c00, 0x7ffe, 0x7fff,
];
const SIGNIFICANDS = [
  1n << 63n,
  (1n << 64n) - 1n,
  0xc000_0000_0000_0000n,
  0xa000_0000_0000_0000n,
  0x8000_0000_0000_0001n,
];

const EXCEPTION_MASKS = 0x3f;

/** Fills an FXSAVE image: x87 and SSE control words, registers of edges. No unmasked exception is pending. */
export function randomImage(image: Uint8Array, random: Random): void {
  const view = new DataView(image.buffer, image.byteOffset);
  const fcw = random.chance(70) ? 0x37f : 0x40 | (random.u32() & 0xf3f);
  view.setUint16(0, fcw, true);
  view.setUint16(2, (random.u32() & 0x7f00) | (random.chance(20) ? random.u32() & fcw & EXCEPTION_MASKS : 0), true);
  image[4] = random.pick([0xff, 0xff, 0, random.below(256)]);
  view.setUint32(24, randomMxcsr(random), true);
  for (let n = 0; n < 8; n++) writeExtended(view, 32 + 16 * n, random);
  for (let n = 0; n < 16; n++) writeVector(view, 160 + 16 * n, random);
}

/** Fills the upper halves of the YMM registers. */
export function randomUpper(upper: Uint8Array, random: Random): void {
  const view = new DataView(upper.buffer, upper.byteOffset);
  for (let n = 0; n < 16; n++) writeVector(view, 16 * n, random);
}

/** Mostly the default; else any rounding, DAZ, FTZ, masks and flags. */
function randomMxcsr(random: Random): number {
  return random.chance(60) ? 0x1f80 : random.u32() & 0xffff;
}

function writeExtended(view: DataView, at: number, random: Random): void {
  const significand = random.chance(40)
    ? random.pick(SIGNIFICANDS)
    : random.u64() | (random.chance(90) ? 1n << 63n : 0n);
  view.setBigUint64(at, random.chance(10) ? 0n : significand, true);
  const exponent = random.chance(70) ? random.pick(EXPONENTS) : 0x3fff - 70 + random.below(140);
  view.setUint16(at + 8, exponent | (random.chance(50) ? 0x8000 : 0), true);
}

function writeVector(view: DataView, at: number, random: Random): void {
  const kind = random.below(4);
  for (let n = 0; n < 16; n += kind === 0 ? 4 : 8) {
    if (kind === 0) view.setUint32(at + n, random.chance(60) ? random.pick(SINGLES) : random.u32(), true);
    else if (kind === 1) view.setBigUint64(at + n, random.chance(60) ? random.pick(DOUBLES) : random.u64(), true);
    else view.setBigUint64(at + n, random.edge(64), true);
  }
}
