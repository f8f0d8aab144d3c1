import { readFileSync } from "node:fs";
import { type Block, CodeCache } from "../../src/engine/wasm/code-cache.ts";
import { generateInterpreter } from "../../src/engine/wasm/interpreter/generate.ts";
import { InlineCompiler } from "../../src/engine/wasm/jit/inline-compiler.ts";
import { RegionCache } from "../../src/engine/wasm/jit/region-cache.ts";
import type { Library } from "../../src/engine/wasm/library.ts";
import { usesStack } from "../../src/engine/wasm/stack-use.ts";
import { type CodeSize, DECODE, decode } from "../../src/isa/decoder/decode.ts";
import { Instruction } from "../../src/isa/decoder/instruction.ts";
import { evaluate, type HelperExports, type Machine, packFlags, unpackFlags } from "../../src/isa/evaluate.ts";
import { CPU, EFLAGS, TRAP, VECTOR } from "../../src/isa/state.ts";
import { CODE_MAP_ENTRIES, Guest, RECORDS } from "./guest.ts";
import { CODE, FILLER, hashCode, hashData, PAGE } from "./layout.ts";
import { Moment } from "./moment.ts";
import { MAX_STEPS, type Raised, type UserProgram, type UserResult } from "./program.ts";
import { Random } from "./random.ts";
import { ROOT } from "./root.ts";
import { loadState, saveState } from "./state.ts";

/** Goes along with a program; false stops it. */
export interface Follower {
  /** Sees an instruction that is about to be executed. */
  visit(moment: Moment): boolean;
  /** The program goes on after an exception. */
  caught(raised: Raised): boolean;
}

/** Instructions that are granted for each that the evaluator may step: repetitions count too. */
const BUDGET = 10;

/**
 * How a program is compiled: every block when it is decoded; all blocks that the interpreter decoded in a run before, each as
 * the entry of a region; some of them, while the interpreter executes the others, in slices.
 */
export type CompiledWay = "block" | "region" | "mixed";

/** How often the interpreter and compiled code take turns, at most, and what is compiled then, in hundredths. */
const MAX_SLICE = 40;
const COMPILED_AT_ONCE = 10;
const COMPILED_LATER = 25;

interface Interpreter {
  run(cpu: number): number;
}

/** Runs short user-mode programs on the executors of the software CPU: the evaluator and the interpreter. */
export class Bench {
  readonly #guest = new Guest();
  readonly #helpers: HelperExports;
  readonly #interpreter: Interpreter;
  readonly #code: CodeCache;
  readonly #regions: RegionCache;
  readonly #machine: Machine;
  readonly #insn = new Instruction();
  readonly #moment = new Moment(this.#guest.view, this.#guest.cells.base, this.#guest.data);
  readonly #fetched = new Uint8Array(16);
  #caught: Raised[] = [];

  constructor() {
    const { memory, cells } = this.#guest;
    const helpers = new WebAssembly.Module(readFileSync(new URL("dist/isa/helpers.wasm", ROOT)));
    this.#helpers = new WebAssembly.Instance(helpers, { env: this.#environment(helpers) })
      .exports as unknown as HelperExports;
    this.#machine = { view: this.#guest.view, cpu: cells.base, helpers: this.#helpers };
    this.#code = this.#makeCodeCache();
    const imports = {
      ...this.#helpers,
      deliver_raised: () => cells.setI32(CPU.trap, TRAP.shutdown),
    } as unknown as WebAssembly.Imports[string];
    const interpreter = new WebAssembly.Module(generateInterpreter());
    this.#interpreter = new WebAssembly.Instance(interpreter, { env: { memory }, helpers: imports })
      .exports as unknown as Interpreter;
    const library = { ...imports, ...this.#interpreter } as unknown as Library;
    this.#regions = new RegionCache({
      ...{ cells, library, memory, code: this.#code },
      ...{ compiler: new InlineCompiler(memory), threshold: 0, patience: Number.POSITIVE_INFINITY },
    });
    this.#code.watcher = undefined;
    this.#call("tlb_flush");
  }

  /** Runs a program on the evaluator; undefined if it does not end, or the follower stops it. */
  evaluate(program: UserProgram, follower?: Follower): UserResult | undefined {
    this.#begin(program);
    for (let step = 0; step < (program.steps ?? MAX_STEPS); step++) {
      if (!this.#step(follower)) return undefined;
      if (this.#guest.cells.i32(CPU.trap) === TRAP.none) continue;
      packFlags(this.#machine);
      if (!this.#catch(program)) return this.#result();
      if (follower?.caught(this.#caught.at(-1)!) === false) return undefined;
    }
    return undefined;
  }

  /** Runs a program on the generated interpreter; undefined if it does not end. */
  interpret(program: UserProgram): UserResult | undefined {
    this.#begin(program);
    return this.#run(program);
  }

  /** Runs a program compiled; undefined if it does not end, or has other code afterwards and its regions no meaning. */
  compiled(program: UserProgram, way: CompiledWay): UserResult | undefined {
    if (way === "mixed") return this.#mixed(program);
    const { code } = this.#guest;
    this.#begin(program);
    const before = code.slice();
    this.#code.watcher = this.#regions.watcher;
    if (way === "region") {
      const blocks = new Set<Block>();
      this.#code.watcher = { decoded: (block) => blocks.add(block), dropped: () => {} };
      this.#run(program);
      this.#code.watcher = this.#regions.watcher;
      if (Buffer.compare(before, code) !== 0) return this.#leaveCompiled(undefined);
      this.#place(program);
      this.#compile(blocks);
    }
    return this.#leaveCompiled(this.#run(program));
  }

  /** What is compiled, and when, depends on nothing but the program's bytes. */
  #mixed(program: UserProgram): UserResult | undefined {
    const random = new Random(program.code.reduce((seed, byte) => Math.imul(seed, 31) + byte, program.offset));
    const decoded = new Set<Block>();
    this.#begin(program);
    const { dropped } = this.#regions.watcher;
    const found = (block: Block): void => {
      if (random.chance(COMPILED_AT_ONCE)) this.#regions.watcher.decoded(block);
      else decoded.add(block);
    };
    this.#code.watcher = { decoded: found, dropped };
    const between = (): number => {
      if (random.chance(COMPILED_LATER)) this.#compile([...decoded].filter(() => random.chance(50)));
      return 1 + random.below(MAX_SLICE);
    };
    return this.#leaveCompiled(this.#run(program, between));
  }

  /** Compiles blocks that are still what is decoded at their places. */
  #compile(blocks: Iterable<Block>): void {
    const isCurrent = (block: Block): boolean => this.#code.find(block.host, block.mode) === block;
    const wanted = [...blocks].filter((block) => block.region === undefined && isCurrent(block));
    if (wanted.length > 0) this.#regions.compile(wanted);
  }

  #leaveCompiled(result: UserResult | undefined): UserResult | undefined {
    for (const page of this.#guest.codePages) this.#code.invalidate(page);
    this.#code.watcher = undefined;
    return result;
  }

  /** Runs what is in place to its end, in slices if `slice` gives their lengths; undefined if it does not end. */
  #run(program: UserProgram, slice?: () => number): UserResult | undefined {
    const { cells } = this.#guest;
    const budget = BUDGET * (program.steps ?? MAX_STEPS);
    for (let left = budget; left > 0; ) {
      const granted = slice?.() ?? left;
      cells.setI32(CPU.budget, granted);
      const trap = this.#interpreter.run(cells.base);
      left -= Math.max(1, granted - cells.i32(CPU.budget));
      if (trap === TRAP.budget) cells.setI32(CPU.trap, TRAP.none);
      else if (!this.#catch(program)) return this.#result();
    }
    return undefined;
  }

  /** The instruction at a byte of a program; undefined where there is none. Valid until the next call. */
  instructionAt({ bits, code }: UserProgram, at: number): Instruction | undefined {
    if (at < 0 || at >= code.length) return undefined;
    const bytes = new Uint8Array(code.length + 16).fill(FILLER[bits]);
    bytes.set(code);
    return decode(bytes, at, bytes.length - at, bits, this.#insn) === DECODE.ok ? this.#insn : undefined;
  }

  /** The instructions of a program as they are decoded from its first byte on, each with its address. */
  *instructions(program: UserProgram): Generator<{ insn: Instruction; address: number }> {
    for (let at = 0; at < program.code.length; ) {
      const insn = this.instructionAt(program, at);
      if (insn === undefined) return;
      const { length } = insn;
      yield { insn, address: CODE + program.offset + at };
      at += length;
    }
  }

  #begin({ bits, code, offset, state }: UserProgram): void {
    const guest = this.#guest;
    guest.code.fill(FILLER[bits]);
    guest.code.set(code, offset);
    for (const page of guest.codePages) this.#code.invalidate(page);
    this.#place({ bits, code, offset, state });
  }

  /** Everything but the code. */
  #place({ state }: UserProgram): void {
    const guest = this.#guest;
    guest.data.fill(0);
    this.#caught = [];
    loadState(guest, state);
    guest.cells.setI32(CPU.trap, TRAP.none);
    guest.cells.setI32(CPU.debugPending, 0);
    guest.cells.setI32(CPU.inhibit, 0);
    this.#call("update_mode");
    unpackFlags(this.#machine);
  }

  /** Lets the program go on after an exception, if it says where. */
  #catch({ catches = [] }: UserProgram): boolean {
    const next = catches[this.#caught.length];
    if (next === undefined) return false;
    this.#caught.push(this.#raised());
    const { cells } = this.#guest;
    cells.setNumber(CPU.rip, next);
    cells.setI32(CPU.debugPending, 0);
    cells.setI32(CPU.eflags, cells.i32(CPU.eflags) & ~EFLAGS.RF);
    cells.setI32(CPU.trap, TRAP.none);
    unpackFlags(this.#machine);
    return true;
  }

  #raised(): Raised {
    const { cells, view } = this.#guest;
    this.#call("name_stack_fault");
    const vector = cells.i32(CPU.faultVector);
    return {
      vector,
      error: cells.i32(CPU.faultError),
      address: vector === VECTOR.PF ? view.getBigUint64(cells.base + CPU.faultAddress, true) : 0n,
      rip: view.getBigUint64(cells.base + CPU.rip, true),
    };
  }

  #result(): UserResult {
    const { data, code } = this.#guest;
    const { vector, error, address } = this.#raised();
    return {
      state: saveState(this.#guest),
      ...{ vector, error, address, caught: this.#caught },
      hash: hashData(new Uint32Array(data.buffer, data.byteOffset, data.length / 4)),
      codeHash: hashCode(new Uint32Array(code.buffer, code.byteOffset, code.length / 4)),
    };
  }

  #step(follower: Follower | undefined): boolean {
    const status = this.#fetch(this.#guest.codeSize);
    if (status === DECODE.ok) {
      this.#moment.insn = this.#insn;
      if (follower?.visit(this.#moment) === false) return false;
      const stepping = (this.#guest.cells.i32(CPU.eflags) & EFLAGS.TF) !== 0;
      evaluate(this.#machine, this.#insn);
      if (stepping && this.#guest.cells.i32(CPU.trap) === TRAP.none) this.#raise(VECTOR.DB);
    } else if (status === DECODE.invalid) this.#raise(VECTOR.UD);
    else if (status === DECODE.tooLong) this.#raise(VECTOR.GP);
    return true;
  }

  /** Decodes at rip; DECODE.more: a page of the instruction cannot be fetched, CPU.trap is set. */
  #fetch(bits: CodeSize): number {
    const { bytes, view, cells } = this.#guest;
    const rip = view.getBigUint64(cells.base + CPU.rip, true);
    const first = this.#translate(rip);
    if (first === 0) return DECODE.more;
    const here = Math.min(15, PAGE - (first % PAGE));
    const status = decode(bytes, first, here, bits, this.#insn);
    if (status !== DECODE.more) return status;
    const second = this.#translate(rip + BigInt(here));
    if (second === 0) return DECODE.more;
    this.#fetched.set(bytes.subarray(first, first + here));
    this.#fetched.set(bytes.subarray(second, second + 16 - here), here);
    return decode(this.#fetched, 0, 16, bits, this.#insn);
  }

  #translate(linear: bigint): number {
    return (
      Number(
        this.#call(
          "fetch_translate_halves",
          Number(BigInt.asIntN(32, linear)),
          Number(BigInt.asIntN(32, linear >> 32n)),
        ),
      ) >>> 0
    );
  }

  #raise(vector: number): void {
    this.#guest.cells.setI32(CPU.faultVector, vector);
    this.#guest.cells.setI32(CPU.faultError, 0);
    this.#guest.cells.setI32(CPU.trap, TRAP.exception);
  }

  #call(name: string, ...args: (number | bigint)[]): unknown {
    return this.#helpers[name]!(this.#guest.cells.base, ...args);
  }

  /** Of what the library asks of the engine a user program needs no more than decoded code. */
  #environment(module: WebAssembly.Module): WebAssembly.Imports[string] {
    const { cells } = this.#guest;
    const unused = (name: string) => (): never => {
      throw new Error(`a user program reached ${name}`);
    };
    const names = WebAssembly.Module.imports(module).filter((i) => i.kind === "function");
    return {
      ...Object.fromEntries(names.map(({ name }) => [name, unused(name)])),
      memory: this.#guest.memory,
      code_written: (_cpu: number, page: number) => this.#code.invalidate(page),
      uses_stack: () => (usesStack(this.#code, cells) ? 1 : 0),
      decode_block: (_cpu: number, host: number, low: number, high: number) =>
        this.#code.decodeBlock(host >>> 0, cells.i32(CPU.mode), low, high),
    };
  }

  #makeCodeCache(): CodeCache {
    const { memory, tables, codeMap } = this.#guest;
    const arena = { ...RECORDS, pageFlags: tables.pageFlags, maxBlocks: CODE_MAP_ENTRIES / 2 };
    return new CodeCache(memory.buffer, arena, {
      fetchTranslate: (low, high) => Number(this.#call("fetch_translate_halves", low, high)),
      set: (host, mode, record, second) => this.#call("code_map_set", host, mode, record, second),
      clear: () => codeMap.fill(0),
      flushJumpCache: () => this.#call("jump_cache_flush"),
      protect: (page) => this.#call("tlb_protect", page),
    });
  }
}
