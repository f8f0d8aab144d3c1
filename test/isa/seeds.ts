import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MAX_STEPS, newState, type UserProgram } from "./program.ts";
import { ROOT } from "./root.ts";

const DIRECTORY = new URL("test/seeds/", ROOT);

interface SavedProgram {
  readonly bits: 32 | 64;
  readonly code: string;
  readonly offset: number;
  readonly rip: string;
  readonly rflags: number;
  readonly gpr: string;
  readonly fxsave: string;
  /** Absent: zeros. */
  readonly ymm?: string;
  readonly windows: string;
  /** Absent: none. */
  readonly catches?: readonly number[];
  /** Absent: a short program's. */
  readonly steps?: number;
  /** For the reader. */
  readonly text: readonly string[];
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** Keeps a program that some executor got wrong, so that it is run from now on; gives the file's name. */
export function saveSeed({ bits, code, offset, state, catches, steps }: UserProgram, text: string): string {
  const saved: SavedProgram = {
    bits,
    code: toHex(code),
    offset,
    rip: state.rip.toString(16),
    rflags: state.rflags,
    gpr: Array.from(state.gpr, (value) => value.toString(16)).join(" "),
    fxsave: toHex(state.fxsave),
    ymm: toHex(state.ymm),
    windows: toHex(state.windows),
    ...(catches && { catches }),
    ...(steps && { steps }),
    text: text.split("\n"),
  };
  const content = JSON.stringify(saved, null, 2);
  const name = `${createHash("sha256").update(content).digest("hex").slice(0, 8)}.json`;
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
  const { bits, offset, rflags, catches = [], steps = MAX_STEPS } = saved;
  const state = newState(bits);
  state.rip = BigInt(`0x${saved.rip}`);
  state.rflags = rflags;
  state.gpr.set(saved.gpr.split(" ").map((value) => BigInt(`0x${value}`)));
  state.fxsave.set(fromHex(saved.fxsave));
  state.ymm.set(fromHex(saved.ymm ?? ""));
  state.windows.set(fromHex(saved.windows));
  return { bits, code: fromHex(saved.code), offset, state, catches, steps };
}
