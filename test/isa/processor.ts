import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  CODE,
  CODE_BYTES,
  CODE_PAGES,
  CS32,
  CS64,
  DATA,
  DATA_PAGES,
  DS32,
  FILLER,
  GS_BASE,
  PAGE,
  READ_ONLY,
  WINDOW_BYTES,
} from "./layout.ts";
import { FXSAVE_BYTES, type UserProgram, type UserResult, YMM_BYTES } from "./program.ts";

const REQUEST_BYTES = 128 + 8 + 4 * 4 + FXSAVE_BYTES + YMM_BYTES + WINDOW_BYTES + CODE_BYTES;
const RESPONSE_BYTES = 128 + 6 * 8 + FXSAVE_BYTES + YMM_BYTES + WINDOW_BYTES;
/** What the harness gives instead of a vector for a program that did not end. */
const TIMEOUT = 255;
/** What the harness needs to know of the layout. */
const CONSTANTS = {
  PAGE,
  CODE,
  CODE_PAGES,
  DATA,
  DATA_PAGES,
  READ_ONLY,
  WINDOW_BYTES,
  CODE_BYTES,
  DS32,
  GS_BASE,
} as const;

/** The processor that runs this test, behind the native harness. */
export class Processor {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Builds the harness; a string says why this machine cannot. */
  static build(): Processor | string {
    if (process.platform !== "linux" || process.arch !== "x64")
      return `${process.platform} on ${process.arch} is not Linux on x86-64`;
    const directory = mkdtempSync(join(tmpdir(), "tskvm-silicon-"));
    const source = fileURLToPath(new URL("silicon/harness.c", import.meta.url));
    const defines = Object.entries(CONSTANTS).map(([name, value]) => `-D${name}=${value}`);
    const built = spawnSync("gcc", ["-O2", "-Wall", "-o", join(directory, "harness"), ...defines, source], {
      encoding: "utf8",
    });
    if (built.status === 0) return new Processor(directory);
    rmSync(directory, { recursive: true });
    return built.error
      ? `there is no C compiler (${built.error.message})`
      : `the harness does not compile:\n${built.stderr}`;
  }

  /** Runs programs; undefined for one that did not end. */
  run(programs: readonly UserProgram[]): (UserResult | undefined)[] {
    const input = new Uint8Array(programs.length * REQUEST_BYTES);
    for (const [n, program] of programs.entries()) writeRequest(input.subarray(n * REQUEST_BYTES), program);
    const output = execFileSync(join(this.#directory, "harness"), { input, maxBuffer: 1 << 30 });
    if (output.length !== programs.length * RESPONSE_BYTES) throw new Error(`the harness gave ${output.length} bytes`);
    return programs.map((_, n) => readResponse(output.subarray(n * RESPONSE_BYTES, (n + 1) * RESPONSE_BYTES)));
  }

  close(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function writeRequest(into: Uint8Array, { bits, code, offset, state }: UserProgram): void {
  const view = viewOf(into);
  state.gpr.forEach((value, n) => {
    view.setBigUint64(8 * n, value, true);
  });
  view.setBigUint64(128, state.rip, true);
  view.setUint32(136, state.rflags, true);
  view.setUint32(140, bits === 64 ? CS64 : CS32, true);
  view.setUint32(144, offset, true);
  view.setUint32(148, FILLER[bits], true);
  into.set(state.fxsave, 152);
  into.set(state.ymm, 664);
  into.set(state.windows, 664 + YMM_BYTES);
  into.fill(FILLER[bits], REQUEST_BYTES - CODE_BYTES, REQUEST_BYTES);
  into.set(code, REQUEST_BYTES - CODE_BYTES);
}

function readResponse(from: Uint8Array): UserResult | undefined {
  const view = viewOf(from);
  const vector = view.getUint32(144, true);
  if (vector === TIMEOUT) return undefined;
  return {
    state: {
      gpr: BigUint64Array.from({ length: 16 }, (_, n) => view.getBigUint64(8 * n, true)),
      rip: view.getBigUint64(128, true),
      rflags: view.getUint32(136, true),
      fxsave: from.slice(176, 688),
      ymm: from.slice(688, 688 + YMM_BYTES),
      windows: from.slice(688 + YMM_BYTES, RESPONSE_BYTES),
    },
    vector,
    error: view.getUint32(152, true),
    address: view.getBigUint64(160, true),
    hash: view.getUint32(168, true),
  };
}
