import { slotField } from "../decoder/fields.ts";
import { type Instruction, NO_REGISTER, RIP } from "../decoder/instruction.ts";
import type { RegSlot } from "../ir/ops.ts";
import { CPU, SEGMENT_SIZE } from "../state.ts";
import { FORM_FILES } from "../table/facts.ts";
import { REGISTER_CLASSES, SLOTS } from "../table/row.ts";
import { type Bits, unsigned } from "./bits.ts";

/** What a program reads from its own instruction; addresses are state offsets. */
export interface Operands {
  /** By operand slot: state offset of the register, or its number. */
  readonly slots: Readonly<Record<RegSlot, number>>;
  readonly imm: bigint;
  readonly segment: number;
  /** All ones in the address size. */
  readonly addressMask: Bits;
  readonly ripThis: Bits;
  readonly ripNext: Bits;
  /** The effective address, from the registers as they are; `gpr` reads a general register's 64 bits. */
  effectiveAddress(gpr: (number: number) => Bits): Bits;
}

/** The operands of an instruction that was decoded at `rip`. */
export function operandsOf(insn: Instruction, rip: Bits): Operands {
  const addressMask = (1n << BigInt(insn.addressSize)) - 1n;
  const ripNext = unsigned(rip + BigInt(insn.length), 64);
  const displacement = wide(insn.dispLow, insn.dispHigh);
  const { base, index, scale } = insn;
  return {
    slots: {
      reg: slotOf(insn, "reg"),
      rm: slotOf(insn, "rm"),
      vvvv: slotOf(insn, "vvvv"),
      is4: slotOf(insn, "is4"),
    },
    imm: wide(insn.immLow, insn.immHigh),
    segment: CPU.segments + SEGMENT_SIZE * insn.segment,
    addressMask,
    ripThis: rip,
    ripNext,
    effectiveAddress: (gpr) => {
      const value = (register: number): Bits =>
        register === RIP ? ripNext : register === NO_REGISTER ? 0n : gpr(register);
      return (value(base) + (value(index) << BigInt(scale)) + displacement) & addressMask;
    },
  };
}

function slotOf(insn: Instruction, slot: RegSlot): number {
  const file = REGISTER_CLASSES[FORM_FILES[insn.form * SLOTS.length + SLOTS.indexOf(slot)]!]!;
  return slotField(file, insn[slot], insn.rex !== 0);
}

function wide(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}
