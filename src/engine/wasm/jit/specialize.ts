// bigint: constants are folded on the thread that compiles
import { slotField } from "../../../isa/decoder/fields.ts";
import type { Instruction } from "../../../isa/decoder/instruction.ts";
import { PURE_EVALUATIONS } from "../../../isa/evaluate/pure.ts";
import { type Node, type Program, PURE_OPS, type PureOp, type RegSlot, resultType } from "../../../isa/ir/ops.ts";
import { CPU, SEGMENT_SIZE } from "../../../isa/state.ts";
import { FORM_FILES } from "../../../isa/table/facts.ts";
import { REGISTER_CLASSES, SLOTS } from "../../../isa/table/row.ts";

/** The state offset or number in an operand slot of an instruction. */
export function slotOf(insn: Instruction, slot: RegSlot): number {
  const index = SLOTS.indexOf(slot);
  return slotField(REGISTER_CLASSES[FORM_FILES[insn.form * SLOTS.length + index]!]!, insn[slot], insn.rex !== 0);
}

/** State fields that have one value wherever a region runs: it looks when it is entered, and nothing in it changes them. */
export function assumedFields(codeSize: 32 | 64): ReadonlyMap<number, bigint> {
  return new Map([
    [CPU.sseTrap, 0n],
    [CPU.x87Trap, 0n],
    [CPU.avxTrap, 0n],
    [CPU.vexTrap, 0n],
    [CPU.stackMask, codeSize === 64 ? (1n << 64n) - 1n : 0xffff_ffffn],
    [CPU.linearMask, codeSize === 64 ? (1n << 64n) - 1n : 0xffff_ffffn],
  ]);
}

/** Rewrites a program for one instruction: fields and assumed state become constants, and what follows from them. */
export class Specializer {
  readonly #assumed: ReadonlyMap<number, bigint>;
  #insn!: Instruction;
  #nodes: Node[] = [];
  /** By old index the new one. */
  #map: number[] = [];
  /** Assumed fields that were used. */
  readonly used = new Set<number>();

  constructor(assumed: ReadonlyMap<number, bigint>) {
    this.#assumed = assumed;
  }

  specialize(program: Program, insn: Instruction): Program {
    this.#insn = insn;
    this.#nodes = [];
    this.#map = [];
    for (const node of program.nodes) {
      const args = node.args.map((arg) => this.#map[arg]!);
      this.#map.push(this.#place({ ...node, args }));
    }
    return { nodes: this.#nodes };
  }

  /** Index of the node that stands for a node. */
  #place(node: Node): number {
    const value = this.#fieldValue(node) ?? this.#folded(node);
    if (value !== undefined) return this.#constant(node, value);
    return this.#simplified(node) ?? this.#nodes.push(this.#settled(node)) - 1;
  }

  #constant(node: Node, value: bigint): number {
    const type = resultType(node);
    const words = [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
    const constant: Node = { op: "const", type, args: [], words: type === "i32" ? [words[0]!] : words };
    return this.#nodes.push(constant) - 1;
  }

  #fieldValue(node: Node): bigint | undefined {
    const insn = this.#insn;
    switch (node.op) {
      case "field":
        return BigInt(slotOf(insn, node.slot!));
      case "imm":
        return BigInt.asUintN(64, (BigInt(insn.immHigh) << 32n) | BigInt(insn.immLow >>> 0));
      case "segment":
        return BigInt(CPU.segments + SEGMENT_SIZE * insn.segment);
      case "address_mask":
        return (1n << BigInt(insn.addressSize)) - 1n;
      case "get": {
        const value = this.#assumed.get(node.at!);
        if (value !== undefined) this.used.add(node.at!);
        return value;
      }
      default:
        return undefined;
    }
  }

  /** The value of an integer operation on constants. */
  #folded(node: Node): bigint | undefined {
    const type = resultType(node);
    if (!(node.op in PURE_OPS) || node.op === "const" || node.op === "select") return undefined;
    if (type !== "i32" && type !== "i64") return undefined;
    const values = node.args.map((arg) => this.#value(arg));
    if (values.some((value) => value === undefined)) return undefined;
    return PURE_EVALUATIONS[node.op as PureOp](node, ...(values as bigint[]));
  }

  /** The value of a scalar integer constant. */
  #value(index: number): bigint | undefined {
    const { op, type, words } = this.#nodes[index]!;
    if (op !== "const") return undefined;
    if (type === "i32") return BigInt(words![0]! >>> 0);
    return type === "i64" ? (BigInt(words![1]! >>> 0) << 32n) | BigInt(words![0]! >>> 0) : undefined;
  }

  /** An argument that the node's value equals. */
  #simplified({ op, type, args, conditional }: Node): number | undefined {
    if (conditional) return this.#value(args.at(-1)!) === 0n ? args.at(-2) : undefined;
    if (op === "select") {
      const condition = this.#value(args[2]!);
      return condition === undefined ? undefined : args[condition ? 0 : 1];
    }
    if (type !== "i32" && type !== "i64") return undefined;
    const [x, y] = args as [number, number];
    const right = args.length === 2 ? this.#value(y) : undefined;
    const left = args.length === 2 ? this.#value(x) : undefined;
    const ones = type === "i32" ? 0xffff_ffffn : (1n << 64n) - 1n;
    if (op === "and") {
      if (right === ones || left === 0n) return x;
      return left === ones || right === 0n ? y : undefined;
    }
    if (op === "add" || op === "or" || op === "xor") {
      if (right === 0n) return x;
      return left === 0n ? y : undefined;
    }
    return right === 0n && (op === "sub" || op === "shl" || op === "shr_u" || op === "shr_s") ? x : undefined;
  }

  /** A node whose condition is known does what it does always, or nothing. */
  #settled(node: Node): Node {
    const last = node.args.at(-1);
    const condition = last === undefined ? undefined : this.#value(last);
    if (node.op === "trap_if" && condition === 0n) return NOTHING;
    if (node.op !== "flags" || node.type !== "i32" || condition === undefined) return node;
    return condition ? { ...node, type: "none", args: node.args.slice(0, -1) } : NOTHING;
  }
}

/** A node without effect that nobody uses. */
const NOTHING: Node = { op: "const", type: "i32", args: [], words: [0] };
