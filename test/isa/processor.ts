import {
  CODE,
  CODE_PAGES,
  DATA,
  DATA_PAGES,
  FILLER,
  FXSAVE_BYTES,
  IMAGE_BYTES,
  MAX_CATCHES,
  PAGE,
  READ_ONLY,
  WINDOW_BYTES,
} from "./layout.ts";
import { NativeProgram } from "./native.ts";
import { type Raised, type UserProgram, type UserResult, UserState } from "./program.ts";

const HEAD_BYTES = 4 * (4 + MAX_CATCHES);
const RAISED_BYTES = 4 * 8;
const TAIL_BYTES = 6 * 8 + MAX_CATCHES * RAISED_BYTES;
const RESPONSE_BYTES = IMAGE_BYTES + TAIL_BYTES;
/** What the harness gives instead of a vector for a program that did not end. */
const TIMEOUT = 255;
/** What the harness needs to know of the layout. */
const CONSTANTS = {
  ...{ PAGE, CODE, CODE_PAGES, DATA, DATA_PAGES, READ_ONLY },
  ...{ WINDOW_BYTES, IMAGE_BYTES, FXSAVE_BYTES, MAX_CATCHES },
};
/** A handler of signals has a program's FS and stack: nothing may be kept at the one or below the other. */
const FLAGS = ["-fno-stack-protector", "-mno-red-zone", "-mgeneral-regs-only"];

/** The processor that runs this test, behind the native harness. */
export class Processor {
  readonly #harness: NativeProgram;

  private constructor(harness: NativeProgram) {
    this.#harness = harness;
  }

  /** Builds the harness; a string says why this machine cannot. */
  static build(): Processor | string {
    if (process.platform !== "linux" || process.arch !== "x64")
      return `${process.platform} on ${process.arch} is not Linux on x86-64`;
    const defines = Object.entries(CONSTANTS).map(([name, value]) => `-D${name}=${value}`);
    const harness = NativeProgram.build("test/isa/silicon/harness.c", [...FLAGS, ...defines]);
    return typeof harness === "string" ? harness : new Processor(harness);
  }

  /** Runs programs; undefined for one that did not end. */
  run(programs: readonly UserProgram[]): (UserResult | undefined)[] {
    const size = programs.reduce((sum, { code }) => sum + requestBytes(code), 0);
    const input = new Uint8Array(size);
    let at = 0;
    for (const program of programs) {
      writeRequest(input.subarray(at), program);
      at += requestBytes(program.code);
    }
    const output = this.#harness.run(input);
    if (output.length !== programs.length * RESPONSE_BYTES) throw new Error(`the harness gave ${output.length} bytes`);
    const aligned = Uint8Array.from(output);
    return programs.map((_, n) => readResponse(aligned.subarray(n * RESPONSE_BYTES, (n + 1) * RESPONSE_BYTES)));
  }

  close(): void {
    this.#harness.remove();
  }
}

function requestBytes(code: Uint8Array): number {
  return IMAGE_BYTES + HEAD_BYTES + ((code.length + 7) & ~7);
}

function writeRequest(into: Uint8Array, { bits, code, offset, state, catches = [] }: UserProgram): void {
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  into.set(state.image);
  view.setUint32(IMAGE_BYTES, offset, true);
  view.setUint32(IMAGE_BYTES + 4, code.length, true);
  view.setUint32(IMAGE_BYTES + 8, FILLER[bits], true);
  view.setUint32(IMAGE_BYTES + 12, catches.length, true);
  catches.forEach((address, n) => {
    view.setUint32(IMAGE_BYTES + 16 + 4 * n, address, true);
  });
  into.set(code, IMAGE_BYTES + HEAD_BYTES);
}

function readResponse(from: Uint8Array<ArrayBuffer>): UserResult | undefined {
  const view = new DataView(from.buffer, from.byteOffset, from.byteLength);
  const vector = view.getUint32(IMAGE_BYTES, true);
  if (vector === TIMEOUT) return undefined;
  return {
    state: new UserState(from.subarray(0, IMAGE_BYTES)),
    vector,
    error: view.getUint32(IMAGE_BYTES + 8, true),
    address: view.getBigUint64(IMAGE_BYTES + 16, true),
    hash: view.getUint32(IMAGE_BYTES + 24, true),
    codeHash: view.getUint32(IMAGE_BYTES + 32, true),
    caught: Array.from({ length: view.getUint32(IMAGE_BYTES + 40, true) }, (_, n) =>
      readRaised(view, IMAGE_BYTES + 48 + RAISED_BYTES * n),
    ),
  };
}

function readRaised(view: DataView, at: number): Raised {
  return {
    vector: view.getUint32(at, true),
    error: view.getUint32(at + 8, true),
    address: view.getBigUint64(at + 16, true),
    rip: view.getBigUint64(at + 24, true),
  };
}
