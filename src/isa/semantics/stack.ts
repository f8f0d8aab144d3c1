import type { Value } from "../ir/builder.ts";
import { CPU, EFLAGS, type GPR, type SegmentName } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";

/** The stack's segment: forms for 64-bit mode have a flat one. */
function stackSegment(b: InstructionBuilder): SegmentName {
  return b.form.mode === "only64" ? "flat" : "ss";
}

/** A stack offset cut to the stack's width (SS.B). */
function cut(b: InstructionBuilder, offset: Value): Value {
  return b.form.mode === "only64" ? offset : b.and(offset, b.get(CPU.stackMask, "i64"));
}

/** rSP moved by a constant: the offset within the stack segment. */
export function stackOffset(b: InstructionBuilder, bytes: number): Value {
  return cut(b, b.add(b.gpr("rsp", 64), b.i64(bytes)));
}

/** The value of `register` with the bits of the stack's width replaced. */
export function merged(b: InstructionBuilder, register: "rsp" | "rbp", offset: Value): Value {
  if (b.form.mode === "only64") return offset;
  const kept = b.and(b.gpr(register, 64), b.not(b.get(CPU.stackMask, "i64")));
  return b.or(kept, offset);
}

/** Sets rSP to an offset within the stack segment. */
export function setStack(b: InstructionBuilder, offset: Value): void {
  b.setGpr("rsp", merged(b, "rsp", offset), 64);
}

/** Pushes `width` bytes; nothing after it may fault. */
export function push(b: InstructionBuilder, value: Value, width = b.bits / 8, step = width): void {
  const offset = stackOffset(b, -step);
  b.store(b.linear(offset, width, "write", stackSegment(b)), value, width);
  setStack(b, offset);
}

/** Loads what is `distance` bytes above rSP. */
export function peek(b: InstructionBuilder, distance = 0, width = b.bits / 8): Value {
  return b.load(b.linear(stackOffset(b, distance), width, "read", stackSegment(b)), width);
}

/** [SDM 2B PUSH] */
export const pushOperand: Semantics = (b) => push(b, b.read(0));

/** An immediate is sign-extended to the operand size. */
export const pushImmediate: Semantics = (b) => push(b, b.imm(b.bits === 64 ? "i64" : "i32"));

/** Zero-extended to 64 bits; with operands of 32 bits the upper half on the stack is left as it is, as processors do. [SDM 2B PUSH] */
export const pushSegment: Semantics = (b) => {
  if (b.bits === 64) push(b, b.extend(b.read(0)));
  else push(b, b.read(0), 2, b.bits / 8);
};

/** [SDM 2B POP] */
export const popOperand: Semantics = (b) => {
  const value = peek(b);
  const offset = stackOffset(b, b.bits / 8);
  if (b.operand(0).kind === "memory") {
    b.write(0, value);
    return setStack(b, offset);
  }
  setStack(b, offset);
  b.write(0, value);
};

const ALL = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] as const satisfies readonly (keyof typeof GPR)[];

/** Every place is probed before the first is written. [SDM 2B PUSHA/PUSHAD] */
export const pushAll: Semantics = (b) => {
  const width = b.bits / 8;
  const places = ALL.map((_, n) => b.linear(stackOffset(b, -width * (n + 1)), width, "write", "ss"));
  for (const place of places) b.load(place, width, "write");
  ALL.forEach((register, n) => {
    b.storeProbed(places[n]!, b.gpr(register, b.bits), width);
  });
  setStack(b, stackOffset(b, -width * ALL.length));
};

/** From rDI on, as they lie; rSP's own image is skipped. [SDM 2B POPA/POPAD] */
export const popAll: Semantics = (b) => {
  const width = b.bits / 8;
  const values = ALL.map((_, n) => peek(b, width * n)).reverse();
  const offset = stackOffset(b, width * ALL.length);
  ALL.forEach((register, n) => {
    if (register !== "rsp") b.setGpr(register, values[n]!, b.bits);
  });
  setStack(b, offset);
};

/** 1 in virtual-8086 mode with IOPL below 3, where IF is virtual or out of reach. */
function isVirtual(b: InstructionBuilder): Value {
  const bits = b.and(b.get(CPU.eflags, "i32"), b.i32(EFLAGS.VM | EFLAGS.IOPL));
  return b.and(b.shrU(bits, b.i32(17)), b.ne(bits, b.i32(EFLAGS.VM | EFLAGS.IOPL)));
}

/** The image unless in virtual-8086 mode with IOPL below 3, else what the helper makes of it. */
function unlessVirtual(
  b: InstructionBuilder,
  helper: "push_virtual_flags" | "check_virtual_flags",
  image: Value,
  otherwise: Value,
): Value {
  if (b.form.mode === "only64") return otherwise;
  return b.callIf(isVirtual(b), otherwise, helper, image, b.i32(b.bits));
}

/** [SDM 2B PUSHF/PUSHFD/PUSHFQ] */
export const pushFlags: Semantics = (b) => {
  const flags = b.and(b.eflags(), b.i32(~(EFLAGS.VM | EFLAGS.RF)));
  const image = unlessVirtual(b, "push_virtual_flags", flags, flags);
  push(b, b.toInt(image, b.bits === 64 ? "i64" : "i32"));
};

/** IOPL changes at CPL 0 only, IF where CPL <= IOPL; RF is cleared. [SDM 2B POPF/POPFD/POPFQ] */
export const popFlags: Semantics = (b) => {
  // without the extensions nothing is popped
  unlessVirtual(b, "check_virtual_flags", b.i32(0), b.i32(0));
  const image = b.and(b.wrap(peek(b)), b.i32(~EFLAGS.RF));
  unlessVirtual(b, "check_virtual_flags", image, b.i32(0));
  setStack(b, stackOffset(b, b.bits / 8));
  b.flags("raw", 32, [image]);
  b.call("pop_flags", image, b.i32(b.bits));
};

/** rSP := rBP; rBP := Pop() [SDM 2A LEAVE] */
export const leave: Semantics = (b) => {
  const frame = cut(b, b.gpr("rbp", 64));
  const width = b.bits / 8;
  const value = b.load(b.linear(frame, width, "read", stackSegment(b)), width);
  setStack(b, cut(b, b.add(frame, b.i64(width))));
  b.setGpr("rbp", value, b.bits);
};

/** [SDM 2A ENTER] */
export const enter: Semantics = (b) => {
  b.call("enter", b.imm("i32"), b.i32(b.bits / 8));
};
