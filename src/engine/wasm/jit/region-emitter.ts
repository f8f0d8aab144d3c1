import { NO_REGISTER } from "../../../isa/decoder/instruction.ts";
import { lowerFlags } from "../../../isa/ir/lower.ts";
import type { Node } from "../../../isa/ir/ops.ts";
import { CPU } from "../../../isa/state.ts";
import type { FunctionWriter, Local } from "../asm/function-writer.ts";
import type { NodeValues } from "../emitter/binding.ts";
import { type Callees, ProgramEmitter } from "../emitter/program-emitter.ts";
import { RECORD } from "../interpreter/record.ts";
import { CPU_PARAM } from "../interpreter/record-binding.ts";
import { emitChoice } from "./choice.ts";
import { FlagLocals, flagUse, isDeferred } from "./flag-locals.ts";
import { emitGuard } from "./guard.ts";
import { conditionOf, type Region, type RegionBlock, type RegionInstruction } from "./region.ts";
import { mayLeave, RegionBinding, writesMemory } from "./region-binding.ts";
import { HEAD, Shape } from "./shape.ts";
import { slotOf } from "./specialize.ts";
import { StateLocals } from "./state-locals.ts";

/** Functions of the module that regions end in. */
export interface RegionContinuations extends Callees {
  readonly dispatch: number;
  /** enter(cpu, record, handler): goes on with a record by a handler of the interpreter's table. */
  readonly enter: number;
}

/** How a region is left; the numbers are what the slow helpers give. */
export const LEAVE = {
  /** Go on at `rip` by way of the dispatcher. */
  dispatch: 0,
  /** CPU.trap says why; `rip` is the instruction's. */
  fault: 1,
  /** The interpreter executes the instruction at `rip`: its record and handler are given. */
  interpret: 2,
  /** Go on at `rip`, whose record is given. */
  link: 3,
} as const;

/** Emits a region as one function: handler(cpu, record) -> trap. */
export class RegionEmitter {
  readonly f: FunctionWriter;
  readonly region: Region;
  readonly to: RegionContinuations;
  readonly state: StateLocals;
  readonly flags: FlagLocals;
  /** Instructions executed and not yet taken off the budget. */
  readonly #spent: Local;
  /** rip of the page's first byte. */
  readonly #pageRip: Local;
  readonly #leaveKind: Local;
  readonly #leaveRip: Local;
  readonly #leaveRecord: Local;
  readonly #leaveHandler: Local;
  readonly tlb: Local;
  readonly #codeWrites: Local;
  readonly #binding: RegionBinding;
  readonly #shape: Shape;
  #leaveLabel = 0;
  /** Labels of the loops and blocks that are open, by the node they lead to. */
  readonly #labels = new Map<number, number>();
  #block!: RegionBlock;
  /** Index in the block of the instruction that is emitted. */
  #index = 0;

  constructor(f: FunctionWriter, region: Region, to: RegionContinuations) {
    this.f = f;
    this.region = region;
    this.to = to;
    this.state = new StateLocals(f, CPU_PARAM);
    this.flags = new FlagLocals(f, CPU_PARAM);
    this.#spent = f.local("i32");
    this.#pageRip = f.local("i64");
    this.#leaveKind = f.local("i32");
    this.#leaveRip = f.local("i64");
    this.#leaveRecord = f.local("i32");
    this.#leaveHandler = f.local("i32");
    this.tlb = f.local("i32");
    this.#codeWrites = f.local("i32");
    this.#binding = new RegionBinding(this);
    this.#shape = new Shape(region);
    this.#keepRegisters();
  }

  emit(): void {
    const f = this.f;
    f.releaseLocals();
    this.#findPage();
    emitGuard(this);
    this.#enter();
    this.#leaveLabel = f.open("block");
    this.flags.tell();
    this.#tree(HEAD);
    f.op("unreachable");
    f.close();
    this.#leave();
  }

  get instruction(): RegionInstruction {
    return this.#block.instructions[this.#index]!;
  }

  // Entering

  #keepRegisters(): void {
    for (const block of this.region.blocks.values())
      for (const { insn, program } of block.instructions) {
        for (const node of program.nodes) {
          const at = node.slot === undefined ? node.at : slotOf(insn, node.slot) + (node.at ?? 0);
          if (node.op === "get" || node.op === "get_reg") this.state.keep(at!, node.width!, false);
          if (node.op === "set" || node.op === "set_reg") this.state.keep(at!, node.width!, true);
          if (node.op !== "ea") continue;
          for (const register of [insn.base, insn.index])
            if (register < NO_REGISTER) this.state.keep(CPU.gpr + 8 * register, 8, false);
        }
      }
  }

  #findPage(): void {
    const f = this.f;
    f.get(CPU_PARAM);
    f.memory("i64.load", CPU.blockRip);
    f.tee(this.#leaveRip);
    f.i64(this.region.request.root, 0);
    f.op("i64.sub");
    f.set(this.#pageRip);
  }

  #enter(): void {
    const f = this.f;
    this.state.load();
    this.flags.load();
    f.get(CPU_PARAM);
    f.memory("i32.load", CPU.tlb);
    f.set(this.tlb);
    f.get(CPU_PARAM);
    f.memory("i32.load", CPU.codeWrites);
    f.set(this.#codeWrites);
  }

  /** Pushes the rip of an offset in the page. */
  rip(offset: number): void {
    const f = this.f;
    f.get(this.#pageRip);
    f.i64(offset, offset < 0 ? -1 : 0);
    f.op("i64.add");
    this.cutRip();
  }

  /** Cuts the rip on the stack to the code's size. */
  cutRip(): void {
    if (this.region.request.codeSize === 64) return;
    this.f.op("i32.wrap_i64");
    this.f.op("i64.extend_i32_u");
  }

  // Shape: a node's blocks are nested so that every edge is a branch outwards [Ramsey: Beyond Relooper]

  #tree(node: number): void {
    const { dominated, merges, loops } = this.#shape.structure;
    const children = dominated.get(node)!.filter((child) => merges.has(child));
    if (!loops.has(node)) return this.#within(node, children);
    const label = this.f.open("loop");
    const outer = this.#labels.get(node);
    this.#labels.set(node, label);
    this.flags.known = { state: "unknown" };
    this.#leaveWithoutBudget(node);
    this.#within(node, children);
    this.f.op("unreachable");
    this.f.close();
    if (outer === undefined) this.#labels.delete(node);
    else this.#labels.set(node, outer);
  }

  /** A node, and after it those of its children that several edges lead to: last in order outermost. */
  #within(node: number, merges: readonly number[]): void {
    if (merges.length === 0) return node === HEAD ? this.#emitHead() : this.#emitBlock(this.region.blocks.get(node)!);
    const [last, ...rest] = merges as [number, ...number[]];
    this.#labels.set(last, this.f.open("block"));
    this.#within(node, rest);
    this.f.op("unreachable");
    this.f.close();
    this.#labels.delete(last);
    this.flags.known = { state: "unknown" };
    this.#tree(last);
  }

  /** Goes on at the entry that is at the rip to go on at. */
  #emitHead(): void {
    const f = this.f;
    const { entries, structure } = this.#shape;
    if (!structure.loops.has(HEAD)) return this.#goto(HEAD, this.region.request.root);
    const offset = f.local("i64");
    f.get(this.#leaveRip);
    f.get(this.#pageRip);
    f.op("i64.sub");
    f.set(offset);
    emitChoice(f, offset, entries, (entry) => {
      this.flags.known = { state: "unknown" };
      this.#goto(HEAD, entry);
    });
    this.flags.known = { state: "unknown" };
    this.#leaveAs(LEAVE.dispatch, 0);
  }

  /** Goes from a block to an offset in the page. */
  #goto(from: number, to: number): void {
    if (!this.region.blocks.has(to)) return this.#leaveTo(to);
    if (this.#shape.leadsByHead(from, to)) {
      this.rip(to);
      this.f.set(this.#leaveRip);
      return this.#toHead();
    }
    const inline = this.#shape.isOnlyFrom(from, to);
    if (inline && this.#shape.structure.loops.has(to)) this.flags.tell();
    if (inline) return this.#tree(to);
    if (!this.#ignoresFlags(to)) this.flags.tell();
    this.f.br(this.#labels.get(to)!);
  }

  /** Goes on at the rip to go on at by way of the head. */
  #toHead(): void {
    this.flags.tell();
    this.f.br(this.#labels.get(HEAD)!);
  }

  #leaveWithoutBudget(node: number): void {
    const f = this.f;
    f.get(CPU_PARAM);
    f.memory("i32.load", CPU.budget);
    f.get(this.#spent);
    f.op("i32.lt_s");
    f.usually(false);
    f.open("if");
    if (node !== HEAD) {
      this.rip(node);
      f.set(this.#leaveRip);
    }
    this.#leaveAs(LEAVE.dispatch, 0);
    f.close();
  }

  // Blocks

  #emitBlock(block: RegionBlock): void {
    const f = this.f;
    this.#block = block;
    this.#index = 0;
    f.get(this.#spent);
    f.i32(block.instructions.length);
    f.op("i32.add");
    f.set(this.#spent);
    for (const [index, instruction] of block.instructions.entries()) {
      this.#index = index;
      this.#emitInstruction(instruction);
      f.releaseLocals();
    }
    const { end } = block;
    if (end.kind === "interpret") return this.#interpret(end);
    const last = block.instructions.at(-1)!;
    const jumps = last.program.nodes.some((node) => node.op === "jump");
    if (end.kind === "goto" && !jumps) this.#goto(block.offset, end.target);
  }

  #emitInstruction({ program, insn }: RegionInstruction): void {
    const { flags } = this;
    const usesWords = program.nodes.some((node) => this.#needsWords(node));
    if (usesWords) flags.make();
    const dead = this.#flagsAreDead();
    const kept = (node: Node): boolean =>
      isDeferred(node) || (node.op === "flags" && dead) || (node.op === "cond" && flags.has(node.at!));
    this.#binding.begin(insn, dead);
    const locked = program.nodes.some((node) => node.locked);
    if (locked) this.#binding.retryLabel = this.f.open("loop");
    new ProgramEmitter(this.f, CPU_PARAM, this.#binding, this.to).emit(lowerFlags(program, kept));
    if (locked) this.f.close();
    const jumps = program.nodes.some((node) => node.op === "jump");
    if (!jumps && writesMemory(program)) this.#leaveIfCodeChanged(() => this.rip(this.#nextOffset()));
  }

  #nextOffset(): number {
    const { offset, insn } = this.instruction;
    return offset + insn.length;
  }

  /** Whether a node reads the words of the flags. */
  #needsWords(node: Node): boolean {
    if (node.op === "eflags") return true;
    if (node.op === "cond") return !this.flags.has(node.at!);
    if (node.op !== "flags" || isDeferred(node)) return false;
    return node.type === "i32" || !["shift", "raw"].includes(node.kind!);
  }

  /** Whether flags that the current instruction sets are overwritten before anybody can see them. */
  #flagsAreDead(): boolean {
    for (let n = this.#index + 1; n < this.#block.instructions.length; n++) {
      const use = flagUse(this.#block.instructions[n]!.program, mayLeave);
      if (use !== "neither") return use === "overwrites";
    }
    const { end } = this.#block;
    if (end.kind !== "goto" || !this.region.blocks.has(end.target)) return false;
    return !this.#shape.leadsByHead(this.#block.offset, end.target) && this.#ignoresFlags(end.target);
  }

  /** Whether a block of the region overwrites the flags before anybody can see them. */
  #ignoresFlags(offset: number): boolean {
    const block = this.region.blocks.get(offset);
    if (block === undefined || this.#shape.structure.loops.has(offset)) return false;
    for (const { program } of block.instructions) {
      const use = flagUse(program, mayLeave);
      if (use !== "neither") return use === "overwrites";
    }
    return false;
  }

  /** The jump at the end of the current block, whose target is the value of a node. */
  jump(values: NodeValues, target: number): void {
    const { end, offset } = this.#block;
    if (writesMemory(this.instruction.program)) this.#leaveIfCodeChanged(() => values.push(target));
    if (end.kind === "goto") return this.#goto(offset, end.target);
    if (end.kind !== "branch") {
      values.push(target);
      this.f.set(this.#leaveRip);
      return this.#shape.comesBack(end) ? this.#toHead() : this.#leaveAs(LEAVE.dispatch, 0);
    }
    values.push(conditionOf(values.nodes));
    this.f.open("if");
    const { known } = this.flags;
    const block = this.#block;
    this.#goto(offset, end.taken);
    this.f.else();
    this.flags.known = known;
    this.#block = block;
    this.#goto(offset, end.next);
    this.f.close();
    this.f.op("unreachable");
  }

  // Leaving

  /** Leaves at the current instruction, of which nothing was done: by the kind on the stack. */
  leaveAtInstruction(): void {
    const { offset, record, handler } = this.instruction;
    this.f.set(this.#leaveKind);
    this.rip(offset);
    this.f.set(this.#leaveRip);
    this.#leaveRecordIs(record, handler);
    this.#leaveHere(this.#block.instructions.length - this.#index - 1);
  }

  /** The interpreter's record knows how many instructions of its block it stands for. */
  #interpret({ offset, record, handler }: { offset: number; record: number; handler: number }): void {
    this.f.i32(LEAVE.interpret);
    this.f.set(this.#leaveKind);
    this.rip(offset);
    this.f.set(this.#leaveRip);
    this.#leaveRecordIs(record, handler);
    this.#leaveHere(-1);
  }

  #leaveRecordIs(record: number, handler: number): void {
    this.f.i32(record);
    this.f.set(this.#leaveRecord);
    this.f.i32(handler);
    this.f.set(this.#leaveHandler);
  }

  #leaveTo(offset: number): void {
    const record = this.region.records.get(offset);
    this.rip(offset);
    this.f.set(this.#leaveRip);
    if (record === undefined) return this.#leaveAs(LEAVE.dispatch, 0);
    this.#leaveRecordIs(record, 0);
    this.#leaveAs(LEAVE.link, 0);
  }

  #leaveIfCodeChanged(pushRip: () => void): void {
    const f = this.f;
    f.get(CPU_PARAM);
    f.memory("i32.load", CPU.codeWrites);
    f.get(this.#codeWrites);
    f.op("i32.ne");
    f.usually(false);
    f.open("if");
    pushRip();
    f.set(this.#leaveRip);
    this.#leaveAs(LEAVE.dispatch, this.#block.instructions.length - this.#index - 1);
    f.close();
  }

  #leaveAs(kind: number, unspent: number): void {
    this.f.i32(kind);
    this.f.set(this.#leaveKind);
    this.#leaveHere(unspent);
  }

  /** Branches to the end; that many instructions of the block were counted and not executed. */
  #leaveHere(unspent: number): void {
    const f = this.f;
    if (unspent !== 0) {
      f.get(this.#spent);
      f.i32(unspent);
      f.op("i32.sub");
      f.set(this.#spent);
    }
    const { known } = this.flags;
    this.flags.tell();
    this.flags.known = known;
    f.br(this.#leaveLabel);
  }

  /** Writes the state back and goes on as was asked. */
  #leave(): void {
    const f = this.f;
    this.state.store();
    this.flags.store();
    this.#store("i64.store", CPU.rip, () => f.get(this.#leaveRip));
    this.#case(LEAVE.interpret, () => {
      this.#uncountRecord();
      this.#spend();
      this.#store("i64.store", CPU.blockRip, () => {
        f.get(this.#leaveRip);
        this.#leaveField("i64.load32_u", RECORD.delta);
        f.op("i64.sub");
        this.cutRip();
      });
      f.get(CPU_PARAM);
      f.get(this.#leaveRecord);
      f.get(this.#leaveHandler);
      f.tailCall(this.to.enter);
    });
    this.#spend();
    this.#case(LEAVE.link, () => this.#followLink());
    this.#case(LEAVE.fault, () => {
      f.get(CPU_PARAM);
      f.memory("i32.load", CPU.trap);
      f.op("return");
    });
    f.get(CPU_PARAM);
    f.tailCall(this.to.dispatch);
  }

  /** The interpreter takes the whole of its block off the budget when it has executed the rest. */
  #uncountRecord(): void {
    const f = this.f;
    f.get(this.#spent);
    this.#leaveField("i32.load", RECORD.count);
    f.op("i32.sub");
    f.set(this.#spent);
  }

  #followLink(): void {
    const f = this.f;
    f.get(CPU_PARAM);
    f.memory("i32.load", CPU.budget);
    f.i32(0);
    f.op("i32.ge_s");
    f.open("if");
    this.#store("i64.store", CPU.blockRip, () => f.get(this.#leaveRip));
    f.get(CPU_PARAM);
    f.get(this.#leaveRecord);
    this.#leaveField("i32.load", RECORD.handler);
    f.tailCall(this.to.enter);
    f.close();
  }

  #case(kind: number, emit: () => void): void {
    const f = this.f;
    f.get(this.#leaveKind);
    f.i32(kind);
    f.op("i32.eq");
    f.open("if");
    emit();
    f.close();
  }

  #leaveField(load: string, at: number): void {
    this.f.get(this.#leaveRecord);
    this.f.memory(load, at);
  }

  #spend(): void {
    const f = this.f;
    this.#store("i32.store", CPU.budget, () => {
      f.get(CPU_PARAM);
      f.memory("i32.load", CPU.budget);
      f.get(this.#spent);
      f.op("i32.sub");
    });
  }

  #store(name: string, at: number, push: () => void): void {
    this.f.get(CPU_PARAM);
    push();
    this.f.memory(name, at);
  }
}
