import { DECODE, decode } from "../../../isa/decoder/decode.ts";
import { Instruction } from "../../../isa/decoder/instruction.ts";
import { HELPERS, type HelperName } from "../../../isa/ir/helpers.ts";
import type { Node, Program } from "../../../isa/ir/ops.ts";
import { FORMS, programOf } from "../../../isa/table/forms.ts";
import { handlerOf, RECORD_SIZE } from "../interpreter/record.ts";
import { BLOCK_FIELDS, type RegionRequest } from "./request.ts";
import { assumedFields, Specializer } from "./specialize.ts";
import { staticRip } from "./static-rip.ts";

const PAGE = 0x1000;
/** Instructions of one region: bounds what V8 has to compile at once. */
const MAX_INSTRUCTIONS = 400;
/** Blocks that an indirect jump may go to. */
const MAX_TARGETS = 32;

/** One instruction of a region; where the interpreter has it too. */
export interface RegionInstruction {
  readonly insn: Instruction;
  /** Offset in the page. */
  readonly offset: number;
  readonly program: Program;
  readonly record: number;
  readonly handler: number;
}

/** How a block goes on; offsets are in the page, and may be outside of it. */
export type BlockEnd =
  /** A call's `returns` is where it comes back. */
  | { readonly kind: "goto"; readonly target: number; readonly returns?: number }
  | { readonly kind: "branch"; readonly taken: number; readonly next: number }
  /** By its last instruction's own jump; a return or jump may lead to an entry of the region. */
  | { readonly kind: "dynamic"; readonly way: "return" | "jump" | "other" }
  /** The interpreter executes what comes at the offset, whose record and handler these are. */
  | { readonly kind: "interpret"; readonly offset: number; readonly record: number; readonly handler: number };

export interface RegionBlock {
  readonly offset: number;
  readonly instructions: readonly RegionInstruction[];
  readonly end: BlockEnd;
}

export interface Region {
  readonly request: RegionRequest;
  /** By offset; the first is the root. */
  readonly blocks: ReadonlyMap<number, RegionBlock>;
  /** Blocks that returns and indirect jumps of the region may go to. */
  readonly entries: ReadonlySet<number>;
  /** Records of decoded blocks by offset. */
  readonly records: ReadonlyMap<number, number>;
  /** Assumed state fields. */
  readonly assumed: ReadonlySet<number>;
}

/** Helpers that a region calls: their effects are known (see CALLS in state-locals.ts). All others are left to the interpreter. */
export const CALLABLE: ReadonlySet<string> = new Set<HelperName>([
  ...[
    "check_canonical",
    "udiv64",
    "udiv128",
    "crc32c",
    "compare_strings",
    "simd_float",
    "segment_check",
    "carryless_multiply",
    "raise_unit",
    "simd_float_wide",
  ],
  ...["movs", "stos", "lods", "cmps", "scas"],
  ...Object.keys(HELPERS).filter((name) =>
    /^x87_(compare|load_[^e]|load_extended|store|exchange|move|arithmetic|unary|opcode)/.test(name),
  ),
] as HelperName[]);

interface Decoded {
  readonly record: number;
  readonly count: number;
}

/** Finds what a region consists of; undefined if it would be nothing. */
export function discoverRegion(bytes: Uint8Array, request: RegionRequest): Region | undefined {
  return new Discovery(bytes, request).region();
}

class Discovery {
  readonly #bytes: Uint8Array;
  readonly #request: RegionRequest;
  readonly #decoded = new Map<number, Decoded>();
  readonly #blocks = new Map<number, RegionBlock>();
  readonly #specializer: Specializer;
  #instructions = 0;

  constructor(bytes: Uint8Array, request: RegionRequest) {
    this.#bytes = bytes;
    this.#request = request;
    this.#specializer = new Specializer(assumedFields(request.codeSize));
    const { blocks } = request;
    for (let at = 0; at < blocks.length; at += BLOCK_FIELDS.length)
      this.#decoded.set(blocks[at]!, { record: blocks[at + 1]!, count: blocks[at + 2]! });
  }

  region(): Region | undefined {
    this.#reach([this.#request.root]);
    if (!this.#blocks.has(this.#request.root)) return undefined;
    const targets = this.#jumpTargets();
    this.#reach([...targets]);
    const entries = new Set([...targets, ...this.#returns()].filter((offset) => this.#blocks.has(offset)));
    const records = new Map([...this.#decoded].map(([offset, { record }]) => [offset, record]));
    return { request: this.#request, blocks: this.#blocks, entries, records, assumed: this.#specializer.used };
  }

  /** Takes in blocks and what is reached from them directly. */
  #reach(waiting: number[]): void {
    for (let n = 0; n < waiting.length && this.#instructions < MAX_INSTRUCTIONS; n++) {
      const offset = waiting[n]!;
      const decoded = this.#decoded.get(offset);
      if (this.#blocks.has(offset) || decoded === undefined) continue;
      const block = this.#block(offset, decoded);
      if (block.instructions.length === 0) continue;
      this.#blocks.set(offset, block);
      waiting.push(...targetsOf(block.end));
      if (block.end.kind === "goto" && block.end.returns !== undefined) waiting.push(block.end.returns);
    }
  }

  /** Where calls of blocks of the region come back to. */
  #returns(): number[] {
    return [...this.#blocks.values()].flatMap(({ end }) =>
      end.kind === "goto" && end.returns !== undefined && this.#blocks.has(end.target) ? [end.returns] : [],
    );
  }

  /** Decoded blocks of the page that nothing goes to directly, if there is an indirect jump: those next to it. */
  #jumpTargets(): number[] {
    const jump = [...this.#blocks.values()].find(({ end }) => end.kind === "dynamic" && end.way === "jump");
    if (jump === undefined) return [];
    const distance = (offset: number): number => Math.abs(offset - jump.offset);
    return [...this.#decoded.keys()]
      .filter((offset) => !this.#blocks.has(offset))
      .sort((a, b) => distance(a) - distance(b))
      .slice(0, MAX_TARGETS);
  }

  #block(start: number, { record, count }: Decoded): RegionBlock {
    const instructions: RegionInstruction[] = [];
    const block = (end: BlockEnd): RegionBlock => ({ offset: start, instructions, end });
    let offset = start;
    for (let n = 0; n < count; n++) {
      if (n > 0 && this.#decoded.has(offset)) return block({ kind: "goto", target: offset });
      const at = record + n * RECORD_SIZE;
      const insn = new Instruction();
      const limit = PAGE - offset;
      const status = decode(this.#bytes, this.#request.page + offset, limit, this.#request.codeSize, insn);
      if (status !== DECODE.ok) break;
      const handler = handlerOf(insn);
      const program = this.#specializer.specialize(programOf(FORMS[insn.form]!), insn);
      if (!isCompilable(insn, program)) return block({ kind: "interpret", offset, record: at, handler });
      instructions.push({ insn, offset, program, record: at, handler });
      this.#instructions++;
      const end = endOf(program, insn, offset);
      offset += insn.length;
      if (end) return block(end);
    }
    return block({ kind: "goto", target: offset });
  }
}

/** Offsets where a block may go on. */
export function targetsOf(end: BlockEnd): number[] {
  if (end.kind === "goto") return [end.target];
  return end.kind === "branch" ? [end.next, end.taken] : [];
}

function isCompilable(insn: Instruction, { nodes }: Program): boolean {
  const form = FORMS[insn.form]!;
  if (form.row.attributes.ends || (form.bits === 16 && form.operands.some(({ kind }) => kind === "relative")))
    return false;
  return nodes.every((node) => node.op !== "end" && (node.op !== "call" || CALLABLE.has(node.helper!)));
}

/** How the block goes on after an instruction; undefined: with the next one. */
function endOf({ nodes }: Program, { form, length }: Instruction, offset: number): BlockEnd | undefined {
  const jump = nodes.find((node) => node.op === "jump");
  if (jump === undefined) return undefined;
  const { mnemonic } = FORMS[form]!.row;
  const dynamic = { kind: "dynamic", way: WAYS[mnemonic] ?? "other" } as const;
  const rip = (index: number): number | undefined => staticRip(nodes, index, offset, length);
  const target = nodes[jump.args[0]!]!;
  if (target.op === "select") {
    const [taken, next] = [rip(target.args[0]!), rip(target.args[1]!)];
    return taken === undefined || next === undefined ? dynamic : { kind: "branch", taken, next };
  }
  const known = rip(jump.args[0]!);
  if (known === undefined) return dynamic;
  return mnemonic === "CALL"
    ? { kind: "goto", target: known, returns: offset + length }
    : { kind: "goto", target: known };
}

const WAYS: Readonly<Record<string, "return" | "jump">> = { RET: "return", JMP: "jump" };

/** The node that decides a branch. */
export function conditionOf(nodes: readonly Node[]): number {
  const jump = nodes.find((node) => node.op === "jump")!;
  return nodes[jump.args[0]!]!.args[2]!;
}
