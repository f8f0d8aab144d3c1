import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { hashWords } from "./layout.ts";
import { FXSAVE_BYTES, type UserProgram, YMM_BYTES } from "./program.ts";

const DIRECTORY = new URL("../seeds/", import.meta.url);

interface SavedProgram {
  readonly bits: 32 | 64;
  readonly code: string;
  readonly offset: number;
  readonly rip: string;
  readonly rflags: number;
  readonly gpr: string;
  readonly fxsave: string;
  /** Left out where all are 0. */
  readonly ymm?: string;
  readonly windows: string;
  /** For the reader. */
  readonly text: readonly string[];
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** Keeps a program that some executor got wrong, so that it is run from now on; gives the file's name. */
export function saveSeed({ bits, code, offset, state }: UserProgram, text: string): string {
  const saved: SavedProgram = {
    bits,
    code: toHex(code),
    offset,
    rip: state.rip.toString(16),
    rflags: state.rflags,
    gpr: Array.from(state.gpr, (value) => value.toString(16)).join(" "),
    fxsave: toHex(state.fxsave.subarray(0, 416)),
    ...(state.ymm.some((byte) => byte !== 0) ? { ymm: toHex(state.ymm) } : {}),
    windows: toHex(state.windows),
    text: text.split("\n"),
  };
  const content = JSON.stringify(saved, null, 2);
  const name = `${hashWords(Uint32Array.from(Buffer.from(content))).toString(16)}.json`;
  mkdirSync(DIRECTORY, { recursive: true });
  writeFileSync(new URL(name, DIRECTORY), `${content}\n`);
  return `test/seeds/${name}`;
}

/** All programs kept. */
export function loadSeeds(): UserProgram[] {
  const names = readdirSync(fileURLToPath(DIRECTORY)).filter((name) => name.endsWith(".json"));
  return names.map((name) => parse(JSON.parse(readFileSync(new URL(name, DIRECTORY), "utf8")) as SavedProgram));
}

function parse(saved: SavedProgram): UserProgram {
  const fxsave = new Uint8Array(FXSAVE_BYTES);
  fxsave.set(fromHex(saved.fxsave));
  const ymm = new Uint8Array(YMM_BYTES);
  ymm.set(fromHex(saved.ymm ?? ""));
  return {
    bits: saved.bits,
    code: fromHex(saved.code),
    offset: saved.offset,
    state: {
      gpr: BigUint64Array.from(saved.gpr.split(" "), (value) => BigInt(`0x${value}`)),
      rip: BigInt(`0x${saved.rip}`),
      rflags: saved.rflags,
      fxsave,
      ymm,
      windows: fromHex(saved.windows),
    },
  };
}
