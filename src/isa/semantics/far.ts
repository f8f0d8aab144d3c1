import type { Value } from "../ir/builder.ts";
import { CPU } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { farPointer } from "./segment.ts";

type Transfer = "far_jump" | "far_call";

function transfer(b: InstructionBuilder, helper: Transfer, selector: Value, offset: Value): void {
  b.call(helper, selector, b.extend(offset), b.i32(b.bits), b.ripNext(), b.eflags());
  b.end();
}

/** ptr16:16 and ptr16:32. [SDM 2A CALL, JMP] */
export const direct =
  (helper: Transfer): Semantics =>
  (b) => {
    const pointer = b.imm("i64");
    transfer(b, helper, b.wrap(b.shrU(pointer, b.i64(32))), b.zeroExtend(pointer, b.bits === 16 ? 16 : 32));
  };

/** m16:16, m16:32 and m16:64. */
export const indirect =
  (helper: Transfer): Semantics =>
  (b) => {
    const { offset, selector } = farPointer(b);
    transfer(b, helper, selector, offset);
  };

/** [SDM 2B RET] */
export const farReturn: Semantics = (b) => {
  const bytes = b.form.operands.length > 0 ? b.read(0) : b.i32(0);
  b.call("far_return", b.i32(b.bits), bytes);
  b.end();
};

/** Takes the arithmetic flags from the image that a helper left in CPU.eflags, and ends the block. */
function endWithFlags(b: InstructionBuilder): void {
  b.flags("raw", 32, [b.get(CPU.eflags, "i32")]);
  b.end();
}

/** [SDM 2A IRET/IRETD/IRETQ] */
export const iret: Semantics = (b) => {
  b.call("iret", b.i32(b.bits), b.ripNext(), b.eflags());
  endWithFlags(b);
};

/** [SDM 2B SYSCALL] */
export const syscall: Semantics = (b) => {
  b.call("syscall", b.ripNext(), b.eflags());
  endWithFlags(b);
};

/** [SDM 2B SYSRET] */
export const sysret: Semantics = (b) => {
  b.call("sysret", b.i32(b.bits));
  endWithFlags(b);
};

/** Interrupts that waited come before the next instruction. [SDM 2B RSM] */
export const rsm: Semantics = (b) => {
  const trap = b.call("rsm");
  b.flags("raw", 32, [b.get(CPU.eflags, "i32")]);
  b.set(CPU.trap, trap);
  b.end();
};

/** [SDM 2B SYSENTER] */
export const sysenter: Semantics = (b) => {
  b.call("sysenter", b.eflags());
  b.end();
};

/** [SDM 2B SYSEXIT] */
export const sysexit: Semantics = (b) => {
  b.call("sysexit", b.i32(b.bits));
  b.end();
};
