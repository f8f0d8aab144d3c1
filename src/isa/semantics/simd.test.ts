import { expect, test } from "vitest";
import { CR0 } from "../../spec/x86/control-register.ts";
import { decode } from "../decoder/decode.ts";
import { Instruction } from "../decoder/instruction.ts";
import { evaluate } from "../evaluate.ts";
import { CPU, CPU_SIZE, MODE, TRAP, VECTOR } from "../state.ts";

/** A vCPU in 64-bit mode without memory, for instructions between registers. */
class Registers {
  readonly #view = new DataView(new ArrayBuffer(CPU_SIZE));

  constructor() {
    this.set(CPU.mode, MODE.code64);
    this.set(CPU.mxcsr, 0x1fa0);
  }

  get(at: number): number {
    return this.#view.getUint32(at, true);
  }
  set(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  #raise(vector: number): number {
    this.set(CPU.faultVector, vector);
    this.set(CPU.trap, TRAP.exception);
    return 0;
  }

  /** Executes an instruction; gives the vector of its exception, if it raised one. */
  execute(...bytes: readonly number[]): number | undefined {
    const insn = new Instruction();
    expect(decode(Uint8Array.from(bytes), 0, bytes.length, 64, insn)).toBe(0);
    const outcome = evaluate(
      { view: this.#view, cpu: 0, helpers: { raise_plain: (_, vector) => this.#raise(vector as number) } },
      insn,
    );
    expect(this.get(CPU.trap)).toBe(outcome === "trap" ? TRAP.exception : TRAP.none);
    return outcome === "trap" ? this.get(CPU.faultVector) : undefined;
  }
}

const PADDB_XMM = [0x66, 0x0f, 0xfc, 0xc1] as const;
const VPADDB_XMM = [0xc5, 0xf9, 0xfc, 0xc1] as const;
const ANDN = [0xc4, 0xe2, 0x70, 0xf2, 0xc2] as const;
const PADDB_MMX = [0x0f, 0xfc, 0xc1] as const;
const CVTPI2PS = [0x0f, 0x2a, 0xc1] as const;
const EMMS = [0x0f, 0x77] as const;

test.each([VECTOR.UD, VECTOR.NM])("an instruction on XMM registers raises %i where SSE is switched so", (vector) => {
  const registers = new Registers();
  registers.set(CPU.sseTrap, vector);
  expect(registers.execute(...PADDB_XMM)).toBe(vector);
  expect(registers.execute(...CVTPI2PS)).toBe(vector);
});

test.each([
  [CR0.EM, VECTOR.UD],
  [CR0.TS, VECTOR.NM],
])("an instruction on MMX registers under CR0 %i raises %i", (cr0, vector) => {
  const registers = new Registers();
  registers.set(CPU.cr0, cr0);
  for (const code of [PADDB_MMX, CVTPI2PS, EMMS]) {
    registers.set(CPU.trap, TRAP.none);
    expect(registers.execute(...code)).toBe(vector);
  }
  registers.set(CPU.trap, TRAP.none);
  expect(registers.execute(...PADDB_XMM)).toBeUndefined();
});

test("a pending x87 exception is raised by MMX instructions", () => {
  const registers = new Registers();
  registers.set(CPU.fsw, 0x8081);
  expect(registers.execute(...PADDB_MMX)).toBe(VECTOR.MF);
  registers.set(CPU.trap, TRAP.none);
  expect(registers.execute(...PADDB_XMM)).toBeUndefined();
});

test("MMX instructions make all x87 registers valid and EMMS empties them", () => {
  const registers = new Registers();
  registers.set(CPU.fsw, 0x3800 | 0x4700);
  registers.set(CPU.ftw, 0x12);
  expect(registers.execute(...PADDB_MMX)).toBeUndefined();
  expect([registers.get(CPU.ftw), registers.get(CPU.fsw)]).toEqual([0xff, 0x4700]);
  expect(registers.get(CPU.fpr + 8) & 0xffff).toBe(0xffff);
  expect(registers.execute(...EMMS)).toBeUndefined();
  expect(registers.get(CPU.ftw)).toBe(0);
});

test.each([VECTOR.UD, VECTOR.NM])("an instruction with a VEX prefix raises %i where AVX is switched so", (vector) => {
  const registers = new Registers();
  registers.set(CPU.avxTrap, vector);
  expect(registers.execute(...VPADDB_XMM)).toBe(vector);
  registers.set(CPU.trap, TRAP.none);
  expect(registers.execute(...PADDB_XMM)).toBeUndefined();
});

test("BMI instructions are undefined where no VEX prefix exists", () => {
  const registers = new Registers();
  registers.set(CPU.vexTrap, VECTOR.UD);
  expect(registers.execute(...ANDN)).toBe(VECTOR.UD);
});

test("a VEX instruction on XMM registers clears the upper half of the YMM register", () => {
  const registers = new Registers();
  registers.set(CPU.xmm + 16, 0x1234_5678);
  registers.set(CPU.xmm + 32, 0x0101_0101);
  expect(registers.execute(...VPADDB_XMM)).toBeUndefined();
  expect([registers.get(CPU.xmm), registers.get(CPU.xmm + 16)]).toEqual([0x0101_0101, 0]);
});

test("an instruction on XMM registers leaves the upper half of the YMM register", () => {
  const registers = new Registers();
  registers.set(CPU.xmm + 16, 0x1234_5678);
  registers.set(CPU.xmm + 32, 0x0101_0101);
  expect(registers.execute(...PADDB_XMM)).toBeUndefined();
  expect([registers.get(CPU.xmm), registers.get(CPU.xmm + 16)]).toEqual([0x0101_0101, 0x1234_5678]);
});

test("RCPSS is within 1.5 * 2^-12 of the reciprocal, and flushes denormals", () => {
  const registers = new Registers();
  const float = new DataView(new ArrayBuffer(4));
  const reciprocal = (x: number): number => {
    float.setFloat32(0, x, true);
    registers.set(CPU.xmm + 32, float.getUint32(0, true));
    registers.execute(0xf3, 0x0f, 0x53, 0xc1);
    float.setUint32(0, registers.get(CPU.xmm), true);
    return float.getFloat32(0, true);
  };
  for (const x of [1, -3, 1e10, 7e-20]) expect(Math.abs(reciprocal(x) * x - 1)).toBeLessThan(1.5 * 2 ** -12);
  expect(reciprocal(1e-40)).toBe(Number.POSITIVE_INFINITY);
  expect(reciprocal(-3e38)).toBe(-0);
});
