import { AML } from "../../spec/acpi/aml.ts";
import { concat, utf8 } from "../bytes.ts";

/** An encoder of ACPI Machine Language: each function returns the bytes of one term. [ACPI 6.5 20.2] */
export type Term = Uint8Array;

/** `Scope (path) { terms }` [ACPI 6.5 20.2.5.1] */
export function scope(path: string, ...terms: readonly Term[]): Term {
  return sized([AML.ScopeOp], nameString(path), ...terms);
}

/** `Device (name) { terms }` [ACPI 6.5 20.2.5.2] */
export function device(name: string, ...terms: readonly Term[]): Term {
  return sized([AML.ExtOpPrefix, AML.DeviceOp], nameString(name), ...terms);
}

/** `Name (path, value)` [ACPI 6.5 20.2.5.1] */
export function name(path: string, value: Term): Term {
  return concat([bytes(AML.NameOp), nameString(path), value]);
}

/** `Package { elements }`, up to 255. [ACPI 6.5 20.2.5.4] */
export function pkg(...elements: readonly Term[]): Term {
  return sized([AML.PackageOp], bytes(elements.length), ...elements);
}

/** `Buffer { contents }` [ACPI 6.5 20.2.5.4] */
export function buffer(contents: Uint8Array): Term {
  return sized([AML.BufferOp], integer(contents.length), contents);
}

/** A string constant of ASCII characters. [ACPI 6.5 20.2.3] */
export function string(text: string): Term {
  return concat([bytes(AML.StringPrefix), utf8(text), bytes(0)]);
}

/** An integer constant from 0 to 2^53 - 1, in its shortest form. [ACPI 6.5 20.2.3] */
export function integer(value: number): Term {
  if (value === 0) return bytes(AML.ZeroOp);
  if (value === 1) return bytes(AML.OneOp);
  if (value <= 0xff) return bytes(AML.BytePrefix, value);
  if (value <= 0xffff) return concat([bytes(AML.WordPrefix), littleEndian(value, 2)]);
  if (value <= 0xffff_ffff) return concat([bytes(AML.DWordPrefix), littleEndian(value, 4)]);
  return concat([bytes(AML.QWordPrefix), littleEndian(value, 8)]);
}

/** `EISAID ("PNP0501")`: three letters of 5 bits, four hexadecimal digits, big-endian. [ACPI 6.5 19.6.35] */
export function eisaId(id: string): Term {
  const letters = [0, 1, 2].map((index) => id.charCodeAt(index) - 0x40);
  const vendor = (letters[0]! << 10) | (letters[1]! << 5) | letters[2]!;
  const product = Number.parseInt(id.slice(3), 16);
  return bytes(AML.DWordPrefix, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff);
}

/** The value's low `size` bytes. */
export function littleEndian(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => Math.floor(value / 2 ** (8 * index)) % 256);
}

/** A term whose package length comes after its opcode. */
function sized(opcode: readonly number[], ...parts: readonly Term[]): Term {
  const body = concat(parts);
  return concat([bytes(...opcode), packageLength(body.length), body]);
}

/** Counts its own bytes too: one holds up to 63, then two to four hold 4, 12, 20 and 28 bits. [ACPI 6.5 20.2.4] */
function packageLength(bodySize: number): Uint8Array {
  if (bodySize + 1 < 0x40) return bytes(bodySize + 1);
  const more = [1, 2, 3].find((count) => bodySize + 1 + count < 2 ** (4 + 8 * count))!;
  const length = bodySize + 1 + more;
  return concat([bytes((more << 6) | (length & 0xf)), littleEndian(Math.floor(length / 16), more)]);
}

/** `\`, `^` and four-character segments parted by dots; short segments are filled up with `_`. [ACPI 6.5 20.2.2] */
function nameString(path: string): Uint8Array {
  const [, prefix, rest] = /^([\\^]*)(.*)$/.exec(path)!;
  const segments = rest === "" ? [] : rest!.split(".").map((segment) => utf8(segment.padEnd(4, "_")));
  return concat([utf8(prefix!), segmentPrefix(segments.length), ...segments]);
}

function segmentPrefix(count: number): Uint8Array {
  if (count === 0) return bytes(0);
  if (count === 1) return bytes();
  return count === 2 ? bytes(AML.DualNamePrefix) : bytes(AML.MultiNamePrefix, count);
}

function bytes(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values);
}
