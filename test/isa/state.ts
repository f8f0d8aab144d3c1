import type { CpuCells } from "../../src/engine/wasm/cpu-cells.ts";
import { CPU, EFLAGS, SEGMENT, type SegmentName, segmentOffset } from "../../src/isa/state.ts";
import type { Guest } from "./guest.ts";
import { DATA, IMAGE, WINDOWS } from "./layout.ts";
import { UserState } from "./program.ts";

/** Offsets in an image of FXSAVE64. [SDM 1 10.5.1, table 10-2] */
const FXSAVE = { fcw: 0, fsw: 2, ftw: 4, fop: 6, fip: 8, fdp: 16, mxcsr: 24, st: 32, xmm: 160 } as const;
const MXCSR_MASK = 28;
const SELECTED: readonly SegmentName[] = ["es", "cs", "ss", "ds", "fs", "gs"];

/** Which physical register is ST(i): FSW.TOP + i modulo 8. */
function physical(fsw: number, i: number): number {
  return ((fsw >> 11) + i) & 7;
}

/** Puts a program's state into the vCPU and the data pages; segments as their selectors say. */
export function loadState(guest: Guest, state: UserState): void {
  const { cells, data } = guest;
  const { view, image } = state;
  cells.bytes(CPU.gpr, 128).set(image.subarray(0, 128));
  cells.loadWide(CPU.rip, view, IMAGE.rip);
  cells.setI32(CPU.eflags, (state.rflags & ~EFLAGS.RF) | EFLAGS.fixed);
  SELECTED.forEach((name, n) => {
    guest.loadSegment(name, state.selectors[n]!);
  });
  cells.loadWide(segmentOffset("fs") + SEGMENT.base, view, IMAGE.fsBase);
  cells.loadWide(segmentOffset("gs") + SEGMENT.base, view, IMAGE.gsBase);
  loadFxsave(cells, new DataView(image.buffer, image.byteOffset + IMAGE.fxsave));
  for (let n = 0; n < 16; n++) {
    cells.bytes(CPU.xmm + 32 * n, 16).set(state.fxsave.subarray(FXSAVE.xmm + 16 * n, FXSAVE.xmm + 16 * n + 16));
    cells.bytes(CPU.xmm + 32 * n + 16, 16).set(state.ymm.subarray(16 * n, 16 * n + 16));
  }
  let from = 0;
  for (const { start, length } of WINDOWS) {
    data.set(state.windows.subarray(from, from + length), start - DATA);
    from += length;
  }
}

function loadFxsave(cells: CpuCells, fxsave: DataView): void {
  const fsw = fxsave.getUint16(FXSAVE.fsw, true);
  cells.setI32(CPU.fcw, fxsave.getUint16(FXSAVE.fcw, true));
  cells.setI32(CPU.fsw, fsw);
  cells.setI32(CPU.ftw, fxsave.getUint8(FXSAVE.ftw));
  cells.setI32(CPU.fop, fxsave.getUint16(FXSAVE.fop, true));
  cells.loadWide(CPU.fip, fxsave, FXSAVE.fip);
  cells.loadWide(CPU.fdp, fxsave, FXSAVE.fdp);
  cells.setI32(CPU.fcs, 0);
  cells.setI32(CPU.fds, 0);
  cells.setI32(CPU.mxcsr, fxsave.getInt32(FXSAVE.mxcsr, true));
  const bytes = new Uint8Array(fxsave.buffer, fxsave.byteOffset);
  for (let i = 0; i < 8; i++)
    cells.bytes(CPU.fpr + 16 * physical(fsw, i), 10).set(bytes.subarray(FXSAVE.st + 16 * i, FXSAVE.st + 16 * i + 10));
}

/** The state of the vCPU, whose flags are packed, and the data pages. */
export function saveState({ cells, data }: Guest): UserState {
  const state = new UserState();
  const { view, image } = state;
  image.set(cells.bytes(CPU.gpr, 128));
  cells.copyWide(CPU.rip, view, IMAGE.rip);
  state.rflags = cells.i32(CPU.eflags);
  SELECTED.forEach((name, n) => {
    state.selectors[n] = cells.i32(segmentOffset(name) + SEGMENT.selector);
  });
  cells.copyWide(segmentOffset("fs") + SEGMENT.base, view, IMAGE.fsBase);
  cells.copyWide(segmentOffset("gs") + SEGMENT.base, view, IMAGE.gsBase);
  saveFxsave(cells, new DataView(image.buffer, image.byteOffset + IMAGE.fxsave));
  for (let n = 0; n < 16; n++) {
    state.fxsave.set(cells.bytes(CPU.xmm + 32 * n, 16), FXSAVE.xmm + 16 * n);
    state.ymm.set(cells.bytes(CPU.xmm + 32 * n + 16, 16), 16 * n);
  }
  let to = 0;
  for (const { start, length } of WINDOWS) {
    state.windows.set(data.subarray(start - DATA, start - DATA + length), to);
    to += length;
  }
  return state;
}

function saveFxsave(cells: CpuCells, fxsave: DataView): void {
  const fsw = cells.i32(CPU.fsw);
  fxsave.setUint16(FXSAVE.fcw, cells.i32(CPU.fcw), true);
  fxsave.setUint16(FXSAVE.fsw, fsw, true);
  fxsave.setUint8(FXSAVE.ftw, cells.i32(CPU.ftw));
  fxsave.setUint16(FXSAVE.fop, cells.i32(CPU.fop), true);
  cells.copyWide(CPU.fip, fxsave, FXSAVE.fip);
  cells.copyWide(CPU.fdp, fxsave, FXSAVE.fdp);
  fxsave.setInt32(FXSAVE.mxcsr, cells.i32(CPU.mxcsr), true);
  fxsave.setInt32(MXCSR_MASK, 0xffff, true);
  const bytes = new Uint8Array(fxsave.buffer, fxsave.byteOffset);
  for (let i = 0; i < 8; i++) bytes.set(cells.bytes(CPU.fpr + 16 * physical(fsw, i), 10), FXSAVE.st + 16 * i);
}
