import type { Node } from "../../../isa/ir/ops.ts";
import { CPU, segmentOffset, TRAP } from "../../../isa/state.ts";
import type { Form } from "../../../isa/table/row.ts";
import type { FunctionWriter, Local } from "../asm/function-writer.ts";
import type { Binding, NodeValues } from "../emitter/binding.ts";
import { ADDRESSING, RECORD, RECORD_SIZE } from "./record.ts";

/** Locals of a handler: handler(cpu, record). */
export const CPU_PARAM: Local = 0;
export const RECORD_PARAM: Local = 1;

/** Segments that have a base in 64-bit mode too. */
const BASED_SEGMENTS: ReadonlySet<number> = new Set([segmentOffset("fs"), segmentOffset("gs")]);

/** Functions of the module that handlers end in. */
export interface Continuations {
  /** Index of dispatch(cpu), and of jump(cpu, rip), which does not need CPU.rip. */
  readonly dispatch: number;
  readonly jump: number;
  /** Type index of handlers. */
  readonly handlerType: number;
}

/** Binds a program to the fields of the decoded record at run time. */
export class RecordBinding implements Binding {
  readonly #f: FunctionWriter;
  readonly #to: Continuations;
  readonly #addressing: number;
  readonly #long: boolean;
  readonly #relative: boolean;

  /** `form` and `addressing` tell what is known of the instructions that the handler is for; without a form nothing is. */
  constructor(f: FunctionWriter, to: Continuations, form?: Form, addressing: number = ADDRESSING.any) {
    this.#f = f;
    this.#to = to;
    this.#addressing = addressing;
    this.#long = form?.mode === "only64";
    this.#relative = form?.operands.some((operand) => operand.kind === "relative") ?? false;
  }

  isFlat(segment: number | undefined): boolean {
    if (segment === undefined) return this.#addressing !== ADDRESSING.any;
    return this.#long && !BASED_SEGMENTS.has(segment);
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
    this.#record("i64.load", RECORD.disp);
    f.op("i64.add");
    if (this.#addressing === ADDRESSING.flatBase) return;
    this.#register(RECORD.index);
    this.#record("i64.load16_u", RECORD.scale);
    f.op("i64.shl");
    f.op("i64.add");
    if (this.#addressing === ADDRESSING.flat) return;
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

  jump(node: number, values: NodeValues): void {
    const rip = values.local(node);
    this.spend();
    if (this.#relative) this.#followLink(rip);
    this.#f.get(CPU_PARAM);
    this.#f.get(rip);
    this.#f.tailCall(this.#to.jump);
  }

  /** Goes straight to the record of a relative jump's target, if it is known and the budget allows. */
  #followLink(rip: Local): void {
    const f = this.#f;
    const link = f.local("i32");
    this.#record("i32.load", RECORD.nextLink);
    this.#record("i32.load", RECORD.takenLink);
    f.get(rip);
    this.ripNext();
    f.op("i64.eq");
    f.op("select");
    f.tee(link);
    f.i32(0);
    f.op("i32.ne");
    this.#state("i32.load", CPU.budget);
    f.i32(0);
    f.op("i32.ge_s");
    f.op("i32.and");
    f.open("if");
    f.get(CPU_PARAM);
    f.get(rip);
    f.memory("i64.store", CPU.blockRip);
    f.get(CPU_PARAM);
    f.get(link);
    f.get(link);
    f.memory("i32.load", RECORD.handler);
    f.tailCallIndirect(this.#to.handlerType);
    f.close();
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

  /** The label where faults go. */
  faultLabel = 0;

  faultIf(): void {
    this.#f.brIf(this.faultLabel);
  }

  /** Everything is in memory. */
  read(): boolean {
    return false;
  }
  write(): boolean {
    return false;
  }
  flags(): void {
    throw new Error("flags are lowered before emission");
  }
  cond(): void {
    throw new Error("conditions are lowered before emission");
  }
  beforeCall(): void {}
  afterCall(): void {}

  loadHelper(): string {
    return "load_slow";
  }
  storeHelper(): string {
    return "store_slow";
  }

  loadFailed(host: Local): void {
    this.#f.get(host);
    this.#f.op("i32.eqz");
    this.faultIf();
  }
  storeFailed(): void {
    this.faultIf();
  }
  leaveLocked(): boolean {
    return false;
  }

  tlb(): void {
    this.#state("i32.load", CPU.tlb);
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
    this.#f.tailCall(this.#to.dispatch);
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
    f.tailCallIndirect(this.#to.handlerType);
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
