import { assert } from "../../../base/assert.ts";
import { slotField } from "../../../isa/decoder/fields.ts";
import { FLAT, type Instruction, NO_REGISTER, RIP } from "../../../isa/decoder/instruction.ts";
import { CPU, place, RECORD_NEXT, SEGMENT_SIZE } from "../../../isa/state.ts";
import { FORM_FILES } from "../../../isa/table/facts.ts";
import { REGISTER_CLASSES, SLOTS } from "../../../isa/table/row.ts";

/**
 * One decoded instruction as the interpreter reads it, in linear memory. Records of a block follow one another.
 * Register fields are offsets from the vCPU's base.
 */
export const RECORD = place([
  // index of the handler in the interpreter's table
  ["handler", 4],
  // offset of the instruction from the start of its block, and of the one after it
  ["delta", 4],
  ["next", 4],
  // instructions of the block up to and with this one
  ["count", 4],
  ["reg", 2],
  ["rm", 2],
  ["vvvv", 2],
  ["base", 2],
  ["index", 2],
  ["segment", 2],
  ["scale", 2],
  ["is4", 2],
  ["disp", 8],
  ["imm", 8],
  // all ones in the address size
  ["mask", 8],
  // of a relative jump: records of its target and of the instruction after it, if on the same page and decoded, else 0
  ["takenLink", 4],
  ["nextLink", 4],
] as const);

assert(RECORD.next === RECORD_NEXT, "the helpers find an instruction's length elsewhere");

export const RECORD_SIZE = 64;

/** Handlers that stand for no form. */
export const HANDLER = {
  /** The block ends here: go on at blockRip + delta by way of the dispatcher. Also overwrites records of changed code. */
  leave: 0,
  /** #UD */
  undefinedOpcode: 1,
  /** #GP(0): more than 15 bytes. */
  tooLong: 2,
} as const;

/**
 * Every form has a handler for each way of addressing: any; flat segment and 64-bit addresses; the same without an
 * index. The handler of a form that addresses no memory is the same for all.
 */
export const ADDRESSING = { any: 0, flat: 1, flatBase: 2 } as const;
export const ADDRESSINGS = 3;

/** Slots of the interpreter's table after the handlers, for compiled regions. */
export const REGION_SLOTS = 1 << 13;

const FIRST_FORM = 3;

/** Index of a form's handler in the interpreter's table. */
export function handlerIndex(form: number, addressing: number): number {
  return FIRST_FORM + form * ADDRESSINGS + addressing;
}

/** Writes decoded instructions as records into linear memory. */
export class RecordWriter {
  readonly #view: DataView;

  constructor(view: DataView) {
    this.#view = view;
  }

  /** A record of one of HANDLER's kinds. */
  special(at: number, handler: number, delta: number, count: number): void {
    this.#head(at, handler, delta, 0, count);
  }

  /** The record of an instruction `delta` bytes into its block, the `count`th of it. */
  instruction(at: number, insn: Instruction, delta: number, count: number): void {
    const view = this.#view;
    const next = delta + insn.length;
    this.#head(at, handlerOf(insn), delta, next, count);
    this.#register(at + RECORD.reg, insn, 0, insn.reg);
    this.#register(at + RECORD.rm, insn, 1, insn.rm);
    this.#register(at + RECORD.vvvv, insn, 2, insn.vvvv);
    this.#register(at + RECORD.is4, insn, 3, insn.is4);
    view.setUint32(at + RECORD.imm, insn.immLow, true);
    view.setInt32(at + RECORD.imm + 4, insn.immHigh, true);
    this.#address(at, insn, next);
  }

  /** A register number in the form that the handler takes it in; `slot` is an index in SLOTS. */
  #register(at: number, insn: Instruction, slot: number, number: number): void {
    const file = REGISTER_CLASSES[FORM_FILES[insn.form * SLOTS.length + slot]!]!;
    this.#view.setUint16(at, slotField(file, number, insn.rex !== 0), true);
  }

  #head(at: number, handler: number, delta: number, next: number, count: number): void {
    this.#view.setUint32(at + RECORD.handler, handler, true);
    this.#view.setUint32(at + RECORD.delta, delta, true);
    this.#view.setUint32(at + RECORD.next, next, true);
    this.#view.setUint32(at + RECORD.count, count, true);
    this.#view.setUint32(at + RECORD.takenLink, 0, true);
    this.#view.setUint32(at + RECORD.nextLink, 0, true);
  }

  #address(at: number, insn: Instruction, next: number): void {
    const view = this.#view;
    const relative = insn.base === RIP;
    view.setUint16(at + RECORD.base, relative ? CPU.blockRip : registerOffset(insn.base), true);
    view.setUint16(at + RECORD.index, registerOffset(insn.index), true);
    view.setUint16(at + RECORD.segment, CPU.segments + SEGMENT_SIZE * (insn.segment < 0 ? FLAT : insn.segment), true);
    view.setUint16(at + RECORD.scale, insn.scale, true);
    const low = (insn.dispLow >>> 0) + (relative ? next : 0);
    view.setUint32(at + RECORD.disp, low >>> 0, true);
    view.setInt32(at + RECORD.disp + 4, insn.dispHigh + (low > 0xffffffff ? 1 : 0), true);
    view.setUint32(at + RECORD.mask, insn.addressSize === 16 ? 0xffff : 0xffffffff, true);
    view.setUint32(at + RECORD.mask + 4, insn.addressSize === 64 ? 0xffffffff : 0, true);
  }
}

/** The handler's number of a decoded instruction. */
export function handlerOf(insn: Instruction): number {
  return handlerIndex(insn.form, addressingOf(insn));
}

function addressingOf(insn: Instruction): number {
  if (insn.segment !== FLAT || insn.addressSize !== 64) return ADDRESSING.any;
  return insn.index === NO_REGISTER ? ADDRESSING.flatBase : ADDRESSING.flat;
}

function registerOffset(register: number): number {
  return register === NO_REGISTER ? CPU.zero : CPU.gpr + 8 * register;
}
