import { assert } from "../../../base/assert.ts";
import { WASM_TYPES } from "../../../spec/wasm.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type FunctionBody, FunctionWriter, type LocalType } from "./function-writer.ts";

export interface Signature {
  readonly params: readonly LocalType[];
  readonly results: readonly LocalType[];
}

/** A function's index in a module under construction. */
export type FunctionIndex = number;

const SECTION = { custom: 0, type: 1, import: 2, function: 3, table: 4, export: 7, element: 9, code: 10 } as const;

/** Assembles a module: imports first, then functions, one table of functions, exports. [WebAssembly 2.0 5.5] */
export class ModuleWriter {
  readonly #types: string[] = [];
  readonly #imports = new ByteWriter();
  #importCount = 0;
  #importedFunctions = 0;
  readonly #functions: { type: number; body: FunctionBody | undefined }[] = [];
  readonly #exports: { name: string; index: number; kind: number }[] = [];
  #table: readonly FunctionIndex[] = [];
  #tableLength = 0;

  /** Index of a signature in the type section. */
  type(signature: Signature): number {
    const key = `${signature.params.join(" ")}:${signature.results.join(" ")}`;
    const found = this.#types.indexOf(key);
    return found >= 0 ? found : this.#types.push(key) - 1;
  }

  importSharedMemory(module: string, name: string, maximumPages: number): void {
    this.#import(module, name, 2);
    this.#imports.byte(3);
    this.#imports.u32(1);
    this.#imports.u32(maximumPages);
  }

  importFunction(module: string, name: string, signature: Signature): FunctionIndex {
    assert(this.#functions.length === 0, "imports come before functions");
    this.#import(module, name, 0);
    this.#imports.u32(this.type(signature));
    return this.#importedFunctions++;
  }

  /** Reserves an index, so that functions can call each other before they are written. */
  declare(signature: Signature): FunctionIndex {
    this.#functions.push({ type: this.type(signature), body: undefined });
    return this.#importedFunctions + this.#functions.length - 1;
  }

  /** Gives a declared function its body. */
  define(index: FunctionIndex, body: FunctionWriter): void {
    this.#functions[index - this.#importedFunctions]!.body = body.finish();
  }

  /** A writer for a function of the given parameters. */
  body(signature: Signature): FunctionWriter {
    return new FunctionWriter(signature.params);
  }

  export(name: string, index: FunctionIndex): void {
    this.#exports.push({ name, index, kind: 0 });
  }

  /** The functions of table 0, in order, exported by name, with room for `spare` more. */
  table(functions: readonly FunctionIndex[], name: string, spare = 0): void {
    this.#table = functions;
    this.#tableLength = functions.length + spare;
    this.#exports.push({ name, index: 0, kind: 1 });
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    out.append(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    this.#section(out, SECTION.type, this.#types, (key, s) => writeType(s, key));
    const imports = new ByteWriter();
    imports.u32(this.#importCount);
    imports.append(this.#imports.bytes());
    writeSection(out, SECTION.import, imports);
    this.#section(out, SECTION.function, this.#functions, (f, s) => s.u32(f.type));
    if (this.#table.length) this.#tableSection(out);
    this.#section(out, SECTION.export, this.#exports, (e, s) => {
      s.name(e.name);
      s.byte(e.kind);
      s.u32(e.index);
    });
    if (this.#table.length) this.#elementSection(out);
    this.#hintSection(out);
    this.#section(out, SECTION.code, this.#functions, (f, s) => {
      assert(f.body !== undefined, "a declared function has a body");
      s.append(f.body.bytes);
    });
    return new Uint8Array(out.bytes());
  }

  #import(module: string, name: string, kind: number): void {
    this.#importCount++;
    this.#imports.name(module);
    this.#imports.name(name);
    this.#imports.byte(kind);
  }

  #tableSection(out: ByteWriter): void {
    this.#section(out, SECTION.table, [this.#tableLength], (length, s) => {
      s.byte(WASM_TYPES.funcref);
      s.byte(1);
      s.u32(length);
      s.u32(length);
    });
  }

  #elementSection(out: ByteWriter): void {
    this.#section(out, SECTION.element, [this.#table], (functions, s) => {
      s.append(new Uint8Array([0, 0x41, 0, 0x0b]));
      s.u32(functions.length);
      for (const index of functions) s.u32(index);
    });
  }

  /** [WebAssembly branch hinting] */
  #hintSection(out: ByteWriter): void {
    const content = new ByteWriter();
    content.name("metadata.code.branch_hint");
    const hinted = [...this.#functions.entries()].filter(([, { body }]) => body !== undefined && body.hints.length > 0);
    if (hinted.length === 0) return;
    content.u32(hinted.length);
    for (const [index, { body }] of hinted) {
      content.u32(this.#importedFunctions + index);
      content.u32(body!.hints.length);
      for (const [offset, taken] of body!.hints) {
        content.u32(offset);
        content.u32(1);
        content.byte(taken ? 1 : 0);
      }
    }
    writeSection(out, SECTION.custom, content);
  }

  #section<T>(out: ByteWriter, id: number, items: readonly T[], write: (item: T, into: ByteWriter) => void): void {
    const content = new ByteWriter();
    content.u32(items.length);
    for (const item of items) write(item, content);
    writeSection(out, id, content);
  }
}

function writeSection(out: ByteWriter, id: number, content: ByteWriter): void {
  out.byte(id);
  out.u32(content.length);
  out.append(content.bytes());
}

function writeType(out: ByteWriter, key: string): void {
  const lists = key.split(":").map((list) => list.split(" ").filter(Boolean) as LocalType[]);
  out.byte(0x60);
  for (const list of lists) {
    out.u32(list.length);
    for (const type of list) out.byte(WASM_TYPES[type]);
  }
}
