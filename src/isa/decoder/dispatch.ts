import { sizesOf } from "../table/forms.ts";
import { MANDATORY, type Opcode, parseOpcode } from "../table/opcode.ts";
import { needsModrm } from "../table/operands.ts";
import type { Form, Row } from "../table/row.ts";
import {
  DISPATCH_SIZE,
  dispatchIndex,
  GROUP_SIZE,
  LEAF_FORMS_SIZE,
  NO_FORM,
  RM_SIZE,
  SIZE_RULE,
  vexDispatchIndex,
} from "./encoding.ts";

/** Leaves of an opcode with a ModRM byte while the tables are built: 8 for memory by reg, then 64 for mod = 3 by reg and rm. */
const SLOT_SIZE = 72;

const ALL_PREFIXES = MANDATORY.map((_, n) => n);

/** One row in one shape in one mode, while the tables are built. */
interface Leaf {
  /** From 1 on. */
  readonly number: number;
  readonly row: Row;
  /** Of two rows at one encoding the more specific one holds. */
  readonly rank: number;
  readonly forms: Uint16Array;
}

/** Leaf numbers of one entry of the dispatch table. */
interface Slot {
  readonly modrm: boolean;
  readonly leaves: Uint16Array;
}

/** The decoder's tables, flat. */
interface DispatchTables {
  /** By dispatchIndex: 0 is invalid, n > 0 is leaf n, n < 0 is group -n. */
  readonly dispatch: Int16Array;
  /** GROUP_SIZE leaf numbers each for opcodes with a ModRM byte; n < 0: by ModRM.rm, set -n of rmLeaves. */
  readonly groups: Int16Array;
  readonly rmLeaves: Int16Array;
  /** LEAF_FORMS_SIZE form ids of each leaf. */
  readonly forms: Uint16Array;
  /** SIZE_RULE of leaves. */
  readonly rules: Uint8Array;
}

/** Lays out the encodings of forms whose ids are their indices. Throws if two claim one encoding. */
export function buildDispatch(forms: readonly Form[]): DispatchTables {
  return new DispatchBuilder(forms).build();
}

class DispatchBuilder {
  readonly #slots = new Array<Slot | undefined>(DISPATCH_SIZE).fill(undefined);
  readonly #leaves: Leaf[] = [];
  readonly #byForms = new Map<string, Leaf>();

  constructor(forms: readonly Form[]) {
    for (const own of formsByRow(forms)) this.#addRow(own, parseOpcode(own[0]!.row.opcode));
  }

  #addRow(forms: readonly Form[], opcode: Opcode): void {
    for (const memory of [false, true]) {
      const own = forms.filter((f) => f.memory === memory);
      if (opcode.vex) this.#addLeaf(own, opcode, vexIndices(opcode));
      else
        for (const long of [0, 1]) {
          const served = own.filter((f) => f.mode !== (long ? "not64" : "only64"));
          this.#addLeaf(served, opcode, plainIndices(opcode, long));
        }
    }
  }

  #addLeaf(forms: readonly Form[], opcode: Opcode, indices: readonly number[]): void {
    if (forms.length === 0) return;
    const rank = rankOf(opcode);
    const leaf = this.#leafOf(forms, rank);
    const modrm = hasModrm(leaf.row, opcode);
    const places = modrm ? positions(forms[0]!, opcode) : [0];
    for (const index of indices) {
      const slot = this.#slot(index, modrm);
      for (const place of places) this.#place(slot, place, leaf);
    }
  }

  /** The leaf of a row's forms: those in and out of 64-bit mode are mostly the same. */
  #leafOf(forms: readonly Form[], rank: number): Leaf {
    const key = forms.map((form) => form.id).join();
    const known = this.#byForms.get(key);
    if (known) return known;
    const number = this.#leaves.length + 1;
    const leaf = { number, row: forms[0]!.row, rank, forms: new Uint16Array(LEAF_FORMS_SIZE).fill(NO_FORM) };
    for (const form of forms) fillForms(leaf.forms, form);
    this.#leaves.push(leaf);
    this.#byForms.set(key, leaf);
    return leaf;
  }

  #place(slot: Slot, position: number, leaf: Leaf): void {
    const present = this.#leaves[slot.leaves[position]! - 1];
    if (present !== undefined) {
      if (present.rank > leaf.rank) return;
      if (present.rank === leaf.rank) throw clash(present.row, leaf.row);
    }
    slot.leaves[position] = leaf.number;
  }

  #slot(index: number, modrm: boolean): Slot {
    this.#slots[index] ??= { modrm, leaves: new Uint16Array(modrm ? SLOT_SIZE : 1) };
    const slot = this.#slots[index];
    if (slot.modrm !== modrm) throw new Error(`opcode slot ${index.toString(16)} with and without ModRM`);
    return slot;
  }

  build(): DispatchTables {
    const dispatch = new Int16Array(DISPATCH_SIZE);
    const groups = new Groups();
    this.#slots.forEach((slot, index) => {
      if (slot !== undefined) dispatch[index] = slot.modrm ? -groups.place(slot.leaves) : slot.leaves[0]!;
    });
    return { dispatch, ...groups.flat(), ...leafTables(this.#leaves) };
  }
}

/** Lists of the same length one after the other, equal ones once; the first is empty, so no number is 0. */
class Lists {
  readonly #numbers = new Map<string, number>();
  readonly #lists: Int16Array[];

  constructor(size: number) {
    this.#lists = [new Int16Array(size)];
  }

  /** Number of a list. */
  place(list: Int16Array): number {
    const key = list.join();
    const number = this.#numbers.get(key) ?? this.#lists.push(list) - 1;
    this.#numbers.set(key, number);
    return number;
  }

  flat(): Int16Array {
    return Int16Array.from(this.#lists.flatMap((list) => [...list]));
  }
}

/** Groups, and the leaves by ModRM.rm that some of them need. */
class Groups {
  readonly #groups = new Lists(GROUP_SIZE);
  readonly #rmLeaves = new Lists(RM_SIZE);

  /** Number of a group; never 0. */
  place(leaves: Uint16Array): number {
    const group = new Int16Array(GROUP_SIZE);
    for (const reg of EIGHT) {
      group[reg] = leaves[reg]!;
      const byRm = Int16Array.from(leaves.subarray(8 + 8 * reg, 16 + 8 * reg));
      group[8 + reg] = byRm.every((leaf) => leaf === byRm[0]) ? byRm[0]! : -this.#rmLeaves.place(byRm);
    }
    return this.#groups.place(group);
  }

  flat(): { groups: Int16Array; rmLeaves: Int16Array } {
    return { groups: this.#groups.flat(), rmLeaves: this.#rmLeaves.flat() };
  }
}

/** Entries of the dispatch table in or out of 64-bit mode: for every prefix where the opcode names none. */
function plainIndices({ prefix, map, byte, plusRegister }: Opcode, long: number): number[] {
  const bytes = plusRegister ? EIGHT.map((low) => byte + low) : [byte];
  const prefixes = prefix === undefined ? ALL_PREFIXES : [prefix];
  return prefixes.flatMap((index) => bytes.map((last) => dispatchIndex(long, index, map, last)));
}

function vexIndices({ vex, prefix, map, byte }: Opcode): number[] {
  return vex!.lengths.flatMap((l) => vex!.widths.map((w) => vexDispatchIndex(l, w, prefix!, map, byte)));
}

/** How much of the encoding an opcode names. */
function rankOf({ prefix, reg, rm, plusRegister }: Opcode): number {
  const named = [prefix !== undefined, rm !== undefined, reg !== undefined, !plusRegister];
  return named.reduce((rank, is) => rank * 2 + Number(is), 0);
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

const EIGHT = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const ALL_REGISTERS = Array.from({ length: 64 }, (_, n) => 8 + n);

/** Places in a group that a row's memory or register forms take. */
function positions(form: Form, { reg, rm }: Opcode): readonly number[] {
  const regs = reg === undefined ? EIGHT : [reg];
  if (form.memory) return regs;
  if (reg === undefined && rm === undefined) return ALL_REGISTERS;
  const rms = rm === undefined ? EIGHT : [rm];
  return regs.flatMap((r) => rms.map((m) => 8 + r * 8 + m));
}

function clash(one: Row, other: Row): Error {
  return new Error(`two rows at one encoding: ${one.opcode} ${one.mnemonic}, ${other.opcode} ${other.mnemonic}`);
}

/** Enters a form at every operand size, LOCK and REP that it serves. */
function fillForms(forms: Uint16Array, form: Form): void {
  const sizes = served(form);
  const locks = form.lock ? (form.row.attributes.lock === "always" ? [0, 1] : [1]) : [0];
  const repeats = servedRepeats(form);
  for (const size of sizes)
    for (const lock of locks) for (const rep of repeats) forms[size * 6 + lock * 3 + rep] = form.id;
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
  const { rep, nfx } = form.row.attributes;
  if (nfx) return [0];
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
