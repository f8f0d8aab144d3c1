import type { Node } from "../../../isa/ir/ops.ts";
import { CPU } from "../../../isa/state.ts";
import type { FunctionWriter, Local } from "../asm/function-writer.ts";

const GPRS = 16;
const GPR_BYTES = 8;
const XMMS = 16;
const XMM_STRIDE = 32;
const XMM_BYTES = 16;

/** A register that is kept in a local, by its place in the state. */
interface Kept {
  readonly local: Local;
  readonly at: number;
  readonly type: "i64" | "v128";
  written: boolean;
}

/** General and XMM registers of a region in locals: loaded where it is entered, stored where it is left. */
export class StateLocals {
  readonly #f: FunctionWriter;
  readonly #cpu: Local;
  /** By the state offset of a register's first byte. */
  readonly #kept = new Map<number, Kept>();

  constructor(f: FunctionWriter, cpu: Local) {
    this.#f = f;
    this.#cpu = cpu;
  }

  /** Keeps the register that an access is to, if it is to one. */
  keep(at: number, width: number, writes: boolean): void {
    const start = registerAt(at, width);
    if (start === undefined) return;
    let kept = this.#kept.get(start);
    if (kept === undefined) {
      const type = start < CPU.gpr + GPRS * GPR_BYTES ? "i64" : "v128";
      kept = { local: this.#f.local(type), at: start, type, written: false };
      this.#kept.set(start, kept);
    }
    kept.written ||= writes;
  }

  /** The local of a general register. */
  gpr(number: number): Local {
    return this.#kept.get(CPU.gpr + GPR_BYTES * number)!.local;
  }

  load(): void {
    for (const { local, at, type } of this.#kept.values()) {
      this.#f.get(this.#cpu);
      this.#f.memory(`${type}.load`, at);
      this.#f.set(local);
    }
  }

  store(): void {
    for (const { local, at, type, written } of this.#kept.values()) {
      if (!written) continue;
      this.#f.get(this.#cpu);
      this.#f.get(local);
      this.#f.memory(`${type}.store`, at);
    }
  }

  /** Pushes what a node reads at a state offset; false if that is not kept. */
  read(at: number, node: Node): boolean {
    const kept = this.#find(at, node.width!);
    if (kept === undefined) return false;
    if (kept.type === "i64") this.#readGeneral(kept.local, at & (GPR_BYTES - 1), node);
    else this.#readVector(kept.local, at - kept.at, node);
    return true;
  }

  /** Writes what `push` pushes; false if the place is not kept. */
  write(at: number, node: Node, push: () => void): boolean {
    const kept = this.#find(at, node.width!);
    if (kept === undefined) return false;
    if (kept.type === "i64") this.#writeGeneral(kept.local, at & (GPR_BYTES - 1), node, push);
    else this.#writeVector(kept.local, at - kept.at, node, push);
    this.#f.set(kept.local);
    return true;
  }

  #find(at: number, width: number): Kept | undefined {
    const start = registerAt(at, width);
    return start === undefined ? undefined : this.#kept.get(start);
  }

  #readGeneral(local: Local, byte: number, { type, width, signed }: Node): void {
    const f = this.#f;
    if (type === "v128") f.v128([0, 0, 0, 0]);
    f.get(local);
    if (byte > 0) {
      f.i64(8 * byte, 0);
      f.op("i64.shr_u");
    }
    if (type === "v128") {
      if (width === 8) return f.lanes("i64x2.replace_lane", [0]);
      f.op("i32.wrap_i64");
      return f.lanes("i32x4.replace_lane", [0]);
    }
    if (type === "f64") return f.op("f64.reinterpret_i64");
    if (type === "f32") f.op("i32.wrap_i64");
    if (type === "f32") return f.op("f32.reinterpret_i32");
    if (type === "i32") f.op("i32.wrap_i64");
    this.#cut(type as "i32" | "i64", width!, signed);
  }

  /** Extends the low bytes of the value on the stack. */
  #cut(type: "i32" | "i64", width: number, signed: boolean | undefined): void {
    const f = this.#f;
    if (width === (type === "i32" ? 4 : 8)) return;
    if (signed) return f.op(`${type}.extend${8 * width}_s`);
    if (width === 4) {
      f.op("i32.wrap_i64");
      return f.op("i64.extend_i32_u");
    }
    const mask = width === 1 ? 0xff : 0xffff;
    if (type === "i32") f.i32(mask);
    else f.i64(mask, 0);
    f.op(`${type}.and`);
  }

  #writeGeneral(local: Local, byte: number, { type, width }: Node, push: () => void): void {
    const f = this.#f;
    if (width === 8) {
      push();
      return this.#toI64(type, width);
    }
    const mask = (2 ** (8 * width!) - 1) * 2 ** (8 * byte);
    f.get(local);
    f.i64(~(mask >>> 0), mask > 0xffff_ffff ? ~Math.floor(mask / 0x1_0000_0000) : -1);
    f.op("i64.and");
    push();
    this.#toI64(type, width!);
    if (width! < 4) {
      f.i64(width === 1 ? 0xff : 0xffff, 0);
      f.op("i64.and");
    }
    if (byte > 0) {
      f.i64(8 * byte, 0);
      f.op("i64.shl");
    }
    f.op("i64.or");
  }

  /** The value on the stack as an i64, of which the low bytes count. */
  #toI64(type: Node["type"], width: number): void {
    const f = this.#f;
    if (type === "v128") return f.lanes("i64x2.extract_lane", [0]);
    if (type === "f64") return f.op("i64.reinterpret_f64");
    if (type === "f32") f.op("i32.reinterpret_f32");
    if (type === "i32" || type === "f32") return f.op("i64.extend_i32_u");
    if (width !== 4) return;
    f.op("i32.wrap_i64");
    f.op("i64.extend_i32_u");
  }

  #readVector(local: Local, byte: number, { type, width, signed }: Node): void {
    const f = this.#f;
    if (type === "v128" && width === 16) return f.get(local);
    if (type === "v128") f.v128([0, 0, 0, 0]);
    f.get(local);
    const sign = signed ? "s" : "u";
    if (width === 8) f.lanes(type === "f64" ? "f64x2.extract_lane" : "i64x2.extract_lane", [byte / 8]);
    else if (width === 4) f.lanes(type === "f32" ? "f32x4.extract_lane" : "i32x4.extract_lane", [byte / 4]);
    else if (width === 2) f.lanes(`i16x8.extract_lane_${sign}`, [byte / 2]);
    else f.lanes(`i8x16.extract_lane_${sign}`, [byte]);
    if (type === "v128") f.lanes(width === 8 ? "i64x2.replace_lane" : "i32x4.replace_lane", [0]);
    else if (type === "i64" && width! < 8) f.op(signed ? "i64.extend_i32_s" : "i64.extend_i32_u");
  }

  #writeVector(local: Local, byte: number, { type, width }: Node, push: () => void): void {
    const f = this.#f;
    if (type === "v128") return push();
    f.get(local);
    push();
    if (type === "i64" && width! < 8) f.op("i32.wrap_i64");
    if (width === 8) f.lanes(type === "f64" ? "f64x2.replace_lane" : "i64x2.replace_lane", [byte / 8]);
    else if (width === 4) f.lanes(type === "f32" ? "f32x4.replace_lane" : "i32x4.replace_lane", [byte / 4]);
    else if (width === 2) f.lanes("i16x8.replace_lane", [byte / 2]);
    else f.lanes("i8x16.replace_lane", [byte]);
  }
}

/** State offset of the register that all of an access lies in; undefined if it is to something else. */
function registerAt(at: number, width: number): number | undefined {
  const general = at - CPU.gpr;
  if (general >= 0 && general < GPRS * GPR_BYTES)
    return (general & (GPR_BYTES - 1)) + width <= GPR_BYTES ? at - (general & (GPR_BYTES - 1)) : undefined;
  const vector = at - CPU.xmm;
  if (vector < 0 || vector >= XMMS * XMM_STRIDE) return undefined;
  const byte = vector & (XMM_STRIDE - 1);
  return byte % width === 0 && byte + width <= XMM_BYTES ? at - byte : undefined;
}
