import { HELPERS, type HelperName } from "../ir/helpers.ts";
import { type EffectOp, type Node, resultType } from "../ir/ops.ts";
import { CPU, SEGMENT, TRAP } from "../state.ts";
import { type Bits, sizeOf, unsigned } from "./bits.ts";
import type { Operands } from "./operands.ts";

/** Functions of the compiled helper library; i64 arguments and results are bigints. */
export type HelperExports = Readonly<
  Record<string, (...args: (number | bigint)[]) => number | bigint | boolean | undefined>
>;

/** Where programs are evaluated: linear memory, the vCPU's address in it, and the helpers that work on both. */
export interface Machine {
  readonly view: DataView;
  readonly cpu: number;
  readonly helpers: HelperExports;
}

/** How a program ended; `trap`: CPU.trap says why, rip is the instruction's. `retry`: a locked store lost its race. */
export type Outcome = "next" | "jump" | "end" | "trap" | "retry";

/** One evaluation under way. */
export interface Frame {
  readonly machine: Machine;
  readonly operands: Operands;
  /** Set by the operation that ends the program. */
  outcome: Outcome | undefined;
}

type EffectEvaluation = (frame: Frame, node: Node, ...args: Bits[]) => Bits;

function readBytes(view: DataView, at: number, width: number): Bits {
  let value = 0n;
  for (let n = width - 1; n >= 0; n--) value = (value << 8n) | BigInt(view.getUint8(at + n));
  return value;
}

function writeBytes(view: DataView, at: number, width: number, value: Bits): void {
  for (let n = 0; n < width; n++) view.setUint8(at + n, Number((value >> BigInt(8 * n)) & 0xffn));
}

/** Reads a state field. */
export function readState({ view, cpu }: Machine, at: number, width: number): Bits {
  return readBytes(view, cpu + at, width);
}

/** Writes a state field. */
export function writeState({ view, cpu }: Machine, at: number, width: number, value: Bits): void {
  writeBytes(view, cpu + at, width, value);
}

/** A narrow value as its node's type: extended by its sign if the node says so. */
function extended(node: Node, value: Bits): Bits {
  const type = resultType(node);
  if (!node.signed || type === "none") return value;
  return unsigned(BigInt.asIntN(node.width! * 8, value), sizeOf(type));
}

function call({ machine }: Frame, name: string, ...args: (number | bigint)[]): bigint {
  const result = machine.helpers[name]!(machine.cpu, ...args);
  return BigInt(result ?? 0);
}

function trapped(frame: Frame): boolean {
  const trap = readState(frame.machine, CPU.trap, 4) !== 0n;
  if (trap) frame.outcome = "trap";
  return trap;
}

function leave(frame: Frame, outcome: Outcome): Bits {
  frame.outcome = outcome;
  return 0n;
}

function registerAt(frame: Frame, { slot, at = 0 }: Node): number {
  return frame.operands.slots[slot!] + at;
}

function linear(frame: Frame, node: Node, offset: Bits): Bits {
  const { machine } = frame;
  const segment = node.at ?? frame.operands.segment;
  if (readState(machine, segment + SEGMENT.check, 4) !== 0n) {
    const checked = call(frame, "segment_check", segment, offset, node.width!, node.intent === "write" ? 1 : 0);
    trapped(frame);
    return unsigned(checked, 64);
  }
  return (readState(machine, segment + SEGMENT.base, 8) + offset) & readState(machine, CPU.linearMask, 8);
}

function load(frame: Frame, node: Node, address: Bits): Bits {
  const host = Number(call(frame, "load_slow", address, node.width!, node.intent === "write" ? 1 : 0)) >>> 0;
  if (host === 0) return leave(frame, "trap");
  return extended(node, readBytes(frame.machine.view, host, node.width!));
}

const halves = (value: Bits): [bigint, bigint] => [unsigned(value, 64), value >> 64n];

function store(frame: Frame, node: Node, address: Bits, value: Bits, other?: Bits): Bits {
  if (node.width === 32) {
    if (call(frame, "store_wide_slow", address, ...halves(value), ...halves(other!)) !== 0n) leave(frame, "trap");
  } else if (other !== undefined) {
    const outcome = call(frame, "store_locked_slow", address, node.width!, ...halves(value), ...halves(other));
    if (outcome !== 0n) leave(frame, outcome === 1n ? "trap" : "retry");
  } else if (call(frame, "store_slow", address, node.width!, ...halves(value)) !== 0n) leave(frame, "trap");
  return 0n;
}

function trapIf(frame: Frame, node: Node, condition: Bits): Bits {
  if (condition === 0n) return 0n;
  writeState(frame.machine, CPU.faultVector, 4, BigInt(node.at!));
  writeState(frame.machine, CPU.faultError, 4, 0n);
  writeState(frame.machine, CPU.trap, 4, BigInt(TRAP.exception));
  return leave(frame, "trap");
}

function callHelper(frame: Frame, node: Node, ...all: Bits[]): Bits {
  if (node.conditional && all.at(-1) === 0n) return all.at(-2)!;
  const declaration = HELPERS[node.helper as HelperName];
  const args = node.conditional ? all.slice(0, -2) : all;
  const given = args.map((arg, n) => (declaration.params[n] === "i32" ? Number(BigInt.asIntN(32, arg)) : arg));
  const result = call(frame, node.helper!, ...given);
  if (declaration.faults) trapped(frame);
  return declaration.result === "none" ? 0n : unsigned(result, sizeOf(declaration.result));
}

function jump(frame: Frame, _: Node, rip: Bits): Bits {
  writeState(frame.machine, CPU.rip, 8, rip);
  return leave(frame, "jump");
}

const lowered: EffectEvaluation = (_, node) => {
  throw new Error(`${node.op} is lowered before evaluation`);
};

/** Every operation that reads or changes state. */
export const EFFECT_EVALUATIONS: Readonly<Record<EffectOp, EffectEvaluation>> = {
  get: ({ machine }, node) => extended(node, readState(machine, node.at!, node.width!)),
  set: ({ machine }, node, value) => {
    writeState(machine, node.at!, node.width!, value!);
    return 0n;
  },
  get_reg: (frame, node) => extended(node, readState(frame.machine, registerAt(frame, node), node.width!)),
  set_reg: (frame, node, value) => {
    writeState(frame.machine, registerAt(frame, node), node.width!, value!);
    return 0n;
  },
  field: (frame, node) => BigInt(registerAt(frame, node)),
  imm: ({ operands }, node) => unsigned(operands.imm, sizeOf(node.type)),
  ea: ({ machine, operands }) => operands.effectiveAddress((number) => readState(machine, CPU.gpr + 8 * number, 8)),
  segment: ({ operands }) => BigInt(operands.segment),
  address_mask: ({ operands }) => operands.addressMask,
  rip_this: ({ operands }) => operands.ripThis,
  rip_next: ({ operands }) => operands.ripNext,
  linear: (frame, node, offset) => linear(frame, node, offset!),
  load: (frame, node, address) => load(frame, node, address!),
  store: (frame, node, address, value, expected) => store(frame, node, address!, value!, expected),
  store_probed: (frame, node, address, value) => store(frame, node, address!, value!),
  trap_if: (frame, node, condition) => trapIf(frame, node, condition!),
  flags: lowered,
  cond: lowered,
  eflags: lowered,
  call: callHelper,
  jump: (frame, node, rip) => jump(frame, node, rip!),
  end: (frame) => leave(frame, "end"),
};
