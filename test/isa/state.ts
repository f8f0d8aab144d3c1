import { CPU, EFLAGS } from "../../src/isa/state.ts";
import type { Guest } from "./guest.ts";
import { DATA, WINDOWS } from "./layout.ts";
import { newState, type UserState } from "./program.ts";

/** Offsets in an image of FXSAVE64. [SDM 1 10.5.1, table 10-2] */
const FXSAVE = { fcw: 0, fsw: 2, ftw: 4, mxcsr: 24, st: 32, xmm: 160 } as const;
const MXCSR_MASK = 28;

/** Which physical register is ST(i): FSW.TOP + i modulo 8. */
function physical(fsw: number, i: number): number {
  return ((fsw >> 11) + i) & 7;
}

/** Puts a program's state into the vCPU and the data pages. */
export function loadState({ cells, view, data }: Guest, state: UserState): void {
  const { base } = cells;
  state.gpr.forEach((value, n) => {
    view.setBigUint64(base + CPU.gpr + 8 * n, value, true);
  });
  view.setBigUint64(base + CPU.rip, state.rip, true);
  cells.setI32(CPU.eflags, (state.rflags & ~EFLAGS.RF) | EFLAGS.fixed);
  const image = new DataView(state.fxsave.buffer, state.fxsave.byteOffset, 512);
  const fsw = image.getUint16(FXSAVE.fsw, true);
  cells.setI32(CPU.fcw, image.getUint16(FXSAVE.fcw, true));
  cells.setI32(CPU.fsw, fsw);
  cells.setI32(CPU.ftw, image.getUint8(FXSAVE.ftw));
  cells.setI32(CPU.mxcsr, image.getInt32(FXSAVE.mxcsr, true));
  const fxsave = (at: number, length: number): Uint8Array => state.fxsave.subarray(at, at + length);
  for (let i = 0; i < 8; i++) cells.bytes(CPU.fpr + 16 * physical(fsw, i), 10).set(fxsave(FXSAVE.st + 16 * i, 10));
  for (let n = 0; n < 16; n++) cells.bytes(CPU.xmm + 32 * n, 16).set(fxsave(FXSAVE.xmm + 16 * n, 16));
  for (let n = 0; n < 16; n++) cells.bytes(CPU.xmm + 32 * n + 16, 16).set(state.ymm.subarray(16 * n, 16 * n + 16));
  let from = 0;
  for (const { start, length } of WINDOWS) {
    data.set(state.windows.subarray(from, from + length), start - DATA);
    from += length;
  }
}

/** The state of the vCPU, whose flags are packed, and the data pages. */
export function saveState({ cells, view, data }: Guest): UserState {
  const { base } = cells;
  const state = newState();
  for (let n = 0; n < 16; n++) state.gpr[n] = view.getBigUint64(base + CPU.gpr + 8 * n, true);
  state.rip = view.getBigUint64(base + CPU.rip, true);
  state.rflags = cells.i32(CPU.eflags);
  const image = new DataView(state.fxsave.buffer);
  const fsw = cells.i32(CPU.fsw);
  image.setUint16(FXSAVE.fcw, cells.i32(CPU.fcw), true);
  image.setUint16(FXSAVE.fsw, fsw, true);
  image.setUint8(FXSAVE.ftw, cells.i32(CPU.ftw));
  image.setInt32(FXSAVE.mxcsr, cells.i32(CPU.mxcsr), true);
  image.setInt32(MXCSR_MASK, 0xffff, true);
  for (let i = 0; i < 8; i++) state.fxsave.set(cells.bytes(CPU.fpr + 16 * physical(fsw, i), 10), FXSAVE.st + 16 * i);
  for (let n = 0; n < 16; n++) state.fxsave.set(cells.bytes(CPU.xmm + 32 * n, 16), FXSAVE.xmm + 16 * n);
  for (let n = 0; n < 16; n++) state.ymm.set(cells.bytes(CPU.xmm + 32 * n + 16, 16), 16 * n);
  let to = 0;
  for (const { start, length } of WINDOWS) {
    state.windows.set(data.subarray(start - DATA, start - DATA + length), to);
    to += length;
  }
  return state;
}
