/** The scalars of C structs, little-endian, and arrays of them. */
export type NumberType = "u8" | "u16" | "u32" | "s8" | "s16" | "s32";
export type WideType = "u64" | "s64";

/** Bytes. */
export const SCALAR_SIZE = { u8: 1, s8: 1, u16: 2, s16: 2, u32: 4, s32: 4, u64: 8, s64: 8 } as const;

/** Elements of up to 32 bits. */
export class NumberArray {
  readonly length: number;
  readonly #data: DataView;
  readonly #type: NumberType;

  constructor(type: NumberType, source: Uint8Array) {
    this.length = Math.floor(source.length / SCALAR_SIZE[type]);
    this.#type = type;
    this.#data = new DataView(source.buffer, source.byteOffset, source.byteLength);
  }

  get(index: number): number {
    return getNumber(this.#data, this.#type, index * SCALAR_SIZE[this.#type]);
  }

  set(index: number, value: number): void {
    setNumber(this.#data, this.#type, index * SCALAR_SIZE[this.#type], value);
  }
}

/** 64-bit elements. */
export class WideArray {
  readonly length: number;
  readonly #data: DataView;
  readonly #type: WideType;

  constructor(type: WideType, source: Uint8Array) {
    this.length = source.length >>> 3;
    this.#type = type;
    this.#data = new DataView(source.buffer, source.byteOffset, source.byteLength);
  }

  get(index: number): bigint {
    return getWide(this.#data, this.#type, index * 8);
  }

  set(index: number, value: bigint): void {
    this.#data.setBigUint64(index * 8, value, true);
  }

  /** Exact below 2^53. */
  num(index: number): number {
    return getWideNumber(this.#data, this.#type, index * 8);
  }

  setNum(index: number, value: number): void {
    setWideNumber(this.#data, index * 8, value);
  }

  lo(index: number): number {
    return this.#data.getUint32(index * 8, true);
  }

  hi(index: number): number {
    return this.#data.getUint32(index * 8 + 4, true);
  }

  setPair(index: number, lo: number, hi: number): void {
    this.#data.setUint32(index * 8, lo, true);
    this.#data.setUint32(index * 8 + 4, hi, true);
  }
}

/** Reads up to 32 bits. */
export function getNumber(data: DataView, type: NumberType, offset: number): number {
  switch (type) {
    case "u8":
      return data.getUint8(offset);
    case "s8":
      return data.getInt8(offset);
    case "u16":
      return data.getUint16(offset, true);
    case "s16":
      return data.getInt16(offset, true);
    case "u32":
      return data.getUint32(offset, true);
    case "s32":
      return data.getInt32(offset, true);
  }
}

/** Writes up to 32 bits; higher ones are dropped. */
export function setNumber(data: DataView, type: NumberType, offset: number, value: number): void {
  switch (SCALAR_SIZE[type]) {
    case 1:
      return data.setUint8(offset, value);
    case 2:
      return data.setUint16(offset, value, true);
    case 4:
      return data.setUint32(offset, value, true);
  }
}

/** Reads 64 bits as a bigint. */
export function getWide(data: DataView, type: WideType, offset: number): bigint {
  return type === "u64" ? data.getBigUint64(offset, true) : data.getBigInt64(offset, true);
}

/** Reads 64 bits as a number: exact below 2^53. */
export function getWideNumber(data: DataView, type: WideType, offset: number): number {
  const hi = type === "u64" ? data.getUint32(offset + 4, true) : data.getInt32(offset + 4, true);
  return hi * 0x1_0000_0000 + data.getUint32(offset, true);
}

/** Writes an integer between -2^53 and 2^53 as 64 bits. */
export function setWideNumber(data: DataView, offset: number, value: number): void {
  data.setUint32(offset, value, true);
  data.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
}
