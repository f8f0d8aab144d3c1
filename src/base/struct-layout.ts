/**
 * C structs as data, and typed views of them over bytes (shared memory or not). Little-endian, System V x86-64 alignment.
 *
 *     const kvm_dtable = struct("kvm_dtable", 16, { base: "u64", limit: "u16", padding: array("u16", 3) });
 *     const gdt = create(kvm_dtable, { base: 0x1000, limit: 0x27 });
 *     gdt.base        // 0x1000n
 *     gdt.base_num    // 0x1000, exact below 2^53; base_lo and base_hi are its two 32-bit halves
 *
 * A 64-bit field named `f` has four properties: `f` (bigint), `f_num` (number), `f_lo` and `f_hi` (unsigned 32-bit
 * numbers). Code that runs a guest uses the last three, which make no BigInt.
 */
import {
  getNumber,
  getWide,
  getWideNumber,
  NumberArray,
  type NumberType,
  SCALAR_SIZE,
  setNumber,
  setWideNumber,
  WideArray,
  type WideType,
} from "./struct-scalar.ts";

export interface BytesType {
  readonly kind: "bytes";
  readonly length: number;
}

/** `length` elements, or as many as there are bytes for if it is `undefined` (C's flexible array member). */
export interface ArrayType<E extends ElementType = ElementType> {
  readonly kind: "array";
  readonly element: E;
  readonly length: number | undefined;
}

/** A field at an explicit offset: how anonymous unions and sparse layouts are written. */
export interface PlacedType<T extends FieldType = FieldType> {
  readonly kind: "at";
  readonly offset: number;
  readonly type: T;
}

export type ElementType = NumberType | WideType | StructLayout;
export type FieldType = ElementType | BytesType | ArrayType;
export type Fields = { readonly [name: string]: FieldType | PlacedType };

export interface StructLayout<F extends Fields = Fields> {
  readonly kind: "struct";
  /** The C name, without the word struct. */
  readonly name: string;
  /** Bytes; a flexible array member counts nothing, as in C. */
  readonly size: number;
  readonly align: number;
  readonly fields: F;
  readonly offsets: { readonly [K in keyof F]: number };
}

type Bare<T> = T extends PlacedType<infer U> ? U : T;
type KeysOf<F, T> = { [K in keyof F & string]: Bare<F[K]> extends T ? K : never }[keyof F & string];
type Composite<T> = T extends BytesType
  ? Uint8Array
  : T extends ArrayType<infer E>
    ? Elements<E>
    : T extends StructLayout
      ? StructView<T>
      : never;
type Elements<E> = E extends StructLayout ? readonly StructView<E>[] : E extends WideType ? WideArray : NumberArray;

/** The bytes of one struct with a property for every field. */
export type StructView<L extends StructLayout> = Record<KeysOf<L["fields"], NumberType>, number> &
  Record<KeysOf<L["fields"], WideType>, bigint> &
  Record<`${KeysOf<L["fields"], WideType>}_${"num" | "lo" | "hi"}`, number> & {
    readonly [K in KeysOf<L["fields"], BytesType | ArrayType | StructLayout>]: Composite<Bare<L["fields"][K]>>;
  } & RecordView;

/** What `create` and `assign` take: any of the fields; 64-bit ones as number or bigint, arrays and structs as their parts. */
export type StructInit<L extends StructLayout> = {
  readonly [K in keyof L["fields"]]?: InitOf<Bare<L["fields"][K]>>;
};
type InitOf<T> = T extends NumberType
  ? number
  : T extends WideType
    ? number | bigint
    : T extends BytesType
      ? Uint8Array
      : T extends ArrayType<infer E>
        ? readonly InitOf<E>[]
        : T extends StructLayout
          ? StructInit<T>
          : never;

/** Declares a struct and checks its size: `size` is what the C compiler says. */
export function struct<const F extends Fields>(name: string, size: number, fields: F): StructLayout<F> {
  const layout = lay(name, fields, false);
  if (layout.size !== size) throw new Error(`struct ${name} is ${layout.size} bytes, not ${size}`);
  return layout;
}

/** Declares a struct without padding, as C's `__attribute__((packed))`. */
export function packed<const F extends Fields>(name: string, size: number, fields: F): StructLayout<F> {
  const layout = lay(name, fields, false, true);
  if (layout.size !== size) throw new Error(`packed struct ${name} is ${layout.size} bytes, not ${size}`);
  return layout;
}

/** Declares a union: every field at offset 0. */
export function union<const F extends Fields>(name: string, size: number, fields: F): StructLayout<F> {
  const layout = lay(name, fields, true);
  if (layout.size !== size) throw new Error(`union ${name} is ${layout.size} bytes, not ${size}`);
  return layout;
}

export function bytes(length: number): BytesType {
  return { kind: "bytes", length };
}

export function array<const E extends ElementType>(element: E, length: number): ArrayType<E> {
  return { kind: "array", element, length };
}

/** C's flexible array member; it must be the last field. */
export function flexible<const E extends ElementType>(element: E): ArrayType<E> {
  return { kind: "array", element, length: undefined };
}

export function at<const T extends FieldType>(offset: number, type: T): PlacedType<T> {
  return { kind: "at", offset, type };
}

/** The bytes a field takes; a flexible array none. */
export function sizeOf(type: FieldType): number {
  if (typeof type === "string") return SCALAR_SIZE[type];
  if (type.kind === "struct") return type.size;
  if (type.kind === "bytes") return type.length;
  return sizeOf(type.element) * (type.length ?? 0);
}

/** A field's type without its explicit offset. */
export function bareType(type: FieldType | PlacedType): FieldType {
  return typeof type !== "string" && type.kind === "at" ? type.type : type;
}

function alignOf(type: FieldType): number {
  if (typeof type === "string") return SCALAR_SIZE[type];
  if (type.kind === "struct") return type.align;
  return type.kind === "bytes" ? 1 : alignOf(type.element);
}

function roundUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}

function lay<F extends Fields>(name: string, fields: F, overlap: boolean, dense = false): StructLayout<F> {
  const offsets: Record<string, number> = {};
  let next = 0;
  let end = 0;
  let align = 1;
  for (const [field, declared] of Object.entries(fields)) {
    if (field === "bytes" || field === "dataView")
      throw new Error(`struct ${name}: views have a ${field} of their own`);
    const type = bareType(declared);
    const placed = typeof declared !== "string" && declared.kind === "at";
    const natural = dense ? 1 : alignOf(type);
    const offset = placed ? declared.offset : overlap ? 0 : roundUp(next, natural);
    offsets[field] = offset;
    next = offset + sizeOf(type);
    end = Math.max(end, next);
    align = Math.max(align, natural);
  }
  return {
    kind: "struct",
    name,
    size: roundUp(end, align),
    align,
    fields,
    offsets: offsets as StructLayout<F>["offsets"],
  };
}

/** The base of every struct view: the record's bytes. */
export class RecordView {
  /** Exactly this record's bytes, flexible array member included. */
  readonly bytes: Uint8Array;
  /** The same bytes, for access by offset. */
  readonly dataView: DataView;

  constructor(source: Uint8Array) {
    this.bytes = source;
    this.dataView = new DataView(source.buffer, source.byteOffset, source.byteLength);
  }
}

type ViewClass = new (source: Uint8Array) => RecordView;
const viewClasses = new WeakMap<StructLayout, ViewClass>();

/** A view of `source`, whose first bytes are the struct. Throws RangeError if they are too few. */
export function view<L extends StructLayout>(layout: L, source: Uint8Array): StructView<L> {
  if (source.length < layout.size)
    throw new RangeError(`${layout.name} takes ${layout.size} bytes, there are ${source.length}`);
  const exact = isFlexible(layout) ? source : source.subarray(0, layout.size);
  return new (viewClass(layout))(exact) as StructView<L>;
}

/** A new struct of zeros, then `init`. A flexible array member has as many elements as `init` gives it, or `count`. */
export function create<L extends StructLayout>(layout: L, init?: StructInit<L>, count = 0): StructView<L> {
  const tail = flexibleField(layout);
  const given = tail && (init as Record<string, readonly unknown[]> | undefined)?.[tail.name]?.length;
  const extra = tail ? sizeOf(tail.type.element) * (given ?? count) : 0;
  const end = tail ? Math.max(layout.size, layout.offsets[tail.name]! + extra) : layout.size;
  const record = view(layout, new Uint8Array(end));
  if (init) assign(layout, record, init);
  return record;
}

/** Sets the fields that `init` names. */
export function assign<L extends StructLayout>(layout: L, record: StructView<L>, init: StructInit<L>): void {
  for (const [name, value] of Object.entries(init)) {
    const declared = layout.fields[name];
    if (declared === undefined) throw new RangeError(`struct ${layout.name} has no field ${name}`);
    if (value !== undefined) put(record.bytes, layout.offsets[name]!, bareType(declared), value);
  }
}

function put(target: Uint8Array, offset: number, type: FieldType, value: unknown): void {
  const size = sizeOf(type);
  const data = new DataView(target.buffer, target.byteOffset, target.byteLength);
  if (typeof type === "string") putScalar(data, type, offset, value as number | bigint);
  else if (type.kind === "struct")
    assign(type, view(type, target.subarray(offset, offset + size)), value as StructInit<StructLayout>);
  else if (type.kind === "bytes") putBytes(target, offset, size, value as Uint8Array);
  else putElements(target, offset, type, value as readonly unknown[]);
}

function putScalar(data: DataView, type: NumberType | WideType, offset: number, value: number | bigint): void {
  if (type !== "u64" && type !== "s64") setNumber(data, type, offset, Number(value));
  else if (typeof value === "bigint") data.setBigUint64(offset, value, true);
  else setWideNumber(data, offset, value);
}

function putBytes(target: Uint8Array, offset: number, size: number, value: Uint8Array): void {
  if (value.length > size) throw new RangeError(`${value.length} bytes do not fit in ${size}`);
  target.set(value, offset);
}

function putElements(target: Uint8Array, offset: number, type: ArrayType, values: readonly unknown[]): void {
  if (values.length > (type.length ?? values.length))
    throw new RangeError(`${values.length} elements do not fit in ${type.length}`);
  const size = sizeOf(type.element);
  values.forEach((value, index) => {
    put(target, offset + index * size, type.element, value);
  });
}

function flexibleField(layout: StructLayout): { name: string; type: ArrayType } | undefined {
  const last = Object.entries(layout.fields).at(-1);
  if (!last) return undefined;
  const type = bareType(last[1]);
  return typeof type !== "string" && type.kind === "array" && type.length === undefined
    ? { name: last[0], type }
    : undefined;
}

function isFlexible(layout: StructLayout): boolean {
  return flexibleField(layout) !== undefined;
}

function viewClass(layout: StructLayout): ViewClass {
  let made = viewClasses.get(layout);
  if (!made) {
    made = makeViewClass(layout);
    viewClasses.set(layout, made);
  }
  return made;
}

/** One class a layout: accessors of scalars on its prototype, composites made with the view. */
function makeViewClass(layout: StructLayout): ViewClass {
  const fields = Object.entries(layout.fields).map(
    ([name, type]) => [name, bareType(type), layout.offsets[name]!] as const,
  );
  const composites = fields.filter(([, type]) => typeof type !== "string");
  const made = class extends RecordView {
    constructor(source: Uint8Array) {
      super(source);
      for (const [name, type, offset] of composites)
        Object.defineProperty(this, name, { value: composite(type, source, offset), enumerable: true });
    }
  };
  for (const [name, type, offset] of fields)
    if (typeof type === "string") defineScalar(made.prototype, name, type, offset);
  return made;
}

function composite(type: FieldType, source: Uint8Array, offset: number): unknown {
  if (typeof type === "string") return undefined;
  if (type.kind === "array" && type.length === undefined) return elements(type.element, source.subarray(offset));
  const part = source.subarray(offset, offset + sizeOf(type));
  if (type.kind === "bytes") return part;
  return type.kind === "struct" ? view(type, part) : elements(type.element, part);
}

function elements(element: ElementType, source: Uint8Array): unknown {
  if (element === "u64" || element === "s64") return new WideArray(element, source);
  if (typeof element === "string") return new NumberArray(element, source);
  return Array.from({ length: Math.floor(source.length / element.size) }, (_, index) =>
    view(element, source.subarray(index * element.size, (index + 1) * element.size)),
  );
}

function defineScalar(prototype: RecordView, name: string, type: NumberType | WideType, offset: number): void {
  if (type === "u64" || type === "s64") return defineWide(prototype, name, type, offset);
  Object.defineProperty(prototype, name, {
    get(this: RecordView) {
      return getNumber(this.dataView, type, offset);
    },
    set(this: RecordView, value: number) {
      setNumber(this.dataView, type, offset, value);
    },
  });
}

function defineWide(prototype: RecordView, name: string, type: WideType, offset: number): void {
  Object.defineProperty(prototype, name, {
    get(this: RecordView) {
      return getWide(this.dataView, type, offset);
    },
    set(this: RecordView, value: bigint) {
      this.dataView.setBigUint64(offset, value, true);
    },
  });
  Object.defineProperty(prototype, `${name}_num`, {
    get(this: RecordView) {
      return getWideNumber(this.dataView, type, offset);
    },
    set(this: RecordView, value: number) {
      setWideNumber(this.dataView, offset, value);
    },
  });
  defineScalar(prototype, `${name}_lo`, "u32", offset);
  defineScalar(prototype, `${name}_hi`, "u32", offset + 4);
}
