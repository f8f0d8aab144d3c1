import { assert, unreachable } from "../../../base/assert.ts";
import { HELPERS, type HelperName } from "../../../isa/ir/helpers.ts";
import {
  type EffectOp,
  type Node,
  type Op,
  type Program,
  PURE_OPS,
  type PureOp,
  resultType,
} from "../../../isa/ir/ops.ts";
import { CPU, SEGMENT, TLB_ENTRIES, TLB_ENTRY, TLB_ENTRY_SIZE } from "../../../isa/state.ts";
import type { FunctionWriter, Local, LocalType } from "../asm/function-writer.ts";
import type { Binding, NodeValues } from "./binding.ts";
import { loadName, storeName } from "./memory-names.ts";
import { PURE_NAMES } from "./pure-ops.ts";

/** Functions of the module that emitted code calls. */
export interface Callees {
  helper(name: string): number;
}

/** Emits the body of one lowered program. */
export class ProgramEmitter implements NodeValues {
  readonly #f: FunctionWriter;
  readonly #cpu: Local;
  readonly #binding: Binding;
  readonly #callees: Callees;
  nodes: readonly Node[] = [];
  #uses: number[] = [];
  /** The local that holds a node's value. */
  #locals: (Local | undefined)[] = [];
  /** Host address found by a load with intent "write", by the node of the linear address; 0 at run time: slow. */
  readonly #writable = new Map<number, Local>();

  constructor(f: FunctionWriter, cpu: Local, binding: Binding, callees: Callees) {
    this.#f = f;
    this.#cpu = cpu;
    this.#binding = binding;
    this.#callees = callees;
  }

  /** Emits all nodes; true if the program ends the block itself. */
  emit(program: Program): boolean {
    this.nodes = program.nodes;
    this.#uses = countUses(program);
    this.#locals = new Array(program.nodes.length);
    let leaves = false;
    for (const [index, node] of program.nodes.entries()) {
      leaves ||= node.op === "jump" || node.op === "end";
      if (isPure(node)) this.#keep(index, node);
      else this.#effect(index, node);
    }
    return leaves;
  }

  /** A pure node used more than once is computed into a local where it stands; used once, at its use. */
  #keep(index: number, node: Node): void {
    if (this.#uses[index]! < 2 || node.op === "const") return;
    this.#compute(node);
    this.#define(index, node);
  }

  #define(index: number, node: Node): void {
    const type = resultType(node);
    if (type === "none") return;
    if (this.#uses[index] === 0) return this.#f.op("drop");
    const local = this.#f.local(type);
    this.#locals[index] = local;
    this.#f.set(local);
  }

  push(index: number): void {
    const local = this.#locals[index];
    if (local !== undefined) this.#f.get(local);
    else this.#compute(this.nodes[index]!);
  }

  local(index: number): Local {
    const known = this.#locals[index];
    if (known !== undefined) return known;
    const node = this.nodes[index]!;
    this.#compute(node);
    const local = this.#f.local(resultType(node) as LocalType);
    this.#f.set(local);
    this.#locals[index] = local;
    return local;
  }

  #compute(node: Node): void {
    if (node.op === "const") return this.#constant(node);
    if (isField(node)) return this.#fieldOp(node);
    for (const arg of node.args) this.push(arg);
    if (node.op === "select") return this.#f.op("select");
    const name = PURE_NAMES[node.op as Exclude<PureOp, "const" | "select">](node);
    if (node.words) this.#f.lanes(name, node.words);
    else this.#f.op(name);
  }

  #constant(node: Node): void {
    const [low, high] = node.words!;
    if (node.type === "i32") this.#f.i32(low!);
    else if (node.type === "i64") this.#f.i64(low!, high!);
    else if (node.type === "v128") this.#f.v128(node.words!);
    else throw new Error(`no constants of type ${node.type}`);
  }

  #fieldOp(node: Node): void {
    if (node.op === "field") this.#binding.field(node.slot!);
    else if (node.op === "imm") this.#binding.imm(node.type as "i32" | "i64");
    else if (node.op === "segment") this.#binding.segment();
    else this.#binding.addressMask();
  }

  #effect(index: number, node: Node): void {
    const op = node.op as EffectOp;
    switch (op) {
      case "field":
      case "imm":
      case "segment":
      case "address_mask":
        return;
      case "get":
      case "get_reg":
        this.#get(node);
        return this.#define(index, node);
      case "set":
      case "set_reg":
        return this.#set(node);
      case "ea":
        this.#binding.ea();
        return this.#define(index, node);
      case "rip_this":
        this.#binding.ripThis();
        return this.#define(index, node);
      case "rip_next":
        this.#binding.ripNext();
        return this.#define(index, node);
      case "linear":
        this.#linear(node);
        return this.#define(index, node);
      case "load":
        return this.#load(index, node);
      case "store":
        return node.locked ? this.#storeLocked(node) : this.#store(node);
      case "store_probed":
        return this.#store(node);
      case "trap_if":
        return this.#trapIf(node);
      case "call":
        return this.#call(index, node);
      case "jump":
        return this.#binding.jump(node.args[0]!, this);
      case "end":
        return this.#binding.end();
      case "flags":
        return this.#binding.flags(node, this);
      case "cond":
        this.#binding.cond(node.at!);
        return this.#define(index, node);
      case "eflags":
        throw new Error("eflags is lowered before emission");
      default:
        return unreachable(op);
    }
  }

  /** Pushes the state's address that a node names, less the offset returned. */
  #stateAddress(node: Node): number {
    if (node.slot !== undefined) return this.#binding.registerAddress(node.slot) + (node.at ?? 0);
    this.#f.get(this.#cpu);
    return node.at!;
  }

  #get(node: Node): void {
    if (this.#binding.read(node)) return;
    const offset = this.#stateAddress(node);
    this.#f.memory(loadName(node.type as LocalType, node.width!, node.signed), offset);
  }

  #set(node: Node): void {
    if (this.#binding.write(node, () => this.push(node.args[0]!))) return;
    const offset = this.#stateAddress(node);
    this.push(node.args[0]!);
    this.#f.memory(storeName(node.type as LocalType, node.width!), offset);
  }

  #stateLoad(name: string, at: number): void {
    this.#f.get(this.#cpu);
    this.#f.memory(name, at);
  }

  #linear(node: Node): void {
    const f = this.#f;
    if (this.#binding.isFlat(node.at)) return this.push(node.args[0]!);
    const offset = this.local(node.args[0]!);
    const segment = f.local("i32");
    const linear = f.local("i64");
    if (node.at === undefined) this.#binding.segment();
    else f.i32(node.at);
    f.tee(segment);
    f.get(this.#cpu);
    f.op("i32.add");
    f.memory("i64.load", SEGMENT.base);
    f.get(offset);
    f.op("i64.add");
    this.#stateLoad("i64.load", CPU.linearMask);
    f.op("i64.and");
    f.set(linear);
    f.get(segment);
    f.get(this.#cpu);
    f.op("i32.add");
    f.memory("i32.load", SEGMENT.check);
    f.usually(false);
    f.open("if");
    f.get(this.#cpu);
    f.get(segment);
    f.get(offset);
    f.i32(node.width!);
    f.i32(node.intent === "write" ? 1 : 0);
    f.call(this.#callees.helper("segment_check"));
    f.set(linear);
    this.#stateLoad("i32.load", CPU.trap);
    this.#binding.faultIf();
    f.close();
    f.get(linear);
  }

  /** Leaves 1 on the stack if the TLB maps the whole access; `entry` then holds the entry's address. */
  #probeTlb(linear: Local, width: number, tag: number, entry: Local): void {
    const f = this.#f;
    this.#binding.tlb();
    f.get(linear);
    f.op("i32.wrap_i64");
    f.i32(12 - Math.log2(TLB_ENTRY_SIZE));
    f.op("i32.shr_u");
    f.i32((TLB_ENTRIES - 1) * TLB_ENTRY_SIZE);
    f.op("i32.and");
    f.op("i32.add");
    f.tee(entry);
    f.memory("i64.load", tag);
    f.get(linear);
    if (width > 1) {
      f.i64(width - 1, 0);
      f.op("i64.add");
    }
    f.i64(~0xfff, -1);
    f.op("i64.and");
    f.op("i64.eq");
  }

  #hostAddress(linear: Local, entry: Local): void {
    const f = this.#f;
    f.get(linear);
    f.op("i32.wrap_i64");
    f.get(entry);
    f.memory("i32.load", TLB_ENTRY.addend);
    f.op("i32.add");
  }

  #load(index: number, node: Node): void {
    const f = this.#f;
    const linear = this.local(node.args[0]!);
    const entry = f.local("i32");
    const host = f.local("i32");
    const write = node.intent === "write";
    const writable = write ? f.local("i32") : undefined;
    this.#probeTlb(linear, node.width!, write ? TLB_ENTRY.writeTag : TLB_ENTRY.readTag, entry);
    f.usually(true);
    f.open("if");
    this.#hostAddress(linear, entry);
    f.set(host);
    if (writable !== undefined) {
      f.get(host);
      f.set(writable);
      this.#writable.set(node.args[0]!, writable);
    }
    f.else();
    if (writable !== undefined) {
      f.i32(0);
      f.set(writable);
    }
    f.get(this.#cpu);
    f.get(linear);
    f.i32(node.width!);
    f.i32(write ? 1 : 0);
    f.call(this.#callees.helper(this.#binding.loadHelper(write)));
    f.set(host);
    this.#binding.loadFailed(host, write);
    f.close();
    f.get(host);
    f.memory(loadName(node.type as LocalType, node.width!, node.signed), 0);
    this.#define(index, node);
  }

  #store(node: Node): void {
    const f = this.#f;
    const linear = this.local(node.args[0]!);
    const values = node.args.slice(1).map((arg) => this.local(arg));
    const type = node.type as LocalType;
    const name = storeName(type, node.width! / values.length);
    const known = this.#writable.get(node.args[0]!);
    const probed = node.op === "store_probed";
    const entry = f.local("i32");
    const host = values.length > 1 ? f.local("i32") : entry;
    if (known !== undefined) f.get(known);
    else this.#probeTlb(linear, node.width!, TLB_ENTRY.writeTag, entry);
    f.usually(true);
    f.open("if");
    if (known !== undefined) f.get(known);
    else this.#hostAddress(linear, entry);
    if (values.length > 1) f.tee(host);
    values.forEach((value, n) => {
      if (n > 0) f.get(host);
      f.get(value);
      f.memory(name, 16 * n);
    });
    f.else();
    if (values.length > 1) this.#slowStoreWide(linear, values);
    else this.#slowStore(this.#binding.storeHelper(probed), node, linear, values);
    this.#binding.storeFailed(probed || values.length > 1);
    f.close();
  }

  #slowStore(helper: string, node: Node, linear: Local, values: readonly Local[]): void {
    const f = this.#f;
    f.get(this.#cpu);
    f.get(linear);
    f.i32(node.width!);
    for (const value of values) this.#halves(node.type as LocalType, value);
    f.call(this.#callees.helper(helper));
  }

  #slowStoreWide(linear: Local, values: readonly Local[]): void {
    this.#f.get(this.#cpu);
    this.#f.get(linear);
    for (const value of values) this.#halves("v128", value);
    this.#f.call(this.#callees.helper("store_wide_slow"));
  }

  /** A value as its two 64-bit halves. */
  #halves(type: LocalType, value: Local): void {
    const f = this.#f;
    f.get(value);
    if (type === "v128") {
      f.lanes("i64x2.extract_lane", [0]);
      f.get(value);
      return f.lanes("i64x2.extract_lane", [1]);
    }
    if (type === "f64") f.op("i64.reinterpret_f64");
    if (type === "f32") f.op("i32.reinterpret_f32");
    if (type === "i32" || type === "f32") f.op("i64.extend_i32_u");
    f.i64(0, 0);
  }

  /** Compare-and-swap where memory is plain and aligned, else by the helper; a lost race starts the instruction again. */
  #storeLocked(node: Node): void {
    const f = this.#f;
    const [linear, value, expected] = node.args.map((arg) => this.local(arg)) as [Local, Local, Local];
    const width = node.width!;
    const host = this.#writable.get(node.args[0]!);
    assert(host !== undefined, "a locked store follows a load of the same address");
    const outcome = f.local("i32");
    if (width <= 8) {
      this.#alignedHost(host, width);
      f.usually(true);
      f.open("if", "i32");
      this.#compareAndSwap(node, host, value, expected);
      f.else();
      this.#lockedSlow(node, linear, value, expected);
      f.close();
    } else this.#lockedSlow(node, linear, value, expected);
    f.tee(outcome);
    f.usually(false);
    f.open("if");
    f.get(outcome);
    f.i32(1);
    f.op("i32.eq");
    this.#binding.faultIf();
    this.#binding.retry();
    f.close();
  }

  /** Leaves 0 for success, 1 for a trap, 2 for a lost race. */
  #lockedSlow(node: Node, linear: Local, value: Local, expected: Local): void {
    if (this.#binding.leaveLocked()) return;
    this.#slowStore("store_locked_slow", node, linear, [value, expected]);
  }

  /** 1 if a host address is known and aligned to the width. */
  #alignedHost(host: Local, width: number): void {
    const f = this.#f;
    f.get(host);
    f.i32(0);
    f.op("i32.ne");
    f.get(host);
    f.i32(width - 1);
    f.op("i32.and");
    f.op("i32.eqz");
    f.op("i32.and");
  }

  /** Leaves 0 for success, 2 for a lost race. */
  #compareAndSwap(node: Node, host: Local, value: Local, expected: Local): void {
    const f = this.#f;
    const width = node.width!;
    const type = node.type as "i32" | "i64";
    f.get(host);
    f.get(expected);
    f.get(value);
    const narrow = width < 4 ? `i32.atomic.rmw${width * 8}.cmpxchg_u` : `${type}.atomic.rmw.cmpxchg`;
    f.memory(narrow, 0, Math.log2(width));
    f.get(expected);
    f.op(`${type}.ne`);
    f.i32(1);
    f.op("i32.shl");
  }

  #trapIf(node: Node): void {
    const f = this.#f;
    this.push(node.args[0]!);
    f.usually(false);
    f.open("if");
    f.get(this.#cpu);
    f.i32(node.at!);
    f.call(this.#callees.helper("raise_plain"));
    f.op("drop");
    f.i32(1);
    this.#binding.faultIf();
    f.close();
  }

  #call(index: number, node: Node): void {
    if (node.conditional) return this.#callIf(index, node);
    this.#callHelper(node, node.args);
    if (resultType(node) !== "none") this.#define(index, node);
    this.#faultAfter(node);
  }

  /** The arguments of a conditional call are the helper's, the value without the call, and the condition. */
  #callIf(index: number, node: Node): void {
    const f = this.#f;
    const result = f.local(resultType(node) as LocalType);
    const args = node.args.slice(0, -2);
    this.push(node.args.at(-2)!);
    f.set(result);
    this.push(node.args.at(-1)!);
    f.usually(false);
    f.open("if");
    this.#callHelper(node, args);
    f.set(result);
    this.#faultAfter(node);
    f.close();
    f.get(result);
    this.#define(index, node);
  }

  #callHelper(node: Node, args: readonly number[]): void {
    const helper = node.helper as HelperName;
    this.#binding.beforeCall(helper);
    this.#f.get(this.#cpu);
    for (const arg of args) this.push(arg);
    this.#f.call(this.#callees.helper(helper));
    this.#binding.afterCall(helper);
  }

  #faultAfter(node: Node): void {
    if (!HELPERS[node.helper as HelperName].faults) return;
    this.#stateLoad("i32.load", CPU.trap);
    this.#binding.faultIf();
  }
}

const FIELDS: ReadonlySet<Op> = new Set<Op>(["field", "imm", "segment", "address_mask"]);

function isField(node: Node): boolean {
  return FIELDS.has(node.op);
}

/** Whether a node may be computed at its uses instead of where it stands. */
function isPure(node: Node): boolean {
  return node.op in PURE_OPS || isField(node);
}

function countUses(program: Program): number[] {
  const uses = new Array<number>(program.nodes.length).fill(0);
  for (const node of program.nodes) for (const arg of node.args) uses[arg]!++;
  return uses;
}
