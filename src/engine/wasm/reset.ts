import { CPU, EFLAGS, GPR, SEGMENT, SEGMENTS, segmentOffset } from "../../isa/state.ts";
import { SMM } from "../../spec/x86/smm.ts";
import type { CpuCells } from "./cpu-cells.ts";
import { PROCESSOR_SIGNATURE } from "./cpuid.ts";

/** Attributes (second dword of a descriptor) of segments after reset: present, accessed; data read/write. [SDM 3A 9.1.1, table 9-1] */
const DATA = 0x9300;
const CODE = 0x9b00;
const LDT = 0x8200;
const TSS = 0x8b00;

/** Puts a vCPU in the state after power-up. [SDM 3A 9.1.1, table 9-1] */
export function resetState(cells: CpuCells): void {
  cells.bytes(CPU.gpr, CPU.maxPhyAddr - CPU.gpr).fill(0);
  for (const name of SEGMENTS) resetSegment(cells, segmentOffset(name), attributesOf(name));
  cells.setI32(segmentOffset("flat") + SEGMENT.limit, -1);
  cells.setI32(segmentOffset("cs") + SEGMENT.selector, 0xf000);
  cells.setWide(segmentOffset("cs") + SEGMENT.base, 0xffff_0000, 0);
  cells.setNumber(CPU.rip, 0xfff0);
  cells.setNumber(CPU.gpr + 8 * GPR.rdx, PROCESSOR_SIGNATURE);
  cells.setI32(CPU.eflags, EFLAGS.fixed);
  cells.setI32(CPU.debugPending, 0);
  cells.setWide(CPU.cr0, 0x6000_0010, 0);
  cells.setI32(CPU.gdtrLimit, 0xffff);
  cells.setI32(CPU.idtrLimit, 0xffff);
  cells.setWide(CPU.dr + 8 * 6, 0xffff_0ff0, 0);
  cells.setWide(CPU.dr + 8 * 7, 0x400, 0);
  cells.setI32(CPU.fcw, 0x40);
  cells.setI32(CPU.ftw, 0xff);
  cells.setI32(CPU.mxcsr, 0x1f80);
  cells.setWide(CPU.pat, 0x0007_0406, 0x0007_0406);
  cells.setNumber(CPU.xcr0, 1);
  cells.setNumber(CPU.smbase, SMM.RESET_BASE);
}

function attributesOf(name: (typeof SEGMENTS)[number]): number {
  if (name === "cs") return CODE;
  if (name === "ldtr") return LDT;
  return name === "tr" ? TSS : DATA;
}

function resetSegment(cells: CpuCells, at: number, attributes: number): void {
  cells.bytes(at, SEGMENT.check + 4).fill(0);
  cells.setI32(at + SEGMENT.limit, 0xffff);
  cells.setI32(at + SEGMENT.attributes, attributes);
}

/** What INIT leaves as it is: x87 and SSE, the MSRs that instructions use, XCR0, SMBASE, caching. [SDM 3A table 9-1] */
const KEPT_BY_INIT: readonly (readonly [number, number])[] = [
  [CPU.fpr, CPU.x87Trap],
  [CPU.xmm, CPU.debugctl],
  [CPU.xcr0, CPU.xcr0 + 8],
  [CPU.smbase, CPU.smbase + 8],
];
const CR0_CACHING = 0x6000_0000;

/** Puts a vCPU in the state after INIT. */
export function initState(cells: CpuCells): void {
  const kept = KEPT_BY_INIT.map(([from, to]) => cells.bytes(from, to - from).slice());
  const caching = cells.lo(CPU.cr0) & CR0_CACHING;
  resetState(cells);
  for (const [n, [from, to]] of KEPT_BY_INIT.entries()) cells.bytes(from, to - from).set(kept[n]!);
  cells.setWide(CPU.cr0, (cells.lo(CPU.cr0) & ~CR0_CACHING) | caching, 0);
}

/** A startup IPI: execution begins at vector * 4096 in real mode. [SDM 3A 9.4.4] */
export function startUp(cells: CpuCells, vector: number): void {
  cells.setI32(segmentOffset("cs") + SEGMENT.selector, vector << 8);
  cells.setWide(segmentOffset("cs") + SEGMENT.base, vector << 12, 0);
  cells.setWide(CPU.rip, 0, 0);
}
