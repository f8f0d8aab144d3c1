import { FLAT, type Instruction, NO_REGISTER, RIP } from "../../../isa/decoder/instruction.ts";
import { HELPERS, type HelperName } from "../../../isa/ir/helpers.ts";
import type { Node, Program, RegSlot } from "../../../isa/ir/ops.ts";
import { CPU, SEGMENT_SIZE, SEGMENTS } from "../../../isa/state.ts";
import type { Local } from "../asm/function-writer.ts";
import type { Binding, NodeValues } from "../emitter/binding.ts";
import { CPU_PARAM } from "../interpreter/record-binding.ts";
import { LEAVE, type RegionEmitter } from "./region-emitter.ts";
import { slotOf } from "./specialize.ts";

/** Helpers that read or write general registers. */
const USES_REGISTERS: ReadonlySet<string> = new Set<HelperName>(["movs", "stos", "lods", "cmps", "scas"]);
/** Helpers that write guest memory, and so perhaps code. */
const WRITES_MEMORY: ReadonlySet<string> = new Set<HelperName>(["movs", "stos", "x87_store"]);

/** Bytes of a store whose helper does not spare code either. */
const WIDE = 32;

/** Whether a program may write guest memory in a helper, which does not spare code. */
export function writesMemory({ nodes }: Program): boolean {
  return nodes.some((node) =>
    node.op === "call" ? WRITES_MEMORY.has(node.helper!) : node.op === "store" && node.width === WIDE,
  );
}

/** Whether an instruction may be left at a node. */
export function mayLeave(node: Node): boolean {
  if (node.op === "call") return HELPERS[node.helper as HelperName].faults;
  return node.op === "load" || node.op === "store" || node.op === "trap_if";
}

/** Binds programs to the instructions of a region: operands are constants, registers and flags are in locals. */
export class RegionBinding implements Binding {
  readonly #region: RegionEmitter;
  #insn!: Instruction;
  #flagsAreDead = false;
  retryLabel = 0;

  constructor(region: RegionEmitter) {
    this.#region = region;
  }

  /** From now on for this instruction. */
  begin(insn: Instruction, flagsAreDead: boolean): void {
    this.#insn = insn;
    this.#flagsAreDead = flagsAreDead;
  }

  get #f() {
    return this.#region.f;
  }

  read(node: Node): boolean {
    const { flags, state } = this.#region;
    const at = this.#offsetOf(node);
    if (at === CPU.flagResult) this.#f.get(flags.result);
    else if (at === CPU.flagAux) this.#f.get(flags.aux);
    else return state.read(at, node);
    return true;
  }

  write(node: Node, push: () => void): boolean {
    const { flags, state } = this.#region;
    const at = this.#offsetOf(node);
    if (at !== CPU.flagResult && at !== CPU.flagAux) return state.write(at, node, push);
    push();
    this.#f.set(at === CPU.flagResult ? flags.result : flags.aux);
    flags.known = { state: "made" };
    return true;
  }

  flags(node: Node, values: NodeValues): void {
    if (!this.#flagsAreDead) this.#region.flags.set(node, values);
  }

  cond(code: number): void {
    this.#region.flags.condition(code);
  }

  registerAddress(slot: RegSlot): number {
    this.#f.get(CPU_PARAM);
    return slotOf(this.#insn, slot);
  }

  field(slot: RegSlot): void {
    this.#f.i32(slotOf(this.#insn, slot));
  }

  imm(type: "i32" | "i64"): void {
    if (type === "i32") this.#f.i32(this.#insn.immLow);
    else this.#f.i64(this.#insn.immLow, this.#insn.immHigh);
  }

  ea(): void {
    const { base, index, dispLow, dispHigh, addressSize } = this.#insn;
    if (addressSize === 64) return this.#wideAddress(base, index, dispLow, dispHigh);
    const f = this.#f;
    this.#narrowAddress();
    if (addressSize === 16) {
      f.i32(0xffff);
      f.op("i32.and");
    }
    f.op("i64.extend_i32_u");
  }

  #wideAddress(base: number, index: number, low: number, high: number): void {
    const f = this.#f;
    const parts: (() => void)[] = [];
    if (base === RIP) parts.push(() => this.ripNext());
    else if (base !== NO_REGISTER) parts.push(() => f.get(this.#region.state.gpr(base)));
    if (index !== NO_REGISTER) parts.push(() => this.#scaled(index, "i64"));
    if (low !== 0 || high !== 0 || parts.length === 0) parts.push(() => f.i64(low, high));
    this.#sum(parts, "i64");
  }

  #narrowAddress(): void {
    const f = this.#f;
    const { base, index, dispLow } = this.#insn;
    const parts: (() => void)[] = [];
    const narrow = (push: () => void) => () => {
      push();
      f.op("i32.wrap_i64");
    };
    if (base === RIP) parts.push(narrow(() => this.ripNext()));
    else if (base !== NO_REGISTER) parts.push(narrow(() => f.get(this.#region.state.gpr(base))));
    if (index !== NO_REGISTER) parts.push(() => this.#scaled(index, "i32"));
    if (dispLow !== 0 || parts.length === 0) parts.push(() => f.i32(dispLow));
    this.#sum(parts, "i32");
  }

  #sum(parts: readonly (() => void)[], type: "i32" | "i64"): void {
    parts.forEach((push, n) => {
      push();
      if (n > 0) this.#f.op(`${type}.add`);
    });
  }

  #scaled(index: number, type: "i32" | "i64"): void {
    const f = this.#f;
    f.get(this.#region.state.gpr(index));
    if (type === "i32") f.op("i32.wrap_i64");
    if (this.#insn.scale === 0) return;
    if (type === "i32") f.i32(this.#insn.scale);
    else f.i64(this.#insn.scale, 0);
    f.op(`${type}.shl`);
  }

  isFlat(segment: number | undefined): boolean {
    const number = segment === undefined ? this.#insn.segment : (segment - CPU.segments) / SEGMENT_SIZE;
    const name = SEGMENTS[number];
    if (number === FLAT) return true;
    if (this.#region.region.request.codeSize === 32) return name === "es" || name === "ss" || name === "ds";
    return name !== "fs" && name !== "gs";
  }

  segment(): void {
    this.#f.i32(CPU.segments + SEGMENT_SIZE * this.#insn.segment);
  }

  addressMask(): void {
    const { addressSize } = this.#insn;
    this.#f.i64(addressSize === 16 ? 0xffff : -1, addressSize === 64 ? -1 : 0);
  }

  ripThis(): void {
    this.#region.rip(this.#region.instruction.offset);
  }

  ripNext(): void {
    this.#region.rip(this.#region.instruction.offset + this.#insn.length);
  }

  jump(rip: number, values: NodeValues): void {
    this.#region.jump(values, rip);
  }

  end(): void {
    throw new Error("the interpreter executes what ends by itself");
  }

  retry(): void {
    this.#f.br(this.retryLabel);
  }

  faultIf(): void {
    this.#leaveIf(LEAVE.fault);
  }

  #leaveIf(kind: number): void {
    const f = this.#f;
    f.usually(false);
    f.open("if");
    f.i32(kind);
    this.#region.leaveAtInstruction();
    f.close();
  }

  loadHelper(write: boolean): string {
    return write ? "load_checked" : "load_slow";
  }

  storeHelper(probed: boolean): string {
    return probed ? "store_slow" : "store_checked";
  }

  loadFailed(host: Local, write: boolean): void {
    const f = this.#f;
    f.get(host);
    f.i32(2);
    f.op("i32.lt_u");
    f.usually(false);
    f.open("if");
    if (write) {
      f.get(host);
      f.i32(LEAVE.fault);
      f.op("i32.add");
    } else f.i32(LEAVE.fault);
    this.#region.leaveAtInstruction();
    f.close();
  }

  storeFailed(probed: boolean): void {
    const f = this.#f;
    if (probed) return this.faultIf();
    const kind = f.local("i32");
    f.tee(kind);
    f.usually(false);
    f.open("if");
    f.get(kind);
    this.#region.leaveAtInstruction();
    f.close();
  }

  leaveLocked(): boolean {
    this.#f.i32(LEAVE.interpret);
    this.#region.leaveAtInstruction();
    return true;
  }

  beforeCall(helper: HelperName): void {
    if (USES_REGISTERS.has(helper)) this.#region.state.store();
  }

  afterCall(helper: HelperName): void {
    if (USES_REGISTERS.has(helper)) this.#region.state.load();
  }

  tlb(): void {
    this.#f.get(this.#region.tlb);
  }

  /** The state offset that a get or set names. */
  #offsetOf(node: Node): number {
    return node.slot === undefined ? node.at! : slotOf(this.#insn, node.slot) + (node.at ?? 0);
  }
}
