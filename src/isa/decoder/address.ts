import { type Instruction, NO_REGISTER, RIP } from "./instruction.ts";

/** Base and index registers of 16-bit addressing by ModRM.rm: BX 3, BP 5, SI 6, DI 7. [SDM 2A table 2-1] */
const BASE16 = Uint8Array.of(3, 3, 5, 5, 6, 7, 5, 3);
const INDEX16 = Uint8Array.of(6, 7, 6, 7, NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER);

/** Sets the registers of a 16-bit memory operand; gives the bytes of displacement. */
export function decodeAddress16(modrm: number, out: Instruction): number {
  const rm = modrm & 7;
  const mod = modrm >> 6;
  if (mod === 0 && rm === 6) return 2;
  out.base = BASE16[rm]!;
  out.index = INDEX16[rm]!;
  return mod;
}

/** Sets the registers of a 32- or 64-bit memory operand (`sib` is -1 without one); gives the bytes of displacement. [SDM 2A tables 2-2, 2-3, 2.2.1.6] */
export function decodeAddress32(modrm: number, sib: number, long: boolean, out: Instruction): number {
  const mod = modrm >> 6;
  const base = sib < 0 ? modrm & 7 : sib & 7;
  if (sib >= 0) takeIndex(sib, out);
  if (mod === 0 && base === 5) {
    if (sib < 0 && long) out.base = RIP;
    return 4;
  }
  out.base = base | ((out.rex & 1) << 3);
  return mod === 2 ? 4 : mod;
}

function takeIndex(sib: number, out: Instruction): void {
  const index = ((sib >> 3) & 7) | ((out.rex & 2) << 2);
  if (index === 4) return;
  out.index = index;
  out.scale = sib >> 6;
}
