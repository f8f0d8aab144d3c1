import type { Node } from "../../../isa/ir/ops.ts";
import { CPU, TRAP } from "../../../isa/state.ts";
import type { FunctionWriter, Local } from "../asm/function-writer.ts";
import type { Binding } from "../emitter/program-emitter.ts";
import { RECORD, RECORD_SIZE } from "./record.ts";

/** Locals of a handler: handler(cpu, record). */
export const CPU_PARAM: Local = 0;
export const RECORD_PARAM: Local = 1;

/** Binds a program to the fields of the decoded record at run time. */
export class RecordBinding implements Binding {
  readonly #f: FunctionWriter;
  readonly #dispatch: number;
  readonly #handlerType: number;

  constructor(f: FunctionWriter, dispatch: number, handlerType: number) {
    this.#f = f;
    this.#dispatch = dispatch;
    this.#handlerType = handlerType;
  }

  registerAddress(slot: NonNullable<Node["slot"]>): number {
    this.#f.get(CPU_PARAM);
    this.field(slot);
    this.#f.op("i32.add");
    return 0;
  }

  field(slot: NonNullable<Node["slot"]>): void {
    this.#record("i32.load16_u", RECORD[slot]);
  }

  imm(type: "i32" | "i64"): void {
    this.#record(`${type}.load`, RECORD.imm);
  }

  /** (base + (index << scale) + disp) & mask */
  ea(): void {
    const f = this.#f;
    this.#register(RECORD.base);
    this.#register(RECORD.index);
    this.#record("i64.load32_u", RECORD.scale);
    f.op("i64.shl");
    f.op("i64.add");
    this.#record("i64.load", RECORD.disp);
    f.op("i64.add");
    this.addressMask();
    f.op("i64.and");
  }

  segment(): void {
    this.#record("i32.load16_u", RECORD.segment);
  }

  addressMask(): void {
    this.#record("i64.load", RECORD.mask);
  }

  ripThis(): void {
    this.#rip(RECORD.delta);
  }

  ripNext(): void {
    this.#rip(RECORD.next);
  }

  jump(rip: Local): void {
    this.setRip(() => this.#f.get(rip));
    this.spend();
    this.dispatch();
  }

  end(): void {
    const f = this.#f;
    this.spend();
    this.#state("i32.load", CPU.trap);
    this.#state("i32.load", CPU.interruptPending);
    f.op("i32.or");
    f.open("if");
    f.i32(TRAP.budget);
    this.#state("i32.load", CPU.trap);
    this.#state("i32.load", CPU.trap);
    f.op("i32.eqz");
    f.op("select");
    f.op("return");
    f.close();
    this.dispatch();
  }

  retry(): void {
    this.#goto(0);
  }

  /** Runs the next record of the block. */
  next(): void {
    this.#goto(RECORD_SIZE);
  }

  /** Takes the block's instructions so far off the budget. */
  spend(): void {
    const f = this.#f;
    f.get(CPU_PARAM);
    this.#state("i32.load", CPU.budget);
    this.#record("i32.load", RECORD.count);
    f.op("i32.sub");
    f.memory("i32.store", CPU.budget);
  }

  setRip(push: () => void): void {
    this.#f.get(CPU_PARAM);
    push();
    this.#f.memory("i64.store", CPU.rip);
  }

  dispatch(): void {
    this.#f.get(CPU_PARAM);
    this.#f.tailCall(this.#dispatch);
  }

  #goto(distance: number): void {
    const f = this.#f;
    f.get(CPU_PARAM);
    f.get(RECORD_PARAM);
    if (distance) {
      f.i32(distance);
      f.op("i32.add");
    }
    this.#record("i32.load", distance + RECORD.handler);
    f.tailCallIndirect(this.#handlerType);
  }

  #rip(delta: number): void {
    this.#state("i64.load", CPU.blockRip);
    this.#record("i64.load32_u", delta);
    this.#f.op("i64.add");
  }

  #register(field: number): void {
    this.#f.get(CPU_PARAM);
    this.#record("i32.load16_u", field);
    this.#f.op("i32.add");
    this.#f.memory("i64.load", 0);
  }

  #record(name: string, at: number): void {
    this.#f.get(RECORD_PARAM);
    this.#f.memory(name, at);
  }

  #state(name: string, at: number): void {
    this.#f.get(CPU_PARAM);
    this.#f.memory(name, at);
  }
}
