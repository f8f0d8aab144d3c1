import type { Instruction } from "../../src/isa/decoder/instruction.ts";
import { operandsOf } from "../../src/isa/evaluate/operands.ts";
import { CPU, GPR, MODE, SEGMENT, SEGMENT_SIZE } from "../../src/isa/state.ts";
import { formOf } from "../../src/isa/table/forms.ts";
import { DATA } from "./layout.ts";

/** The state in which an instruction is about to be executed. Valid until the next one. */
export class Moment {
  insn!: Instruction;
  readonly #view: DataView;
  readonly #cpu: number;
  readonly #data: Uint8Array;

  constructor(view: DataView, cpu: number, data: Uint8Array) {
    this.#view = view;
    this.#cpu = cpu;
    this.#data = data;
  }

  get rip(): bigint {
    return this.#view.getBigUint64(this.#cpu + CPU.rip, true);
  }

  get is64bit(): boolean {
    return (this.#view.getUint32(this.#cpu + CPU.mode, true) & MODE.sizeMask) === MODE.code64;
  }

  get fcw(): number {
    return this.#view.getUint16(this.#cpu + CPU.fcw, true);
  }

  get eflags(): number {
    return this.#view.getUint32(this.#cpu + CPU.eflags, true);
  }

  /** 32 bits of a vector register. */
  lane(register: number, lane: number): number {
    return this.#view.getUint32(this.#cpu + CPU.xmm + 32 * register + 4 * lane, true);
  }

  gpr(number: number): bigint {
    return this.#view.getBigUint64(this.#cpu + CPU.gpr + 8 * number, true);
  }

  /** The memory operand's offset in its segment; of a string instruction the source's. */
  get offset(): bigint {
    if (formOf(this.insn).operands.some((o) => o.kind === "string" && o.segment === "source"))
      return BigInt.asUintN(this.insn.addressSize, this.gpr(GPR.rsi));
    return operandsOf(this.insn, this.rip).effectiveAddress((number) => this.gpr(number));
  }

  /** The linear address of the memory operand. */
  get address(): bigint {
    const base = CPU.segments + SEGMENT_SIZE * this.insn.segment + SEGMENT.base;
    return BigInt.asUintN(64, this.offset + this.#view.getBigUint64(this.#cpu + base, true));
  }

  /** 16 bits of the data pages; undefined if they are elsewhere. */
  dataWord(linear: bigint): number | undefined {
    const [low, high] = [this.dataByte(linear), this.dataByte(linear + 1n)];
    return low === undefined || high === undefined ? undefined : low | (high << 8);
  }

  /** A byte of the data pages; undefined elsewhere. */
  dataByte(linear: bigint): number | undefined {
    return this.#data[Number(linear - BigInt(DATA))];
  }
}
