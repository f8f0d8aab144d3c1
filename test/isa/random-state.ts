import { EFLAGS, GPR } from "../../src/isa/state.ts";
import { DATA, PAGE, READ_ONLY } from "./layout.ts";
import { newState, type UserState } from "./program.ts";
import type { Random } from "./random.ts";
import { randomImage, randomUpper } from "./random-image.ts";

/** Alignment is checked in programs whose random word has all bits from this one on clear: every 32nd. */
const ALIGNMENT_BIT = 27;

/** A state to begin with: registers of edges or that point to data, any flags. `hasYmm`: the upper halves of YMM are not 0. */
export function randomState(random: Random, bits: 32 | 64, hasYmm: boolean): UserState {
  const state = newState(bits);
  const { gpr, fxsave, ymm, windows } = state;
  for (let n = 0; n < 16; n++) gpr[n] = random.edge(64);
  for (const register of [GPR.rsp, GPR.rbp, GPR.rbx, GPR.rsi, GPR.rdi]) {
    if (register === GPR.rsp || random.chance(60)) gpr[register] = randomTarget(random, 8);
  }
  if (random.chance(60)) gpr[GPR.rcx] = BigInt(random.below(40));
  if (bits === 32) for (let n = 0; n < 16; n++) gpr[n] = BigInt.asUintN(32, gpr[n]!);
  for (let n = 0; n < windows.length; n++) windows[n] = random.chance(50) ? random.u32() : Number(random.edge(8));
  const flags = random.u32();
  const checksAlignment = flags >>> ALIGNMENT_BIT === 0;
  const steps = random.chance(2);
  state.rflags =
    0x202 | (flags & (EFLAGS.arithmetic | EFLAGS.DF)) | (checksAlignment ? EFLAGS.AC : 0) | (steps ? EFLAGS.TF : 0);
  randomImage(fxsave, random);
  if (hasYmm) randomUpper(ymm, random);
  return state;
}

/** An address: mostly in a window, at the border of pages or at the end of the last one, now and then nowhere. */
export function randomTarget(random: Random, width: number): bigint {
  const aligned = BigInt(-(width & -width) || -1);
  const middle = BigInt(DATA + PAGE);
  const spread = BigInt(random.below(96)) - 48n;
  const kind = random.below(100);
  if (kind < 55) return (middle + spread) & aligned;
  if (kind < 75) return middle + spread;
  if (kind < 85) return middle - BigInt(random.below(width + 1));
  if (kind < 90) return BigInt(DATA + 2 * PAGE - random.below(width * 2 + 1));
  if (kind < 93) return BigInt(READ_ONLY + random.below(PAGE - 16));
  if (kind < 95) return BigInt(DATA - random.below(width + 1));
  if (kind < 97) return random.edge(64);
  return random.pick([0x8000_0000_0000n, 0xffff_7fff_ffff_fff8n, 0x7fff_ffff_ffffn, 0xffff_ffff_ffff_fffcn]);
}
