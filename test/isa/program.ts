import { WINDOW_BYTES } from "./layout.ts";

/** The registers and memory that a user program can change. `rflags` and `fxsave` are in the processor's formats. */
export interface UserState {
  /** In the order of their encoding. */
  readonly gpr: BigUint64Array;
  rip: bigint;
  rflags: number;
  /** An image of FXSAVE64; the instruction and operand pointers in it are not compared. */
  readonly fxsave: Uint8Array;
  /** The upper halves of the YMM registers. */
  readonly ymm: Uint8Array;
  readonly windows: Uint8Array;
}

/** A short program with what it starts from. */
export interface UserProgram {
  readonly bits: 32 | 64;
  readonly code: Uint8Array;
  /** Where the code begins in the code pages. */
  readonly offset: number;
  readonly state: UserState;
}

/** How a program ended: always with an exception, that of the filler behind it if nothing else. */
export interface UserResult {
  readonly state: UserState;
  readonly vector: number;
  readonly error: number;
  /** Of a page fault. */
  readonly address: bigint;
  /** Of the data pages, see hashWords. */
  readonly hash: number;
}

export const FXSAVE_BYTES = 512;
export const YMM_BYTES = 256;
const FCW = 0;
const MXCSR = 24;

export function newState(): UserState {
  const state = {
    gpr: new BigUint64Array(16),
    rip: 0n,
    rflags: 0x202,
    fxsave: new Uint8Array(FXSAVE_BYTES),
    ymm: new Uint8Array(YMM_BYTES),
    windows: new Uint8Array(WINDOW_BYTES),
  };
  const view = new DataView(state.fxsave.buffer);
  view.setUint16(FCW, 0x37f, true);
  view.setUint32(MXCSR, 0x1f80, true);
  return state;
}

export function copyState(state: UserState): UserState {
  const { gpr, fxsave, ymm, windows } = state;
  return { ...state, gpr: gpr.slice(), fxsave: fxsave.slice(), ymm: ymm.slice(), windows: windows.slice() };
}
