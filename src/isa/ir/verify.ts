import { CPU } from "../state.ts";
import { HELPERS, type HelperDeclaration } from "./helpers.ts";
import {
  type EffectOp,
  type Effects,
  effectsOf,
  type FlagKind,
  type LaneType,
  type Node,
  type NodeType,
  type Program,
  PURE_OPS,
  type PureOp,
  resultType,
  type ValueType,
} from "./ops.ts";
import { argumentType, hasValue, PURE_SIGNATURES, type PureSignature } from "./signatures.ts";

/** What is wrong with a node at its place in the program, or undefined. */
type Check = (node: Node, at: Place) => string | undefined;

/** Bytes of the accesses that a value type has. */
const WIDTHS: Readonly<Record<ValueType, readonly number[]>> = {
  i32: [1, 2, 4],
  i64: [1, 2, 4, 8],
  f32: [4],
  f64: [8],
  v128: [4, 8, 16],
};

/** Numbers of exception vectors and of condition codes. */
const VECTORS = 32;
const CONDITIONS = 16;

const FLAG_ARGUMENTS: Readonly<Record<FlagKind, number>> = {
  add: 3,
  sub: 3,
  inc: 2,
  dec: 2,
  logic: 1,
  shift: 3,
  cf: 1,
  cfof: 2,
  zf: 1,
  raw: 1,
};

/** A node's place in its program: what its arguments are. */
class Place {
  readonly index: number;
  readonly #nodes: readonly Node[];

  constructor(nodes: readonly Node[], index: number) {
    this.#nodes = nodes;
    this.index = index;
  }

  get node(): Node {
    return this.#nodes[this.index]!;
  }

  argument(n: number): Node {
    return this.#nodes[this.node.args[n]!]!;
  }

  types(): (ValueType | "none")[] {
    return this.node.args.map((arg) => resultType(this.#nodes[arg]!));
  }

  /** What is wrong with the arguments' types, if they are not those. */
  expect(...types: (ValueType | "none")[]): string | undefined {
    const found = this.types();
    const same = found.length === types.length && types.every((type, n) => type === found[n]);
    return same ? undefined : `takes (${types.join(", ")}), not (${found.join(", ")})`;
  }

  /** A load with intent "write" of at least `width` bytes at the node's address stands before it. */
  isProbed(width: number): boolean {
    const before = this.#nodes.slice(0, this.index);
    return before.some(
      (n) => n.op === "load" && n.intent === "write" && n.args[0] === this.node.args[0] && n.width! >= width,
    );
  }

  isLast(): boolean {
    return this.index === this.#nodes.length - 1;
  }

  /** Before it rip is written, or a helper that may do so is called. */
  followsRip(): boolean {
    const before = this.#nodes.slice(0, this.index);
    return before.some((n) => (n.op === "call" && declarationOf(n)?.writes) || (n.op === "set" && n.at === CPU.rip));
  }
}

function declarationOf(node: Node): HelperDeclaration | undefined {
  return (HELPERS as Readonly<Record<string, HelperDeclaration>>)[node.helper!];
}

/** The first complaint of several. */
function first(...complaints: (string | undefined | false)[]): string | undefined {
  return complaints.find((complaint): complaint is string => typeof complaint === "string");
}

function typed(node: Node, ...types: NodeType[]): string | undefined {
  return types.includes(node.type) ? undefined : `is not of type ${node.type}`;
}

// Pure operations

function checkPure(node: Node, at: Place): string | undefined {
  const signature = PURE_SIGNATURES[node.op as PureOp];
  return first(
    typed(node, ...signature.types),
    checkSource(node, signature),
    node.op === "const" ? checkConstant(node) : checkImmediates(node, signature),
    at.expect(...signature.args.map((arg) => argumentType(node, arg))),
  );
}

function checkSource(node: Node, { from }: PureSignature): string | undefined {
  const sources = from?.[node.type] ?? [];
  const right =
    sources.length === 0 ? node.from === undefined || node.from === "v128" : sources.includes(node.from as ValueType);
  return right ? undefined : `does not convert from ${node.from}`;
}

function checkConstant(node: Node): string | undefined {
  const words = node.type === "v128" ? 4 : node.type === "i64" ? 2 : 1;
  const exact = node.words?.length === words && node.words.every((word) => word === (word | 0));
  return exact ? undefined : `needs ${words} words of 32 bits`;
}

function checkImmediates(node: Node, { immediates }: PureSignature): string | undefined {
  if (immediates === undefined) return node.words === undefined ? undefined : "takes no immediate lanes";
  const { count, below } = immediates(node.type as LaneType);
  const right =
    node.words?.length === count && node.words.every((lane) => Number.isInteger(lane) && lane >= 0 && lane < below);
  return right ? undefined : `needs ${count} lanes below ${below}`;
}

// Accesses

function checkWidth(node: Node, store: boolean): string | undefined {
  const type = node.type as ValueType;
  const widths = store && type === "v128" ? [16] : WIDTHS[type];
  return widths?.includes(node.width!) ? undefined : `has no access of ${node.width} bytes as ${node.type}`;
}

function checkField(node: Node, store: boolean): string | undefined {
  const inside = Number.isInteger(node.at) && node.at! >= 0 && node.at! + (node.width ?? 0) <= CPU.end;
  return first(inside ? undefined : `${node.at} is not in the state`, checkWidth(node, store));
}

/** Bytes of a vector register, the widest there is. */
const WIDEST = 32;

function checkSlot(node: Node): string | undefined {
  if (node.slot === undefined) return "names no operand slot";
  return (node.at ?? 0) + (node.width ?? 0) > WIDEST ? `reaches beyond ${WIDEST} bytes` : undefined;
}

/** The address of an access was checked for that access. */
function checkAddress(node: Node, at: Place, write: boolean): string | undefined {
  const address = at.argument(0);
  if (address.op !== "linear") return undefined;
  if (write && address.intent !== "write") return "writes where only a read was checked";
  return node.width! > address.width! ? `accesses ${node.width} bytes where ${address.width} were checked` : undefined;
}

function checkStore(node: Node, at: Place): string | undefined {
  const value = node.type as ValueType;
  if (node.width === WIDEST)
    return typed(node, "v128") ?? at.expect("i64", value, value) ?? checkAddress(node, at, true);
  return first(
    at.expect("i64", value, ...(node.locked ? [value] : [])) ?? checkWidth(node, true) ?? checkAddress(node, at, true),
    node.locked && !at.isProbed(node.width!) && "stores locked what was not loaded to be written",
  );
}

// Other effects

function checkFlags(node: Node, at: Place): string | undefined {
  const count = FLAG_ARGUMENTS[node.kind!] + (node.type === "i32" ? 1 : 0);
  const types = at.types();
  const bits = node.width!;
  return first(
    typed(node, "none", "i32"),
    types.length !== count && `flags of ${node.kind} take ${count} arguments, not ${types.length}`,
    ![8, 16, 32, 64].includes(bits) && `flags of ${bits} bits`,
    types.some((type, n) => type !== flagArgument(node.kind!, n, bits)) &&
      `flags of ${node.kind} from (${types.join(", ")})`,
  );
}

/** Operands and results are of the operand's type; flags, images and conditions are i32. */
function flagArgument(kind: FlagKind, n: number, bits: number): ValueType {
  const operand = bits === 64 ? "i64" : "i32";
  if (kind === "add" || kind === "sub") return n < 3 ? operand : "i32";
  if (kind === "inc" || kind === "dec") return n < 2 ? operand : "i32";
  return n === 0 && (kind === "logic" || kind === "shift") ? operand : "i32";
}

function checkCall(node: Node, at: Place): string | undefined {
  const declaration = declarationOf(node);
  if (declaration === undefined) return `calls ${node.helper}, which is no helper`;
  if (node.type !== declaration.result) return `${node.helper} gives ${declaration.result}, not ${node.type}`;
  const conditional = node.conditional ? [declaration.result, "i32" as const] : [];
  return at.expect(...declaration.params, ...conditional);
}

const reader =
  (...types: ValueType[]): Check =>
  (node, at) =>
    typed(node, ...types) ?? at.expect();
const last = (at: Place): string | undefined => (at.isLast() ? undefined : "is not the last operation");
const below = (limit: number, value: number | undefined, complaint: string): string | undefined =>
  value !== undefined && value >= 0 && value < limit ? undefined : `${complaint} ${value}`;

const EFFECT_CHECKS: Readonly<Record<EffectOp, Check>> = {
  get: (node, at) => checkField(node, false) ?? at.expect(),
  set: (node, at) => checkField(node, true) ?? at.expect(node.type as ValueType),
  get_reg: (node, at) => checkSlot(node) ?? checkWidth(node, false) ?? at.expect(),
  set_reg: (node, at) => checkSlot(node) ?? checkWidth(node, true) ?? at.expect(node.type as ValueType),
  field: (node, at) => checkSlot(node) ?? typed(node, "i32") ?? at.expect(),
  imm: reader("i32", "i64"),
  ea: reader("i64"),
  segment: reader("i32"),
  address_mask: reader("i64"),
  rip_this: reader("i64"),
  rip_next: reader("i64"),
  linear: (node, at) => typed(node, "i64") ?? at.expect("i64"),
  load: (node, at) => at.expect("i64") ?? checkWidth(node, false) ?? checkAddress(node, at, node.intent === "write"),
  store: checkStore,
  store_probed: (node, at) =>
    checkStore(node, at) ?? (at.isProbed(node.width!) ? undefined : "no load made this store safe"),
  trap_if: (node, at) => at.expect("i32") ?? below(VECTORS, node.at, "raises vector"),
  flags: checkFlags,
  cond: (node, at) => at.expect() ?? below(CONDITIONS, node.at, "no condition"),
  eflags: reader("i32"),
  call: checkCall,
  jump: (_, at) => at.expect("i64") ?? last(at),
  end: (_, at) => at.expect() ?? last(at) ?? (at.followsRip() ? undefined : "nothing wrote rip"),
};

function checkNode(node: Node, at: Place): string | undefined {
  return node.op in PURE_OPS ? checkPure(node, at) : EFFECT_CHECKS[node.op as EffectOp](node, at);
}

function checkArguments(node: Node, nodes: readonly Node[]): string | undefined {
  for (const arg of node.args) {
    const used = nodes[arg];
    if (used === undefined) return `uses %${arg}, which is not there yet`;
    if (!hasValue(used)) return `uses %${arg}, which has no value`;
  }
  return undefined;
}

/** A node's effects: a call's are those of its helper. */
function narrowed(node: Node): Pick<Effects, "faults" | "writes"> {
  return (node.op === "call" && declarationOf(node)) || effectsOf(node.op);
}

/** What was written so far: memory by stores, state by everything else. */
type Written = Set<"memory" | "state">;

/**
 * An instruction that faults or leaves for a device has changed nothing: nothing is written before an operation that
 * can fault. A store whose address was loaded with intent "write" cannot fault, but may still leave for a device: stores
 * may stand before it, since entering the instruction again repeats them, and nothing else.
 */
function checkOrder(node: Node, written: Written): string | undefined {
  if (narrowed(node).faults && written.size > 0) return `can fault after a write of ${[...written].join(" and ")}`;
  const leaves = node.op === "store_probed" && written.has("state");
  return leaves ? "may leave for a device after a write of state" : undefined;
}

/** What is wrong with a program, a line for every node that breaks a rule; empty for a good one. Takes lowered programs too. */
export function verify(program: Program): string[] {
  const complaints: string[] = [];
  const written: Written = new Set();
  for (const [index, node] of program.nodes.entries()) {
    const wrong =
      checkArguments(node, program.nodes.slice(0, index)) ??
      checkNode(node, new Place(program.nodes, index)) ??
      checkOrder(node, written);
    if (wrong !== undefined) complaints.push(`%${index} ${node.op} ${wrong}`);
    if (narrowed(node).writes) written.add(node.op === "store" || node.op === "store_probed" ? "memory" : "state");
  }
  return complaints;
}
