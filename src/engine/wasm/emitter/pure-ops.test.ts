import { expect, test } from "vitest";
import { Random } from "../../../../test/isa/random.ts";
import { type Bits, isNan, join, sizeOf, split } from "../../../isa/evaluate/bits.ts";
import { PURE_EVALUATIONS } from "../../../isa/evaluate/pure.ts";
import { type LaneType, type Node, type PureOp, resultType, type ValueType } from "../../../isa/ir/ops.ts";
import { argumentType, PURE_SIGNATURES } from "../../../isa/ir/signatures.ts";
import { verify } from "../../../isa/ir/verify.ts";
import { WASM_OPCODES } from "../../../spec/wasm.ts";
import { ModuleWriter } from "../asm/module.ts";
import type { Binding } from "./binding.ts";
import { ProgramEmitter } from "./program-emitter.ts";
import { PURE_NAMES } from "./pure-ops.ts";

const SEED = 1;
const ROUNDS = 60;
/** Where a program finds its arguments and leaves its result. */
const ARGUMENTS = [0, 16, 32] as const;
const RESULT = 48;
/** Lane immediates that are tried. */
const TRIED_LANES = 3;

interface Sample {
  readonly name: string;
  readonly node: Node;
  readonly types: readonly ValueType[];
  readonly nodes: readonly Node[];
}

const widthOf = (type: ValueType): number => sizeOf(type) / 8;

/** A program of one operation: arguments out of the state, the result into it. */
function sampleOf(
  op: PureOp,
  type: Node["type"],
  from: ValueType | undefined,
  words: readonly number[] | undefined,
): Sample {
  const signature = PURE_SIGNATURES[op];
  const args = signature.args.map((_, n) => n);
  const node: Node = { op, type, args, ...(from && { from }), ...(words && { words }) };
  const types = signature.args.map((arg) => argumentType(node, arg));
  const gets = types.map((t, n): Node => ({ op: "get", type: t, args: [], at: ARGUMENTS[n]!, width: widthOf(t) }));
  const result = resultType(node) as ValueType;
  const set: Node = { op: "set", type: result, args: [gets.length], at: RESULT, width: widthOf(result) };
  return { name: `${type}.${op} ${from ?? ""} ${words ?? ""}`, node, types, nodes: [...gets, node, set] };
}

/** Conversions have a WebAssembly instruction for some pairs of types only. */
const exists = ({ node }: Sample): boolean =>
  node.op === "select" || PURE_NAMES[node.op as Exclude<PureOp, "const" | "select">](node) in WASM_OPCODES;

function samples(random: Random): Sample[] {
  return (Object.keys(PURE_SIGNATURES) as PureOp[])
    .filter((op) => op !== "const")
    .flatMap((op) => {
      const { types, from, immediates } = PURE_SIGNATURES[op];
      return types.flatMap((type) =>
        (from?.[type]?.length ? from[type] : [undefined]).flatMap((source) => {
          if (immediates === undefined) return [sampleOf(op, type, source, undefined)];
          const { count, below } = immediates(type as LaneType);
          const lanes = () => Array.from({ length: count }, () => random.below(below));
          return Array.from({ length: TRIED_LANES }, () => sampleOf(op, type, source, lanes()));
        }),
      );
    })
    .filter(exists)
    .filter(({ nodes }) => verify({ nodes }).length === 0);
}

/** A binding for programs of state and pure operations alone. */
const inMemory = { read: () => false, write: () => false } as unknown as Binding;

/** One exported function a sample: f(address of the state). */
function compile(list: readonly Sample[], memory: WebAssembly.Memory): ((cpu: number) => void)[] {
  const module = new ModuleWriter();
  module.importSharedMemory("env", "memory", 1);
  list.forEach(({ nodes }, n) => {
    const type = { params: ["i32"], results: [] } as const;
    const index = module.declare(type);
    const f = module.body(type);
    new ProgramEmitter(f, 0, inMemory, { helper: () => 0 }).emit({ nodes });
    module.define(index, f);
    module.export(`${n}`, index);
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { env: { memory } });
  return list.map((_, n) => (exports as Record<string, (cpu: number) => void>)[`${n}`]!);
}

/** Edges of integers and floats of all widths. */
function randomBits(random: Random, size: number): Bits {
  const floats = [
    0x7f800000n,
    0xff800000n,
    0x7fc00000n,
    0x7f800001n,
    0x3f800000n,
    0x80000000n,
    0x4effffffn,
    0x4f000000n,
    0xcf000001n,
  ];
  const doubles = [
    0x7ff0n << 48n,
    0xfff8n << 48n,
    0x7ff4n << 48n,
    0x3ff0n << 48n,
    0x41e0n << 48n,
    0x43e0n << 48n,
    0xc3e0_0000_0000_0001n,
    0x4004n << 48n,
  ];
  if (size === 128) {
    const lane = random.pick([8, 16, 32, 64]);
    return join(
      Array.from({ length: 128 / lane }, () => randomBits(random, lane)),
      lane,
    );
  }
  if (size === 32 && random.chance(40)) return random.pick(floats);
  return size === 64 && random.chance(40) ? random.pick(doubles) : random.edge(size);
}

/** Floats of WebAssembly are equal if both are NaNs: which one an operation gives is not defined. [WebAssembly 2.0 4.3.3] */
function sameValue(node: Node, a: Bits, b: Bits): boolean {
  if (a === b) return true;
  const lanes = /^f(32|64)/.exec(node.type);
  if (lanes === null) return false;
  const size = Number(lanes[1]);
  const parts = (value: Bits): Bits[] => (node.type.includes("x") ? split(value, size) : [value]);
  const right = parts(b);
  return parts(a).every((part, n) => part === right[n] || (isNan(part, size) && isNan(right[n]!, size)));
}

function write(view: DataView, at: number, value: Bits): void {
  view.setBigUint64(at, BigInt.asUintN(64, value), true);
  view.setBigUint64(at + 8, value >> 64n, true);
}

test("every pure operation gives the same in WebAssembly and in the evaluator, in every type it has", () => {
  const random = new Random(SEED);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const view = new DataView(memory.buffer);
  const list = samples(random);
  const functions = compile(list, memory);
  const wrong: string[] = [];
  list.forEach(({ name, node, types }, n) => {
    const size = BigInt(sizeOf(resultType(node)));
    for (let round = 0; round < ROUNDS; round++) {
      const args = types.map((type) => randomBits(random, sizeOf(type)));
      for (const [at, value] of args.entries()) write(view, ARGUMENTS[at]!, value);
      functions[n]!(0);
      const got = BigInt.asUintN(
        Number(size),
        view.getBigUint64(RESULT, true) | (view.getBigUint64(RESULT + 8, true) << 64n),
      );
      const expected = PURE_EVALUATIONS[node.op as PureOp](node, ...args);
      if (!sameValue(node, expected, got))
        wrong.push(`${name}(${args.map((a) => a.toString(16))}) = ${got.toString(16)}, not ${expected.toString(16)}`);
    }
  });
  expect(wrong, `seed ${SEED}`).toEqual([]);
  expect(new Set(list.map(({ node }) => node.op)).size).toBe(Object.keys(PURE_SIGNATURES).length - 1);
});
