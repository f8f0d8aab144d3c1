import { CPU, EFLAGS } from "../state.ts";
import { Builder, type Value } from "./builder.ts";
import { type FlagKind, type Node, type Program, resultType } from "./ops.ts";

/**
 * The arithmetic flags are kept unevaluated in two words (their only definition is here):
 * - flagResult (i64): ZF = it is 0; SF = its sign.
 * - flagAux (i32): CF = bit 31; OF = bit 31 xor bit 30; AF = bit 3; bit 0 flips SF;
 *   PF = even parity of the low byte of flagResult xor flagAux's bits 8-15.
 * An addition's carries out of every bit, moved so that the operand's top bit is bit 31, give CF, OF and AF at once.
 */
class Lowering extends Builder {
  readonly #value: Value[] = [];
  readonly #keeps: (node: Node) => boolean;

  constructor(keeps: (node: Node) => boolean) {
    super();
    this.#keeps = keeps;
  }

  lower(program: Program): Program {
    for (const node of program.nodes) this.#value.push(this.#node(node));
    return this.program();
  }

  #node(node: Node): Value {
    const args = node.args.map((a) => this.#value[a]!);
    if (this.#keeps(node)) return this.#copy(node, args);
    if (node.op === "flags") return this.#flags(node, args);
    if (node.op === "cond") return this.condition(node.at!);
    if (node.op === "eflags") return this.packed();
    return this.#copy(node, args);
  }

  #copy(node: Node, args: readonly Value[]): Value {
    this.nodes.push({ ...node, args: args.map((a) => a.index) });
    const type = resultType(node);
    return { index: this.nodes.length - 1, type: type === "none" ? "i32" : type };
  }

  // Reading

  #result(): Value {
    return this.get(CPU.flagResult, "i64");
  }
  #aux(): Value {
    return this.get(CPU.flagAux, "i32");
  }
  #bit(value: Value, bit: number): Value {
    return this.and(this.shrU(value, this.i32(bit)), this.i32(1));
  }
  carry(): Value {
    return this.shrU(this.#aux(), this.i32(31));
  }
  overflow(): Value {
    const aux = this.#aux();
    return this.shrU(this.xor(aux, this.shl(aux, this.i32(1))), this.i32(31));
  }
  zero(): Value {
    return this.isZero(this.#result());
  }
  sign(): Value {
    const top = this.wrap(this.shrU(this.#result(), this.i64(63)));
    return this.xor(top, this.and(this.#aux(), this.i32(1)));
  }
  parity(): Value {
    const byte = this.and(this.xor(this.wrap(this.#result()), this.shrU(this.#aux(), this.i32(8))), this.i32(0xff));
    return this.and(this.not(this.op("popcnt", byte)), this.i32(1));
  }

  /** [SDM 1 B.1] */
  condition(code: number): Value {
    const value = this.#condition(code >> 1);
    return code & 1 ? this.xor(value, this.i32(1)) : value;
  }

  #condition(pair: number): Value {
    const pairs: readonly (() => Value)[] = [
      () => this.overflow(),
      () => this.carry(),
      () => this.zero(),
      () => this.or(this.carry(), this.zero()),
      () => this.sign(),
      () => this.parity(),
      () => this.xor(this.sign(), this.overflow()),
      () => this.or(this.zero(), this.xor(this.sign(), this.overflow())),
    ];
    return pairs[pair]!();
  }

  /** All of EFLAGS: the system flags with the arithmetic ones put in. */
  packed(): Value {
    const at = (flag: Value, bit: number): Value => (bit ? this.shl(flag, this.i32(bit)) : flag);
    const flags = [
      at(this.carry(), 0),
      at(this.parity(), 2),
      at(this.#bit(this.#aux(), 3), 4),
      at(this.zero(), 6),
      at(this.sign(), 7),
      at(this.overflow(), 11),
    ];
    const system = this.and(this.get(CPU.eflags, "i32"), this.i32(~EFLAGS.arithmetic));
    return flags.reduce((all, flag) => this.or(all, flag), system);
  }

  // Writing

  #flags(node: Node, all: Value[]): Value {
    const conditional = node.type === "i32";
    const when = conditional ? all[all.length - 1] : undefined;
    const args = conditional ? all.slice(0, -1) : all;
    const { result, aux } = this.#words(node.kind!, node.width!, args);
    if (result) this.#setWord(CPU.flagResult, result, this.#result.bind(this), when);
    this.#setWord(CPU.flagAux, aux, this.#aux.bind(this), when);
    return aux;
  }

  #setWord(at: number, value: Value, old: () => Value, when: Value | undefined): void {
    this.set(at, when ? this.select(when, value, old()) : value);
  }

  /** The two words after an operation; no result: flagResult stays. */
  #words(kind: FlagKind, bits: number, args: Value[]): { result?: Value; aux: Value } {
    const [a, b, r] = args as [Value, Value, Value];
    switch (kind) {
      case "add":
        return { result: this.#signed(r, bits), aux: this.#carries(this.#addCarries(a, b, r), bits) };
      case "sub":
        return { result: this.#signed(r, bits), aux: this.#carries(this.#subCarries(a, b, r), bits) };
      case "inc":
        return {
          result: this.#signed(b, bits),
          aux: this.#keepCarry(this.#addCarries(a, this.constant(a, 1), b), bits),
        };
      case "dec":
        return {
          result: this.#signed(b, bits),
          aux: this.#keepCarry(this.#subCarries(a, this.constant(a, 1), b), bits),
        };
      case "logic":
        return { result: this.#signed(a, bits), aux: this.i32(0) };
      case "shift":
        return { result: this.#signed(a, bits), aux: this.#carryOverflow(b, r) };
      case "cf":
        return { aux: this.#withCarryOverflow(a, this.overflow()) };
      case "cfof":
        return { aux: this.#withCarryOverflow(a, b) };
      case "zf":
        return this.#raw(this.or(this.and(this.packed(), this.i32(~EFLAGS.ZF)), this.shl(a, this.i32(6))));
      case "raw":
        return this.#raw(a);
    }
  }

  #signed(value: Value, bits: number): Value {
    return this.extend(this.signExtend(value, bits), true);
  }

  /** Carries out of every bit of a + b (+ carry in). */
  #addCarries(a: Value, b: Value, r: Value): Value {
    return this.or(this.and(a, b), this.and(this.or(a, b), this.not(r)));
  }

  /** Borrows out of every bit of a - b (- borrow in). */
  #subCarries(a: Value, b: Value, r: Value): Value {
    return this.or(this.and(this.not(a), b), this.and(this.or(this.not(a), b), r));
  }

  /** A carry vector moved so that the operand's top bit is bit 31; bit 3 stays; bits 0 and 8-15 are clear. */
  #carries(carries: Value, bits: number): Value {
    const low = this.and(this.wrap(carries), this.i32(8));
    const top =
      bits === 64
        ? this.wrap(this.shrU(carries, this.i64(32)))
        : bits === 32
          ? carries
          : this.shl(carries, this.i32(32 - bits));
    return this.or(this.and(top, this.i32(0xc0000000 | 0)), low);
  }

  #keepCarry(carries: Value, bits: number): Value {
    const aux = this.#carries(carries, bits);
    const overflow = this.shrU(this.xor(aux, this.shl(aux, this.i32(1))), this.i32(31));
    return this.or(this.and(aux, this.i32(8)), this.#carryOverflow(this.carry(), overflow));
  }

  /** Bits 31 and 30 for CF and OF given as 0 or 1. */
  #carryOverflow(cf: Value, of: Value): Value {
    return this.or(this.shl(cf, this.i32(31)), this.shl(this.xor(cf, of), this.i32(30)));
  }

  #withCarryOverflow(cf: Value, of: Value): Value {
    return this.or(this.and(this.#aux(), this.i32(0x3fffffff)), this.#carryOverflow(cf, of));
  }

  /** Any combination: ZF chooses 0 or 0x100 as the result, then bit 0 and bits 8-15 correct SF and PF. */
  #raw(image: Value): { result: Value; aux: Value } {
    const flag = (bit: number): Value => this.#bit(image, bit);
    const result = this.extend(this.shl(this.xor(flag(6), this.i32(1)), this.i32(8)));
    const odd = this.shl(this.xor(flag(2), this.i32(1)), this.i32(8));
    const adjust = this.shl(flag(4), this.i32(3));
    const aux = [this.#carryOverflow(flag(0), flag(11)), odd, adjust, flag(7)].reduce((x, y) => this.or(x, y));
    return { result, aux };
  }
}

/** Rewrites `flags`, `cond` and `eflags`, except nodes that `keeps` names, in plain state and integer operations. */
export function lowerFlags(program: Program, keeps: (node: Node) => boolean = () => false): Program {
  return new Lowering(keeps).lower(program);
}
