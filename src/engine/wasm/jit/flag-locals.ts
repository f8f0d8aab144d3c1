import type { Node, Program } from "../../../isa/ir/ops.ts";
import { CPU } from "../../../isa/state.ts";
import type { FunctionWriter, Local } from "../asm/function-writer.ts";
import type { NodeValues } from "../emitter/binding.ts";

/** Of an addition or subtraction the kind is its operands' bits, plus this for a subtraction; 0: the flag words are made. */
const SUBTRACTION = 0x80;

/**
 * What is known of the flags at a place of a region. `made`: both words of lower.ts are in their locals. `add`, `sub`:
 * the operands and the sign-extended result of the last operation are, and the word with the carries is not made yet;
 * `plain` without a carry in. `logic` is `made` with no carries. `unknown`: the local `kind` tells.
 */
type Known =
  | { readonly state: "made" }
  | { readonly state: "unknown" }
  | { readonly state: "logic"; readonly bits: number }
  | { readonly state: "add" | "sub"; readonly bits: number; readonly plain: boolean };

/** The arithmetic flags of a region: made from the operands only where somebody looks. */
export class FlagLocals {
  readonly #f: FunctionWriter;
  readonly #cpu: Local;
  readonly result: Local;
  readonly aux: Local;
  readonly #a: Local;
  readonly #b: Local;
  readonly #kind: Local;
  known: Known = { state: "made" };

  constructor(f: FunctionWriter, cpu: Local) {
    this.#f = f;
    this.#cpu = cpu;
    this.result = f.local("i64");
    this.aux = f.local("i32");
    this.#a = f.local("i64");
    this.#b = f.local("i64");
    this.#kind = f.local("i32");
  }

  load(): void {
    const f = this.#f;
    f.get(this.#cpu);
    f.memory("i64.load", CPU.flagResult);
    f.set(this.result);
    f.get(this.#cpu);
    f.memory("i32.load", CPU.flagAux);
    f.set(this.aux);
  }

  /** Makes the words, whatever is known at run time, and stores them. */
  store(): void {
    const f = this.#f;
    this.known = { state: "unknown" };
    this.make();
    f.get(this.#cpu);
    f.get(this.result);
    f.memory("i64.store", CPU.flagResult);
    f.get(this.#cpu);
    f.get(this.aux);
    f.memory("i32.store", CPU.flagAux);
  }

  /** Tells the local `kind` what is known here, for a place that several ways lead to. */
  tell(): void {
    const { known } = this;
    if (known.state === "unknown") return;
    this.#f.i32(known.state === "add" || known.state === "sub" ? kindOf(known) : 0);
    this.#f.set(this.#kind);
  }

  /** Sets flags by a node of a kind that `isDeferred` names. */
  set(node: Node, values: NodeValues): void {
    const { kind, width } = node as { kind: "add" | "sub" | "logic"; width: number };
    const [a, b] = node.args as [number, number];
    if (kind === "logic") {
      this.#signed(a, width, values);
      this.#f.set(this.result);
      this.#f.i32(0);
      this.#f.set(this.aux);
      this.known = { state: "logic", bits: width };
      return;
    }
    this.#wide(a, width, values);
    this.#f.set(this.#a);
    this.#wide(b, width, values);
    this.#f.set(this.#b);
    this.#signed(node.args[2]!, width, values);
    this.#f.set(this.result);
    this.known = { state: kind, bits: width, plain: isPlain(node, values.nodes) };
  }

  /** Whether a condition can be had from what is known without making the words. */
  has(code: number): boolean {
    const { known } = this;
    if (known.state === "made" || known.state === "unknown") return false;
    const pair = code >> 1;
    if (known.state === "logic" || pair === 2 || pair === 4 || pair === 5) return true;
    if (!known.plain) return false;
    return known.state === "sub" ? pair !== 0 : pair === 1;
  }

  /** Pushes 0 or 1: a condition that `has` names. [SDM 1 B.1] */
  condition(code: number): void {
    this.#pair(code >> 1);
    if ((code & 1) === 0) return;
    this.#f.op("i32.eqz");
  }

  #pair(pair: number): void {
    const f = this.#f;
    const zero = (comparison: string): void => {
      f.get(this.result);
      f.i64(0, 0);
      f.op(`i64.${comparison}`);
    };
    if (pair === 2) return this.#equal();
    if (pair === 4) return zero("lt_s");
    if (pair === 5) return this.#parity();
    if (this.known.state === "logic") {
      if (pair < 2) return f.i32(0);
      return zero(pair === 3 ? "eq" : pair === 6 ? "lt_s" : "le_s");
    }
    if (this.known.state === "add") return this.#carryOfAddition();
    this.#compare({ 1: "lt_u", 3: "le_u", 6: "lt_s", 7: "le_s" }[pair]!, pair >= 6);
  }

  #equal(): void {
    const { known } = this;
    if (known.state === "sub" && known.plain) return this.#compare("eq", false);
    this.#f.get(this.result);
    this.#f.op("i64.eqz");
  }

  /** Compares the operands of a subtraction. */
  #compare(comparison: string, signed: boolean): void {
    const f = this.#f;
    const { bits } = this.known as { bits: number };
    for (const operand of [this.#a, this.#b]) {
      f.get(operand);
      if (signed && bits < 32) f.op(`i64.extend${bits}_s`);
      if (bits === 32) f.op("i32.wrap_i64");
    }
    f.op(`${bits === 32 ? "i32" : "i64"}.${comparison}`);
  }

  /** The sum is less than an operand. */
  #carryOfAddition(): void {
    const f = this.#f;
    const { bits } = this.known as { bits: number };
    f.get(this.result);
    if (bits < 64) {
      f.i64(bits === 32 ? -1 : 2 ** bits - 1, 0);
      f.op("i64.and");
    }
    f.get(this.#a);
    f.op("i64.lt_u");
  }

  #parity(): void {
    const f = this.#f;
    f.get(this.result);
    f.op("i32.wrap_i64");
    f.i32(0xff);
    f.op("i32.and");
    f.op("i32.popcnt");
    f.i32(1);
    f.op("i32.and");
    f.op("i32.eqz");
  }

  /** Makes the words here. */
  make(): void {
    const { known } = this;
    const f = this.#f;
    this.known = { state: "made" };
    if (known.state === "made" || known.state === "logic") return;
    if (known.state !== "unknown") {
      f.i32(kindOf(known));
      f.set(this.#kind);
      return this.#makeCarries(known.bits, known.state === "sub");
    }
    f.get(this.#kind);
    f.open("if");
    this.#makeCarries(undefined, undefined);
    f.close();
  }

  /** The word of the carries from operands and result; bits and operation are in `kind` if they are not given. */
  #makeCarries(bits: number | undefined, subtracts: boolean | undefined): void {
    const f = this.#f;
    if (subtracts !== undefined) this.#carries(subtracts);
    else {
      this.#carries(true);
      this.#carries(false);
      f.get(this.#kind);
      f.i32(SUBTRACTION);
      f.op("i32.and");
      f.op("select");
    }
    const carries = this.#b;
    f.set(carries);
    f.get(carries);
    if (bits === undefined) {
      f.i64(64, 0);
      f.get(this.#kind);
      f.op("i64.extend_i32_u");
      f.op("i64.sub");
    } else f.i64(64 - bits, 0);
    f.op("i64.shl");
    f.i64(32, 0);
    f.op("i64.shr_u");
    f.op("i32.wrap_i64");
    f.i32(0xc0000000 | 0);
    f.op("i32.and");
    f.get(carries);
    f.op("i32.wrap_i64");
    f.i32(8);
    f.op("i32.and");
    f.op("i32.or");
    f.set(this.aux);
    f.i32(0);
    f.set(this.#kind);
  }

  /** Carries or borrows out of every bit, as lower.ts has them. */
  #carries(subtracts: boolean): void {
    const f = this.#f;
    const a = (): void => {
      f.get(this.#a);
      if (!subtracts) return;
      f.i64(-1, -1);
      f.op("i64.xor");
    };
    a();
    f.get(this.#b);
    f.op("i64.and");
    a();
    f.get(this.#b);
    f.op("i64.or");
    f.get(this.result);
    if (!subtracts) {
      f.i64(-1, -1);
      f.op("i64.xor");
    }
    f.op("i64.and");
    f.op("i64.or");
  }

  #wide(index: number, width: number, values: NodeValues): void {
    values.push(index);
    if (width < 64) this.#f.op("i64.extend_i32_u");
  }

  #signed(index: number, width: number, values: NodeValues): void {
    values.push(index);
    if (width < 32) this.#f.op(`i32.extend${width}_s`);
    if (width < 64) this.#f.op("i64.extend_i32_s");
  }
}

function kindOf({ state, bits }: { readonly state: string; readonly bits: number }): number {
  return bits | (state === "sub" ? SUBTRACTION : 0);
}

/** Flags that are kept as operands and result. */
export function isDeferred({ op, kind, type }: Node): boolean {
  return op === "flags" && type !== "i32" && (kind === "add" || kind === "sub" || kind === "logic");
}

/** Whether the result of flags is that of the operation on the operands, without a carry. */
function isPlain({ args, kind }: Node, nodes: readonly Node[]): boolean {
  const result = nodes[args[2]!]!;
  if (result.op !== kind) return false;
  return result.args.every((arg, n) => arg === args[n] || sameConstant(nodes[arg]!, nodes[args[n]!]!));
}

function sameConstant(x: Node, y: Node): boolean {
  return x.op === "const" && y.op === "const" && x.words!.every((word, n) => word === y.words![n]);
}

/** Kinds of flags that leave nothing of the flags before. */
const COMPLETE: ReadonlySet<string> = new Set(["add", "sub", "logic", "shift", "raw"]);

/** What the instruction does to the flags that it finds: it looks at them or may fault, overwrites them, or neither. */
export function flagUse({ nodes }: Program, mayLeave: (node: Node) => boolean): "looks" | "overwrites" | "neither" {
  for (const node of nodes) {
    if (node.op === "cond" || node.op === "eflags" || mayLeave(node)) return "looks";
    if (node.op === "flags") return node.type !== "i32" && COMPLETE.has(node.kind!) ? "overwrites" : "looks";
    if (node.op === "jump") return "looks";
  }
  return "neither";
}
