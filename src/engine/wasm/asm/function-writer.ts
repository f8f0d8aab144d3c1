import { assert } from "../../../base/assert.ts";
import { WASM_OPCODES, WASM_TYPES } from "../../../spec/wasm.ts";
import { ByteWriter } from "./byte-writer.ts";

export type LocalType = "i32" | "i64" | "f32" | "f64" | "v128";

/** A local's index in the function. */
export type Local = number;

/** A function's encoded body, and which way its branches usually go by their offset in it. */
export interface FunctionBody {
  readonly bytes: Uint8Array;
  readonly hints: readonly (readonly [offset: number, taken: boolean])[];
}

/** Writes the body of one function: an instruction a call, locals made as needed, labels counted. */
export class FunctionWriter {
  readonly #code = new ByteWriter();
  readonly #params: number;
  readonly #locals: LocalType[] = [];
  #depth = 0;
  /** Locals that may be used again, and those made since their reuse was begun. */
  readonly #free: Record<LocalType, Local[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  #taken: [LocalType, Local][] | undefined;
  /** Where in the code which way a branch usually goes, as [offset, taken]. */
  readonly #hints: [number, boolean][] = [];

  constructor(params: readonly LocalType[]) {
    this.#params = params.length;
  }

  local(type: LocalType): Local {
    const local = this.#free[type].pop() ?? this.#newLocal(type);
    this.#taken?.push([type, local]);
    return local;
  }

  /** Gives back the locals made since the last call, for those that are made from now on. They hold anything. */
  releaseLocals(): void {
    for (const [type, local] of this.#taken ?? []) this.#free[type].push(local);
    this.#taken = [];
  }

  #newLocal(type: LocalType): Local {
    this.#locals.push(type);
    return this.#params + this.#locals.length - 1;
  }

  /** An instruction without immediates, by its text name. */
  op(name: string): void {
    this.#opcode(name);
  }

  get(local: Local): void {
    this.#indexed("local.get", local);
  }
  set(local: Local): void {
    this.#indexed("local.set", local);
  }
  tee(local: Local): void {
    this.#indexed("local.tee", local);
  }

  i32(value: number): void {
    this.#opcode("i32.const");
    this.#code.s32(value | 0);
  }

  i64(low: number, high: number): void {
    this.#opcode("i64.const");
    this.#code.s64(low, high);
  }

  v128(words: readonly number[]): void {
    this.#opcode("v128.const");
    for (let n = 0; n < 4; n++) this.#code.fixed32(words[n]!);
  }

  /** A load or store: the address is on the stack, `offset` is added to it. Alignment is promised only to atomics. */
  memory(name: string, offset: number, alignment = 0): void {
    this.#opcode(name);
    this.#code.u32(alignment);
    this.#code.u32(offset);
  }

  /** An instruction with lane immediates: one for extract and replace, 16 for shuffle. */
  lanes(name: string, lanes: readonly number[]): void {
    this.#opcode(name);
    for (const lane of lanes) this.#code.byte(lane);
  }

  /** Opens a block, loop or if; returns the label for br. */
  open(kind: "block" | "loop" | "if", result: LocalType | "none" = "none"): number {
    this.#opcode(kind);
    this.#code.byte(WASM_TYPES[result]);
    return ++this.#depth;
  }

  /** The condition of the `if` or `br_if` that comes next is usually true, or false: what is rare is kept out of the way. */
  usually(taken: boolean): void {
    this.#hints.push([this.#code.length, taken]);
  }

  else(): void {
    this.#opcode("else");
  }

  /** Closes the innermost block. */
  close(): void {
    assert(this.#depth > 0, "a block is open");
    this.#opcode("end");
    this.#depth--;
  }

  br(label: number): void {
    this.#indexed("br", this.#depth - label);
  }
  brIf(label: number): void {
    this.#indexed("br_if", this.#depth - label);
  }

  call(index: number): void {
    this.#indexed("call", index);
  }
  tailCall(index: number): void {
    this.#indexed("return_call", index);
  }

  /** Tail-calls the function of table 0 whose index is on the stack. */
  tailCallIndirect(type: number): void {
    this.#indexed("return_call_indirect", type);
    this.#code.byte(0);
  }

  /** The encoded body: size, locals, code; and the hints, by their place behind the size. */
  finish(): FunctionBody {
    assert(this.#depth === 0, "every block is closed");
    const content = new ByteWriter();
    content.u32(this.#locals.length);
    for (const type of this.#locals) {
      content.u32(1);
      content.byte(WASM_TYPES[type]);
    }
    const start = content.length;
    content.append(this.#code.bytes());
    content.byte(WASM_OPCODES.end!);
    const out = new ByteWriter();
    out.u32(content.length);
    out.append(content.bytes());
    return { bytes: out.bytes(), hints: this.#hints.map(([at, taken]) => [start + at, taken]) };
  }

  #indexed(name: string, index: number): void {
    this.#opcode(name);
    this.#code.u32(index);
  }

  #opcode(name: string): void {
    const opcode = WASM_OPCODES[name];
    assert(opcode !== undefined, `no WebAssembly instruction ${name}`);
    if (opcode <= 0xff) return this.#code.byte(opcode);
    this.#code.byte(opcode >>> 16);
    this.#code.u32(opcode & 0xffff);
  }
}
