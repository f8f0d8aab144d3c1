import { Builder } from "../../../isa/ir/builder.ts";
import { HELPERS, type HelperDeclaration } from "../../../isa/ir/helpers.ts";
import { lowerFlags } from "../../../isa/ir/lower.ts";
import type { Program } from "../../../isa/ir/ops.ts";
import {
  CPU,
  JUMP_CACHE_ENTRIES,
  JUMP_CACHE_ENTRY,
  JUMP_CACHE_ENTRY_SIZE,
  SEGMENT,
  segmentOffset,
  TRAP,
  VECTOR,
} from "../../../isa/state.ts";
import { FORMS, programOf } from "../../../isa/table/forms.ts";
import type { Form } from "../../../isa/table/row.ts";
import type { FunctionWriter, Local } from "../asm/function-writer.ts";
import { ModuleWriter, type Signature } from "../asm/module.ts";
import { type Callees, ProgramEmitter } from "../emitter/program-emitter.ts";
import { ADDRESSING, ADDRESSINGS, RECORD, REGION_SLOTS } from "./record.ts";
import { type Continuations, CPU_PARAM, RECORD_PARAM, RecordBinding } from "./record-binding.ts";

/** The interpreter's memory is the machine's: up to 4 GiB. */
export const MEMORY_PAGES = 65536;

export const HANDLER_TYPE: Signature = { params: ["i32", "i32"], results: ["i32"] };
export const CPU_TYPE: Signature = { params: ["i32"], results: ["i32"] };
const JUMP_TYPE: Signature = { params: ["i32", "i64"], results: ["i32"] };
const RIP_PARAM = 1 as Local;
export const ENTER_TYPE: Signature = { params: ["i32", "i32", "i32"], results: ["i32"] };
const HANDLER_PARAM = 2 as Local;

/** Functions of the helper library that only emitted code and the run loop call. */
const ENGINE_HELPERS: Readonly<Record<string, HelperDeclaration>> = {
  load_slow: { params: ["i64", "i32", "i32"], result: "i32", faults: true, writes: false },
  store_slow: { params: ["i64", "i32", "i64", "i64"], result: "i32", faults: true, writes: true },
  store_wide_slow: { params: ["i64", "i64", "i64", "i64", "i64"], result: "i32", faults: true, writes: true },
  store_checked: { params: ["i64", "i32", "i64", "i64"], result: "i32", faults: true, writes: true },
  load_checked: { params: ["i64", "i32", "i32"], result: "i32", faults: true, writes: false },
  store_locked_slow: { params: ["i64", "i32", "i64", "i64", "i64", "i64"], result: "i32", faults: true, writes: true },
  find_block: { params: [], result: "i32", faults: true, writes: true },
  deliver_raised: { params: [], result: "none", faults: true, writes: true },
};

/** Every function of the helper library that emitted code may call. */
export const HELPER_DECLARATIONS: Readonly<Record<string, HelperDeclaration>> = { ...ENGINE_HELPERS, ...HELPERS };

/** Generates the interpreter: one function for every form, a dispatcher, and the run loop. */
class Generator implements Callees {
  readonly #module = new ModuleWriter();
  readonly #helpers = new Map<string, number>();
  readonly #to: Continuations;
  readonly #fault: number;

  constructor() {
    this.#module.importSharedMemory("env", "memory", MEMORY_PAGES);
    for (const [name, declaration] of Object.entries(HELPER_DECLARATIONS)) {
      this.#helpers.set(name, this.#module.importFunction("helpers", name, helperSignature(declaration)));
    }
    const handlerType = this.#module.type(HANDLER_TYPE);
    this.#to = { handlerType, dispatch: this.#module.declare(CPU_TYPE), jump: this.#module.declare(JUMP_TYPE) };
    this.#fault = this.#module.declare(HANDLER_TYPE);
  }

  helper(name: string): number {
    const index = this.#helpers.get(name);
    if (index === undefined) throw new Error(`no helper ${name}`);
    return index;
  }

  generate(): Uint8Array<ArrayBuffer> {
    this.#defineDispatch();
    this.#defineJump();
    this.#defineFault();
    const special = [this.#leave(), this.#raise(VECTOR.UD), this.#raise(VECTOR.GP)];
    this.#module.table([...special, ...FORMS.flatMap((form) => this.#handlersOf(form))], "handlers", REGION_SLOTS);
    this.#module.export("dispatch", this.#to.dispatch);
    this.#module.export("enter", this.#enter());
    const pack = this.#state((b) => b.set(CPU.eflags, b.eflags()));
    this.#module.export("pack_flags", pack);
    this.#module.export(
      "unpack_flags",
      this.#state((b) => b.flags("raw", 32, [b.get(CPU.eflags, "i32")])),
    );
    this.#module.export("run", this.#run(pack));
    return this.#module.finish();
  }

  #function(type: Signature, write: (f: FunctionWriter) => void): number {
    const index = this.#module.declare(type);
    const f = this.#module.body(type);
    write(f);
    this.#module.define(index, f);
    return index;
  }

  /** The form's handlers in the order of ADDRESSING. */
  #handlersOf(form: Form): number[] {
    const program = lowerFlags(programOf(form));
    const any = this.#handler(program, form, ADDRESSING.any);
    if (!program.nodes.some((node) => node.op === "ea")) return new Array<number>(ADDRESSINGS).fill(any);
    const ways = waysOf(program);
    if (ways === 1) return [any, any, any];
    const flat = this.#handler(program, form, ADDRESSING.flat);
    return [any, flat, ways === 2 ? flat : this.#handler(program, form, ADDRESSING.flatBase)];
  }

  /** handler(cpu, record): the lowered program, then the next record, the dispatcher, or a return with a trap. */
  #handler(program: Program, form?: Form, addressing: number = ADDRESSING.any): number {
    const ends = form?.row.attributes.ends === true;
    return this.#function(HANDLER_TYPE, (f) => {
      const binding = new RecordBinding(f, this.#to, form, addressing);
      binding.faultLabel = f.open("block");
      const left = new ProgramEmitter(f, CPU_PARAM, binding, this).emit(program);
      if (!left && ends) {
        binding.setRip(() => binding.ripNext());
        binding.end();
      } else if (!left) binding.next();
      f.close();
      f.get(CPU_PARAM);
      f.get(RECORD_PARAM);
      f.tailCall(this.#fault);
    });
  }

  /** Where handlers go that trapped: rip becomes the instruction's, and the trap is returned. */
  #defineFault(): void {
    const f = this.#module.body(HANDLER_TYPE);
    const binding = new RecordBinding(f, this.#to);
    binding.setRip(() => binding.ripThis());
    binding.spend();
    f.get(CPU_PARAM);
    f.memory("i32.load", CPU.trap);
    this.#module.define(this.#fault, f);
  }

  #raise(vector: number): number {
    const b = new Builder();
    b.trapIf(b.i32(1), vector);
    return this.#handler(b.program());
  }

  /** Ends a block that does not end in a jump. */
  #leave(): number {
    return this.#function(HANDLER_TYPE, (f) => {
      const binding = new RecordBinding(f, this.#to);
      binding.setRip(() => binding.ripThis());
      binding.spend();
      binding.dispatch();
    });
  }

  /** A function of state alone: f(cpu) -> 0. */
  #state(write: (b: Builder) => void): number {
    const b = new Builder();
    write(b);
    return this.#function(CPU_TYPE, (f) => {
      const binding = new RecordBinding(f, this.#to);
      binding.faultLabel = f.open("block");
      new ProgramEmitter(f, CPU_PARAM, binding, this).emit(lowerFlags(b.program()));
      f.close();
      f.i32(0);
    });
  }

  /** dispatch(cpu): runs the block at CS:rip; returns TRAP.budget when the budget is used up, or why no block is there. */
  #defineDispatch(): void {
    const f = this.#module.body(CPU_TYPE);
    const rip = f.local("i64");
    this.#returnWithoutBudget(f);
    stateLoad(f, "i64.load", CPU.rip);
    f.set(rip);
    this.#runBlock(f, rip);
    this.#module.define(this.#to.dispatch, f);
  }

  /** jump(cpu, rip): the same with a rip that is not in CPU.rip; it is stored only for who may look at it. */
  #defineJump(): void {
    const f = this.#module.body(JUMP_TYPE);
    this.#returnWithoutBudget(f, () => storeRip(f));
    this.#runBlock(f, RIP_PARAM, () => storeRip(f));
    this.#module.define(this.#to.jump, f);
  }

  /** The end of both: `onMiss` is before the search for a block that is not in the jump cache. */
  #runBlock(f: FunctionWriter, rip: Local, onMiss?: () => void): void {
    const linear = f.local("i64");
    const record = f.local("i32");
    this.#enterBlock(f, rip, linear);
    this.#lookUp(f, linear, record, onMiss);
    f.get(CPU_PARAM);
    f.get(record);
    f.get(record);
    f.memory("i32.load", RECORD.handler);
    f.tailCallIndirect(this.#to.handlerType);
  }

  /** enter(cpu, record, handler): goes on with a record. */
  #enter(): number {
    const index = this.#module.declare(ENTER_TYPE);
    const f = this.#module.body(ENTER_TYPE);
    for (const parameter of [CPU_PARAM, RECORD_PARAM, HANDLER_PARAM]) f.get(parameter);
    f.tailCallIndirect(this.#to.handlerType);
    this.#module.define(index, f);
    return index;
  }

  #returnWithoutBudget(f: FunctionWriter, before?: () => void): void {
    stateLoad(f, "i32.load", CPU.budget);
    f.i32(0);
    f.op("i32.lt_s");
    f.open("if");
    before?.();
    f.i32(TRAP.budget);
    f.op("return");
    f.close();
  }

  /** Notes rip as the block's and computes its linear address. */
  #enterBlock(f: FunctionWriter, rip: Local, linear: Local): void {
    f.get(CPU_PARAM);
    f.get(rip);
    f.memory("i64.store", CPU.blockRip);
    f.get(rip);
    stateLoad(f, "i64.load", segmentOffset("cs") + SEGMENT.base);
    f.op("i64.add");
    stateLoad(f, "i64.load", CPU.linearMask);
    f.op("i64.and");
    f.set(linear);
  }

  /** Finds the record in the jump cache, else by find_block; returns from dispatch if that trapped. */
  #lookUp(f: FunctionWriter, linear: Local, record: Local, onMiss?: () => void): void {
    const entry = f.local("i32");
    jumpCacheEntry(f, linear);
    f.tee(entry);
    f.memory("i64.load", CPU.jumpCache + JUMP_CACHE_ENTRY.linear);
    f.get(linear);
    f.op("i64.eq");
    f.get(entry);
    f.memory("i32.load", CPU.jumpCache + JUMP_CACHE_ENTRY.key);
    stateLoad(f, "i32.load", CPU.jumpKey);
    f.op("i32.eq");
    f.op("i32.and");
    f.open("if");
    f.get(entry);
    f.memory("i32.load", CPU.jumpCache + JUMP_CACHE_ENTRY.record);
    f.set(record);
    f.else();
    onMiss?.();
    f.get(CPU_PARAM);
    f.call(this.helper("find_block"));
    f.tee(record);
    f.op("i32.eqz");
    f.open("if");
    stateLoad(f, "i32.load", CPU.trap);
    f.op("return");
    f.close();
    f.close();
  }

  /** run(cpu): executes until a trap other than an exception, which it delivers; returns that trap. */
  #run(packFlags: number): number {
    return this.#function(CPU_TYPE, (f) => {
      const trap = f.local("i32");
      const again = f.open("loop");
      f.get(CPU_PARAM);
      f.call(this.#to.dispatch);
      f.tee(trap);
      f.i32(TRAP.exception);
      f.op("i32.ne");
      f.open("if");
      f.get(trap);
      f.op("return");
      f.close();
      f.get(CPU_PARAM);
      f.call(packFlags);
      f.op("drop");
      f.get(CPU_PARAM);
      f.i32(TRAP.none);
      f.memory("i32.store", CPU.trap);
      f.get(CPU_PARAM);
      f.call(this.helper("deliver_raised"));
      f.get(CPU_PARAM);
      f.memory("i32.load", CPU.trap);
      f.op("i32.eqz");
      f.brIf(again);
      f.close();
      f.get(CPU_PARAM);
      f.memory("i32.load", CPU.trap);
    });
  }
}

/** Nodes of vector programs beside which an index in the address, or the whole address, takes little time. */
const LONG = 30;
const VERY_LONG = 100;

/**
 * How many handlers a form that addresses memory has, one for each way of addressing: three, but fewer for long programs on
 * vectors, of which there are many, to keep the interpreter small.
 */
function waysOf({ nodes }: Program): number {
  if (!nodes.some((node) => node.type === "v128")) return ADDRESSINGS;
  const calls = nodes.some((node) => node.op === "call" && !node.conditional);
  if (calls || nodes.length > VERY_LONG) return 1;
  return nodes.length > LONG ? 2 : ADDRESSINGS;
}

function storeRip(f: FunctionWriter): void {
  f.get(CPU_PARAM);
  f.get(RIP_PARAM);
  f.memory("i64.store", CPU.rip);
}

function stateLoad(f: FunctionWriter, name: string, at: number): void {
  f.get(CPU_PARAM);
  f.memory(name, at);
}

/** Address of the jump cache entry of a linear address, less CPU.jumpCache; helpers/jump-cache.ts computes the same. */
function jumpCacheEntry(f: FunctionWriter, linear: Local): void {
  const low = f.local("i32");
  f.get(linear);
  f.op("i32.wrap_i64");
  f.tee(low);
  f.get(low);
  f.i32(12);
  f.op("i32.shr_u");
  f.op("i32.xor");
  f.i32(JUMP_CACHE_ENTRIES - 1);
  f.op("i32.and");
  f.i32(Math.log2(JUMP_CACHE_ENTRY_SIZE));
  f.op("i32.shl");
  f.get(CPU_PARAM);
  f.op("i32.add");
}

/** The signature of a helper as WebAssembly has it. */
export function helperSignature(declaration: HelperDeclaration): Signature {
  return { params: ["i32", ...declaration.params], results: declaration.result === "none" ? [] : [declaration.result] };
}

/** The interpreter as a WebAssembly module: imports env.memory and the helper library, exports run, pack_flags, unpack_flags. */
export function generateInterpreter(): Uint8Array<ArrayBuffer> {
  return new Generator().generate();
}
