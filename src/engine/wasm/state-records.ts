import { CPU, EFLAGS, SEGMENT, type SegmentName, segmentOffset } from "../../isa/state.ts";
import {
  KVM_GUESTDBG_ENABLE,
  type KvmDebugregs,
  type KvmDtable,
  type KvmFpu,
  type KvmGuestDebug,
  type KvmRegs,
  type KvmSegment,
  type KvmSregs,
  kvm_regs,
  kvm_sregs,
} from "../../spec/kvm/vcpu-struct.ts";
import type { CpuCells } from "./cpu-cells.ts";

/** General registers in the order of kvm_regs, as register numbers. */
const KVM_GPR_ORDER = [0, 3, 1, 2, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];

/** kvm_sregs' segments and the state's. */
const SEGMENT_FIELDS: readonly (readonly ["cs" | "ds" | "es" | "fs" | "gs" | "ss" | "tr" | "ldt", SegmentName])[] = [
  ["cs", "cs"],
  ["ds", "ds"],
  ["es", "es"],
  ["fs", "fs"],
  ["gs", "gs"],
  ["ss", "ss"],
  ["tr", "tr"],
  ["ldt", "ldtr"],
];

const CONTROL_FIELDS = ["cr0", "cr2", "cr3", "cr4", "cr8", "efer"] as const;

/** KVM_GET_REGS; the flags were packed. */
export function readRegs(cells: CpuCells, into: KvmRegs): void {
  for (const [n, register] of KVM_GPR_ORDER.entries()) cells.copyWide(CPU.gpr + 8 * register, into.dataView, 8 * n);
  cells.copyWide(CPU.rip, into.dataView, kvm_regs.offsets.rip);
  const resumed = cells.lo(CPU.resumeRip) === cells.lo(CPU.rip) && cells.hi(CPU.resumeRip) === cells.hi(CPU.rip);
  into.rflags_num = ((cells.i32(CPU.eflags) & (resumed ? -1 : ~EFLAGS.RF)) | EFLAGS.fixed) >>> 0;
}

/** KVM_SET_REGS; the flags are unpacked afterwards. */
export function writeRegs(cells: CpuCells, from: KvmRegs): void {
  for (const [n, register] of KVM_GPR_ORDER.entries()) cells.loadWide(CPU.gpr + 8 * register, from.dataView, 8 * n);
  cells.loadWide(CPU.rip, from.dataView, kvm_regs.offsets.rip);
  cells.loadWide(CPU.resumeRip, from.dataView, kvm_regs.offsets.rip);
  cells.setI32(CPU.eflags, from.rflags_lo | EFLAGS.fixed);
}

/** KVM_GET_SREGS, without apic_base and the interrupt bitmap. */
export function readSregs(cells: CpuCells, into: KvmSregs): void {
  for (const [field, name] of SEGMENT_FIELDS) readSegment(cells, segmentOffset(name), into[field]);
  readTable(cells, CPU.gdtrBase, CPU.gdtrLimit, into.gdt);
  readTable(cells, CPU.idtrBase, CPU.idtrLimit, into.idt);
  for (const name of CONTROL_FIELDS) cells.copyWide(CPU[name], into.dataView, kvm_sregs.offsets[name]);
}

/** KVM_SET_SREGS; what depends on the mode is updated afterwards. */
export function writeSregs(cells: CpuCells, from: KvmSregs): void {
  for (const [field, name] of SEGMENT_FIELDS) writeSegment(cells, segmentOffset(name), from[field]);
  writeTable(cells, CPU.gdtrBase, CPU.gdtrLimit, from.gdt);
  writeTable(cells, CPU.idtrBase, CPU.idtrLimit, from.idt);
  for (const name of CONTROL_FIELDS) cells.loadWide(CPU[name], from.dataView, kvm_sregs.offsets[name]);
}

function readTable(cells: CpuCells, base: number, limit: number, into: KvmDtable): void {
  cells.copyWide(base, into.dataView, 0);
  into.limit = cells.i32(limit);
}

function writeTable(cells: CpuCells, base: number, limit: number, from: KvmDtable): void {
  cells.loadWide(base, from.dataView, 0);
  cells.setI32(limit, from.limit);
}

/** A descriptor's second dword holds type at bit 8, S 12, DPL 13, P 15, AVL 20, L 21, D/B 22, G 23. [SDM 3A 3.4.5] */
function readSegment(cells: CpuCells, at: number, into: KvmSegment): void {
  const attributes = cells.i32(at + SEGMENT.attributes);
  cells.copyWide(at + SEGMENT.base, into.dataView, 0);
  into.limit = cells.i32(at + SEGMENT.limit) >>> 0;
  into.selector = cells.i32(at + SEGMENT.selector);
  into.type = (attributes >> 8) & 15;
  into.s = (attributes >> 12) & 1;
  into.dpl = (attributes >> 13) & 3;
  into.present = (attributes >> 15) & 1;
  into.avl = (attributes >> 20) & 1;
  into.l = (attributes >> 21) & 1;
  into.db = (attributes >> 22) & 1;
  into.g = (attributes >> 23) & 1;
  into.unusable = into.present ? 0 : 1;
}

function writeSegment(cells: CpuCells, at: number, from: KvmSegment): void {
  const present = from.unusable ? 0 : from.present;
  const low = (from.type & 15) | ((from.s & 1) << 4) | ((from.dpl & 3) << 5) | ((present & 1) << 7);
  const high = (from.avl & 1) | ((from.l & 1) << 1) | ((from.db & 1) << 2) | ((from.g & 1) << 3);
  cells.loadWide(at + SEGMENT.base, from.dataView, 0);
  cells.setI32(at + SEGMENT.limit, from.limit);
  cells.setI32(at + SEGMENT.selector, from.selector);
  cells.setI32(at + SEGMENT.attributes, (low << 8) | (high << 20));
}

/** KVM_GET_DEBUGREGS */
export function readDebugregs(cells: CpuCells, into: KvmDebugregs): void {
  for (let n = 0; n < 4; n++) into.db.setPair(n, cells.lo(CPU.dr + 8 * n), cells.hi(CPU.dr + 8 * n));
  into.dr6_num = cells.number(CPU.dr + 8 * 6);
  into.dr7_num = cells.number(CPU.dr + 8 * 7);
}

/** KVM_SET_DEBUGREGS */
export function writeDebugregs(cells: CpuCells, from: KvmDebugregs): void {
  for (let n = 0; n < 4; n++) cells.setWide(CPU.dr + 8 * n, from.db.lo(n), from.db.hi(n));
  cells.setNumber(CPU.dr + 8 * 6, from.dr6_num);
  cells.setNumber(CPU.dr + 8 * 7, from.dr7_num);
}

/** KVM_SET_GUEST_DEBUG; the control was checked. */
export function writeGuestDebug(cells: CpuCells, from: KvmGuestDebug): void {
  cells.setI32(CPU.guestDebug, from.control & KVM_GUESTDBG_ENABLE ? from.control : 0);
  for (let n = 0; n < 8; n++) cells.setWide(CPU.hostDr + 8 * n, from.arch.debugreg.lo(n), from.arch.debugreg.hi(n));
}

/** KVM_GET_FPU: registers in stack order, as FXSAVE has them. [SDM 1 10.5.1] */
export function readFpu(cells: CpuCells, into: KvmFpu): void {
  const fsw = cells.i32(CPU.fsw);
  copyStack(cells.bytes(CPU.fpr, 128), fsw, (physical, logical) => into.fpr.set(physical, logical));
  into.fcw = cells.i32(CPU.fcw);
  into.fsw = fsw;
  into.ftwx = cells.i32(CPU.ftw);
  into.last_opcode = cells.i32(CPU.fop);
  into.last_ip_num = cells.number(CPU.fip);
  into.last_dp_num = cells.number(CPU.fdp);
  for (let n = 0; n < 16; n++) into.xmm.set(cells.bytes(CPU.xmm + 32 * n, 16), 16 * n);
  into.mxcsr = cells.i32(CPU.mxcsr);
}

/** KVM_SET_FPU */
export function writeFpu(cells: CpuCells, from: KvmFpu): void {
  const registers = cells.bytes(CPU.fpr, 128);
  const top = (from.fsw >> 11) & 7;
  for (let n = 0; n < 8; n++) registers.set(from.fpr.subarray(16 * n, 16 * n + 16), 16 * ((top + n) & 7));
  cells.setI32(CPU.fcw, from.fcw);
  cells.setI32(CPU.fsw, from.fsw);
  cells.setI32(CPU.ftw, from.ftwx);
  cells.setI32(CPU.fop, from.last_opcode);
  cells.setNumber(CPU.fip, from.last_ip_num);
  cells.setNumber(CPU.fdp, from.last_dp_num);
  for (let n = 0; n < 16; n++) cells.bytes(CPU.xmm + 32 * n, 16).set(from.xmm.subarray(16 * n, 16 * n + 16));
  cells.setI32(CPU.mxcsr, from.mxcsr);
}

function copyStack(registers: Uint8Array, fsw: number, put: (physical: Uint8Array, logical: number) => void): void {
  const top = (fsw >> 11) & 7;
  for (let n = 0; n < 8; n++) {
    const at = 16 * ((top + n) & 7);
    put(registers.subarray(at, at + 16), 16 * n);
  }
}
