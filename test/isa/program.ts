import { CS32, CS64, DS32, FS_BASE, FXSAVE_BYTES, GS_BASE, IMAGE, IMAGE_BYTES, WINDOW_BYTES } from "./layout.ts";

const FCW = IMAGE.fxsave;
const MXCSR = IMAGE.fxsave + 24;

/** The registers and memory that a user program can change, in one image that the native harness reads and writes too: see IMAGE. */
export class UserState {
  readonly image: Uint8Array;
  readonly view: DataView;
  /** In the order of their encoding. */
  readonly gpr: BigUint64Array;
  /** In the order of their encoding: ES, CS, SS, DS, FS, GS. */
  readonly selectors: Uint16Array;
  /** An image of FXSAVE64; see differences.ts for the pointers in it. */
  readonly fxsave: Uint8Array;
  /** The upper halves of YMM0 to YMM15. */
  readonly ymm: Uint8Array;
  readonly windows: Uint8Array;

  constructor(image = new Uint8Array(IMAGE_BYTES)) {
    const { buffer, byteOffset } = image;
    this.image = image;
    this.view = new DataView(buffer, byteOffset, IMAGE_BYTES);
    this.gpr = new BigUint64Array(buffer, byteOffset + IMAGE.gpr, 16);
    this.selectors = new Uint16Array(buffer, byteOffset + IMAGE.selectors, 6);
    this.fxsave = image.subarray(IMAGE.fxsave, IMAGE.fxsave + FXSAVE_BYTES);
    this.ymm = image.subarray(IMAGE.ymm, IMAGE.ymm + 256);
    this.windows = image.subarray(IMAGE.windows, IMAGE.windows + WINDOW_BYTES);
  }

  get rip(): bigint {
    return this.view.getBigUint64(IMAGE.rip, true);
  }

  set rip(value: bigint) {
    this.view.setBigUint64(IMAGE.rip, value, true);
  }

  get rflags(): number {
    return this.view.getUint32(IMAGE.rflags, true);
  }

  set rflags(value: number) {
    this.view.setUint32(IMAGE.rflags, value, true);
  }

  copy(): UserState {
    return new UserState(this.image.slice());
  }
}

/** A short program with what it starts from. */
export interface UserProgram {
  readonly bits: 32 | 64;
  readonly code: Uint8Array;
  /** Where the code begins in the code pages. */
  readonly offset: number;
  readonly state: UserState;
  /** Where it goes on after its first exception, its second one, and so on: MAX_CATCHES at most. With none left it ends. */
  readonly catches?: readonly number[];
  /** Instructions after which it counts as endless; MAX_STEPS if not given. */
  readonly steps?: number;
}

/** Instructions after which a short program counts as endless. */
export const MAX_STEPS = 200;

/** An exception and where it was raised. */
export interface Raised {
  readonly vector: number;
  readonly error: number;
  /** Of a page fault. */
  readonly address: bigint;
  readonly rip: bigint;
}

/** How a program ended: always with an exception, that of the filler behind it if nothing else. */
export interface UserResult {
  readonly state: UserState;
  readonly vector: number;
  readonly error: number;
  /** Of a page fault. */
  readonly address: bigint;
  /** Of the data pages, see hashData. */
  readonly hash: number;
  /** Of the code pages, see hashCode. */
  readonly codeHash: number;
  /** The exceptions after which it went on. */
  readonly caught: readonly Raised[];
}

/** The exception that ended a program. */
export function raisedAtEnd({ vector, error, address, state }: UserResult): Raised {
  return { vector, error, address, rip: state.rip };
}

/** The state of a process that has done nothing, in 64-bit or 32-bit code. */
export function newState(bits: 32 | 64 = 64): UserState {
  const state = new UserState();
  const { view } = state;
  state.rflags = 0x202;
  state.selectors.set([DS32, bits === 64 ? CS64 : CS32, DS32, DS32]);
  view.setUint32(IMAGE.fsBase, FS_BASE, true);
  view.setUint32(IMAGE.gsBase, GS_BASE, true);
  view.setUint16(FCW, 0x37f, true);
  view.setUint32(MXCSR, 0x1f80, true);
  return state;
}
