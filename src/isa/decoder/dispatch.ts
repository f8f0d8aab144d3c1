import { assert } from "../../base/assert.ts";
import { FORMS, sizesOf } from "../table/forms.ts";
import { MANDATORY, MAPS, type Opcode, parseOpcode } from "../table/opcode.ts";
import { needsModrm } from "../table/operands.ts";
import type { Form, Row } from "../table/row.ts";

/** No form: the encoding is invalid. */
export const NO_FORM = 0xffff;
/** Forms of a leaf: by operand size (16, 32, 64), then LOCK, then REP (none, F3, F2). */
export const LEAF_FORMS_SIZE = 18;
/** Leaves of an opcode with a ModRM byte: 8 for memory by reg, then 64 for mod = 3 by reg and rm. */
const GROUP_SIZE = 72;

/** How a leaf's operand size follows from the mode and prefixes. */
export const SIZE_RULE = { plain: 0, d64: 1, f64: 2 } as const;

/** How a form's immediate is encoded. */
export const IMMEDIATE = { none: 0, byte: 1, word: 2, dword: 3, qword: 4, enter: 5, far16: 6, far32: 7, offset: 8 } as const;
/** Bytes of each kind of IMMEDIATE; an absolute offset has the bytes of the address size. */
export const IMMEDIATE_BYTES = Uint8Array.of(0, 1, 2, 4, 8, 3, 4, 6, 0);

/** One row in one shape in one mode, while the tables are built. */
interface Leaf {
  readonly row: Row;
  /** Of two rows at one encoding the more specific one holds. */
  readonly rank: number;
  readonly forms: Uint16Array;
}

/** The leaves of one (mode, prefix, map, opcode). */
interface Slot {
  readonly modrm: boolean;
  readonly leaves: (Leaf | undefined)[];
}

class DispatchBuilder {
  readonly #slots: (Slot | undefined)[] = [];
  readonly #leaves: Leaf[] = [];

  constructor(forms: readonly Form[]) {
    for (const own of formsByRow(forms)) this.#addRow(own, parseOpcode(own[0]!.row.opcode));
  }

  #addRow(forms: readonly Form[], opcode: Opcode): void {
    for (const long of [0, 1]) {
      for (const memory of [false, true]) {
        const own = forms.filter((f) => f.memory === memory && f.mode !== (long ? "not64" : "only64"));
        if (own.length) this.#addLeaf(own, opcode, long);
      }
    }
  }

  #addLeaf(forms: readonly Form[], opcode: Opcode, long: number): void {
    const { prefix, rm, plusRegister } = opcode;
    const rank = Number(prefix !== undefined) * 4 + Number(rm !== undefined) * 2 + Number(!plusRegister);
    const leaf = { row: forms[0]!.row, rank, forms: new Uint16Array(LEAF_FORMS_SIZE).fill(NO_FORM) };
    this.#leaves.push(leaf);
    for (const form of forms) fillForms(leaf.forms, form);
    for (const index of prefix === undefined ? MANDATORY.keys() : [prefix]) this.#place(forms[0]!, opcode, leaf, long, index);
  }

  #place(form: Form, opcode: Opcode, leaf: Leaf, long: number, prefix: number): void {
    const modrm = hasModrm(form.row, opcode);
    for (let low = 0; low < (opcode.plusRegister ? 8 : 1); low++) {
      const slot = this.#slot(dispatchIndex(long, prefix, opcode.map, opcode.byte + low), modrm);
      for (const position of modrm ? positions(form, opcode) : [0]) placeLeaf(slot, position, leaf);
    }
  }

  #slot(index: number, modrm: boolean): Slot {
    this.#slots[index] ??= { modrm, leaves: [] };
    const slot = this.#slots[index];
    assert(slot.modrm === modrm, `opcode slot ${index.toString(16)} with and without ModRM`);
    return slot;
  }

  /** Flattens everything: dispatch entry 0 is invalid, n > 0 is leaf n, n < 0 is the group at -n. */
  build(): { dispatch: Int32Array; groups: Uint16Array; forms: Uint16Array; rules: Uint8Array } {
    const numbers = new Map(this.#leaves.map((leaf, n) => [leaf, n + 1]));
    const number = (leaf: Leaf | undefined): number => (leaf ? numbers.get(leaf)! : 0);
    const dispatch = new Int32Array(2 * MANDATORY.length * MAPS.length * 256);
    const groups = [new Uint16Array(GROUP_SIZE)];
    this.#slots.forEach((slot, index) => {
      if (slot === undefined) return;
      dispatch[index] = slot.modrm ? -groups.length * GROUP_SIZE : number(slot.leaves[0]);
      if (slot.modrm) groups.push(Uint16Array.from({ length: GROUP_SIZE }, (_, n) => number(slot.leaves[n])));
    });
    return { dispatch, groups: concatenate(groups, GROUP_SIZE), ...leafTables(this.#leaves) };
  }
}

function formsByRow(forms: readonly Form[]): Form[][] {
  const rows = new Map<Row, Form[]>();
  for (const form of forms) {
    const own = rows.get(form.row);
    if (own) own.push(form);
    else rows.set(form.row, [form]);
  }
  return [...rows.values()];
}

/** A ModRM byte follows the opcode. */
export function hasModrm(row: Row, opcode: Opcode): boolean {
  return opcode.reg !== undefined || opcode.rm !== undefined || row.operands.some(needsModrm);
}

/** Index into the dispatch table. */
export function dispatchIndex(long: number, prefix: number, map: number, byte: number): number {
  return (((long << 2) | prefix) << 10) | (map << 8) | byte;
}

function positions(form: Form, opcode: Opcode): number[] {
  const regs = opcode.reg === undefined ? [0, 1, 2, 3, 4, 5, 6, 7] : [opcode.reg];
  if (form.memory) return regs;
  const rms = opcode.rm === undefined ? [0, 1, 2, 3, 4, 5, 6, 7] : [opcode.rm];
  return regs.flatMap((reg) => rms.map((rm) => 8 + reg * 8 + rm));
}

function placeLeaf(slot: Slot, position: number, leaf: Leaf): void {
  const present = slot.leaves[position];
  if (present === leaf || (present && present.rank > leaf.rank)) return;
  const clash = present && present.rank === leaf.rank;
  assert(!clash, `two rows at one encoding: ${present?.row.opcode} ${present?.row.mnemonic}, ${leaf.row.mnemonic}`);
  slot.leaves[position] = leaf;
}

/** Enters a form at every operand size, LOCK and REP that it serves. */
function fillForms(forms: Uint16Array, form: Form): void {
  const sizes = served(form);
  const locks = form.lock ? (form.row.attributes.lock === "always" ? [0, 1] : [1]) : [0];
  const repeats = servedRepeats(form);
  for (const size of sizes) for (const lock of locks) for (const rep of repeats) forms[size * 6 + lock * 3 + rep] = form.id;
}

/** Operand sizes that lead to a form: its own and the smaller ones that the row does not have. */
function served(form: Form): number[] {
  const sizes = new Set(sizesOf(form.row));
  const own = form.bits === 16 ? 0 : form.bits === 32 ? 1 : 2;
  const all = [own];
  if (own === 2 && !sizes.has(32)) all.push(1);
  if (own > 0 && !sizes.has(16) && (own === 1 || !sizes.has(32))) all.push(0);
  if (own === 1 && !sizes.has(64)) all.push(2);
  return all;
}

function servedRepeats(form: Form): number[] {
  const { rep } = form.row.attributes;
  if (rep === undefined) return [0, 1, 2];
  if (form.rep === "none") return [0];
  return form.rep === "repne" ? [2] : rep === "repe" ? [1] : [1, 2];
}

function leafTables(leaves: readonly Leaf[]): { forms: Uint16Array; rules: Uint8Array } {
  const none = new Uint16Array(LEAF_FORMS_SIZE).fill(NO_FORM);
  const forms = concatenate([none, ...leaves.map((leaf) => leaf.forms)], LEAF_FORMS_SIZE);
  const rules = Uint8Array.from([0, ...leaves.map((leaf) => SIZE_RULE[leaf.row.attributes.size64 ?? "plain"])]);
  return { forms, rules };
}

function concatenate(parts: readonly Uint16Array[], size: number): Uint16Array {
  const all = new Uint16Array(parts.length * size);
  parts.forEach((part, n) => {
    all.set(part, n * size);
  });
  return all;
}

/** How a form's immediate is encoded. */
function immediateOf(form: Form): number {
  const codes = form.row.operands.filter((code) => /^(I[bwzv]|J[bz]|Ap|O[bv])$/.test(code));
  if (codes.length === 2) return IMMEDIATE.enter;
  switch (codes[0]) {
    case undefined:
      return IMMEDIATE.none;
    case "Ib":
    case "Jb":
      return IMMEDIATE.byte;
    case "Iw":
      return IMMEDIATE.word;
    case "Iz":
    case "Jz":
      return form.bits === 16 ? IMMEDIATE.word : IMMEDIATE.dword;
    case "Iv":
      return form.bits === 16 ? IMMEDIATE.word : form.bits === 32 ? IMMEDIATE.dword : IMMEDIATE.qword;
    case "Ap":
      return form.bits === 16 ? IMMEDIATE.far16 : IMMEDIATE.far32;
    default:
      return IMMEDIATE.offset;
  }
}

/** Registers a reg field may name in a form. */
export const REG_RULE = { any: 0, segment: 1, segmentWritten: 2, control: 3, debug: 4 } as const;

function regRuleOf(form: Form): number {
  const at = form.operands.findIndex((o) => o.kind === "register" && o.slot === "reg");
  const operand = form.operands[at];
  if (operand?.kind !== "register") return REG_RULE.any;
  if (operand.file === "segment") return at === 0 ? REG_RULE.segmentWritten : REG_RULE.segment;
  return operand.file === "control" ? REG_RULE.control : operand.file === "debug" ? REG_RULE.debug : REG_RULE.any;
}

const tables = new DispatchBuilder(FORMS).build();

/** By dispatchIndex: see DispatchBuilder.build. */
export const DISPATCH = tables.dispatch;
/** Leaf numbers of opcodes with a ModRM byte. */
export const GROUPS = tables.groups;
/** Form ids of leaves, NO_FORM where there is none. */
export const LEAF_FORMS = tables.forms;
/** SIZE_RULE of leaves. */
export const LEAF_RULE = tables.rules;
/** IMMEDIATE of forms. */
export const FORM_IMMEDIATE = Uint8Array.from(FORMS, immediateOf);
/** REG_RULE of forms. */
export const FORM_REG_RULE = Uint8Array.from(FORMS, regRuleOf);
/** Bytes to add to the displacement when the base is rSP, for forms that pop before they address memory. */
export const FORM_POPS = Uint8Array.from(FORMS, (form) => (form.row.attributes.popsFirst && form.memory ? form.bits / 8 : 0));
