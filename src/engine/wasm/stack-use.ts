import { FLAT } from "../../isa/decoder/instruction.ts";
import { CPU, GPR } from "../../isa/state.ts";
import { FORM_STACK } from "../../isa/table/facts.ts";
import type { CodeCache } from "./code-cache.ts";
import type { CpuCells } from "./cpu-cells.ts";

/** Bytes from rSP within which an address is the stack's own, and not that of a memory operand beside it. */
const NEAR = 16;

/** Whether the instruction at rip, of 64-bit mode, accesses CPU.notCanonical through SS: implicitly or by base rSP or rBP. [SDM 1 3.7.4] */
export function usesStack(code: CodeCache, cells: CpuCells): boolean {
  const insn = code.instructionAt(cells.lo(CPU.rip), cells.hi(CPU.rip), cells.i32(CPU.mode));
  if (insn === undefined) return false;
  if (insn.segment === FLAT && (insn.base === GPR.rsp || insn.base === GPR.rbp)) return true;
  const use = FORM_STACK[insn.form]!;
  return use === 1 || (use === 2 && isNearStackPointer(cells));
}

function isNearStackPointer(cells: CpuCells): boolean {
  const rsp = CPU.gpr + 8 * GPR.rsp;
  const [low, from] = [cells.lo(CPU.notCanonical) >>> 0, cells.lo(rsp) >>> 0];
  const distance = (low - from) | 0;
  const high = (cells.hi(CPU.notCanonical) - cells.hi(rsp) - (low < from ? 1 : 0)) | 0;
  return Math.abs(distance) <= NEAR && high === distance >> 31;
}
