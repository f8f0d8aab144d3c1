import type { LocalType } from "../asm/function-writer.ts";

/** The load of `width` bytes as a value type. */
export function loadName(type: LocalType, width: number, signed = false): string {
  if (type === "v128") return width === 16 ? "v128.load" : `v128.load${width * 8}_zero`;
  const full = type === "i64" || type === "f64" ? 8 : 4;
  return width === full ? `${type}.load` : `${type}.load${width * 8}_${signed ? "s" : "u"}`;
}

/** The store of a value type's low `width` bytes. */
export function storeName(type: LocalType, width: number): string {
  const full = type === "v128" ? 16 : type === "i64" || type === "f64" ? 8 : 4;
  return width === full ? `${type}.store` : `${type}.store${width * 8}`;
}
