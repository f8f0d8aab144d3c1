import { CPU, SEGMENT_SIZE, SEGMENTS } from "../state.ts";
import { type EffectOp, type Node, type Program, PURE_OPS } from "./ops.ts";
import { hasValue } from "./signatures.ts";

type Describe = (node: Node) => string;

const nothing: Describe = () => "";
const words: Describe = (node) => (node.words ?? []).join(",");
const slot: Describe = (node) => node.slot!;
const registerPart: Describe = (node) => slot(node) + (node.at ? `+${node.at}` : "");
const access: Describe = (node) => `${node.width}${node.signed ? "s" : ""}${node.intent === "write" ? " write" : ""}`;

/** Fields of the state by offset, longest arrays too: the last that begins at or before an offset names it. */
const FIELDS = Object.entries(CPU).filter(([name]) => name !== "end");

function fieldName(offset: number): string {
  const [name, start] = FIELDS.findLast(([, at]) => at <= offset)!;
  return offset === start ? name : `${name}+${offset - start}`;
}

function segmentName(offset: number | undefined): string {
  return offset === undefined ? "" : `${SEGMENTS[(offset - CPU.segments) / SEGMENT_SIZE]} `;
}

/** What stands after an effect operation's name, beside its arguments. */
const EFFECT_DETAILS: Readonly<Record<EffectOp, Describe>> = {
  get: (node) => `${fieldName(node.at!)} ${access(node)}`,
  set: (node) => `${fieldName(node.at!)} ${access(node)}`,
  get_reg: (node) => `${registerPart(node)} ${access(node)}`,
  set_reg: (node) => `${registerPart(node)} ${access(node)}`,
  field: slot,
  imm: nothing,
  ea: nothing,
  segment: nothing,
  address_mask: nothing,
  rip_this: nothing,
  rip_next: nothing,
  linear: (node) => segmentName(node.at) + access(node),
  load: access,
  store: (node) => `${access(node)}${node.locked ? " locked" : ""}`,
  store_probed: access,
  trap_if: (node) => `#${node.at}`,
  flags: (node) => `${node.kind} ${node.width}${node.type === "i32" ? " if" : ""}`,
  cond: (node) => `${node.at}`,
  eflags: nothing,
  call: (node) => node.helper!,
  jump: nothing,
  end: nothing,
};

function details(node: Node): string {
  if (!(node.op in PURE_OPS)) return EFFECT_DETAILS[node.op as EffectOp](node);
  return `${words(node)}${node.from === undefined ? "" : ` from ${node.from}`}`.trim();
}

function line(node: Node, index: number): string {
  const name = node.type === "none" ? node.op : `${node.type}.${node.op}`;
  const args = node.args.map((arg) => `%${arg}`).join(" ");
  const text = [name, details(node), args].filter((part) => part !== "").join(" ");
  return `${hasValue(node) ? `%${index} = ` : ""}${text}`;
}

/** A program as text, a node a line: `%2 = i32.load 4 write %1`. */
export function printProgram(program: Program): string {
  return program.nodes.map((node, index) => `${line(node, index)}\n`).join("");
}
