import type { GuestMemory } from "../memory/guest-memory.ts";
import { BOOT_CS, BOOT_DS } from "../spec/boot/linux.ts";
import { CR0, CR4, EFER } from "../spec/x86/control-register.ts";
import { RFLAGS_FIXED, SEGMENT_TYPE, SYSTEM_SEGMENT_TYPE } from "../spec/x86/descriptor.ts";
import type { Placement } from "./placement.ts";

/** A segment register with its hidden part, as struct kvm_segment has it: `limit` in bytes, flags 0 or 1. */
export interface SegmentState {
  readonly base: number;
  readonly limit: number;
  readonly selector: number;
  readonly type: number;
  readonly present: number;
  readonly dpl: number;
  readonly db: number;
  readonly s: number;
  readonly l: number;
  readonly g: number;
  readonly avl: number;
  readonly unusable: number;
}

/** Names and meaning of struct kvm_regs; addresses below 2^53. */
export interface GeneralRegisters {
  readonly rip: number;
  readonly rsp: number;
  readonly rflags: number;
  readonly rax: number;
  readonly rbx: number;
  readonly rsi: number;
}

/**
 * What the first vCPU's registers must hold to enter a kernel: plain data in the spelling of KVM_SET_REGS and
 * KVM_SET_SREGS. General registers that are not named are zero; everything else is as after INIT.
 */
export interface InitialState {
  readonly mode: BootMode;
  readonly regs: GeneralRegisters;
  readonly cs: SegmentState;
  readonly ds: SegmentState;
  readonly es: SegmentState;
  readonly fs: SegmentState;
  readonly gs: SegmentState;
  readonly ss: SegmentState;
  readonly tr: SegmentState;
  readonly ldt: SegmentState;
  readonly gdt: { readonly base: number; readonly limit: number };
  readonly idt: { readonly base: number; readonly limit: number };
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  readonly efer: number;
}

/** 64-bit mode with paging on, or flat protected mode without paging. */
export type BootMode = "long64" | "protected32";

const TSS_SELECTOR = 0x20;

/** Flat protected mode: 4 GiB segments, no paging, interrupts off. Writes a GDT into the guest's memory. */
export function protectedState(
  memory: GuestMemory,
  placement: Placement,
  regs: Partial<GeneralRegisters>,
): InitialState {
  const code = flatSegment(BOOT_CS, SEGMENT_TYPE.CODE_EXECUTE_READ, { db: 1, l: 0 });
  return {
    ...common(memory, placement, code, regs),
    mode: "protected32",
    cr0: CR0.PE | CR0.ET,
    cr3: 0,
    cr4: 0,
    efer: 0,
  };
}

/** 64-bit mode on the page tables at `cr3`. Writes a GDT into the guest's memory. */
export function longState(
  memory: GuestMemory,
  placement: Placement,
  cr3: number,
  regs: Partial<GeneralRegisters>,
): InitialState {
  const code = flatSegment(BOOT_CS, SEGMENT_TYPE.CODE_EXECUTE_READ, { db: 0, l: 1 });
  return {
    ...common(memory, placement, code, regs),
    mode: "long64",
    cr0: CR0.PG + (CR0.PE | CR0.ET),
    cr3,
    cr4: CR4.PAE,
    efer: EFER.LME | EFER.LMA,
  };
}

function common(memory: GuestMemory, placement: Placement, cs: SegmentState, regs: Partial<GeneralRegisters>) {
  const data = flatSegment(BOOT_DS, SEGMENT_TYPE.DATA_READ_WRITE, { db: 1, l: 0 });
  const tr: SegmentState = {
    ...flatSegment(TSS_SELECTOR, SYSTEM_SEGMENT_TYPE.TSS_BUSY, { db: 0, l: 0 }),
    s: 0,
    limit: 0x67,
    g: 0,
  };
  const ldt: SegmentState = {
    ...tr,
    selector: 0,
    type: SYSTEM_SEGMENT_TYPE.LDT,
    present: 0,
    limit: 0xffff,
    unusable: 1,
  };
  const zero: GeneralRegisters = { rip: 0, rsp: 0, rflags: RFLAGS_FIXED, rax: 0, rbx: 0, rsi: 0 };
  return {
    regs: { ...zero, ...regs },
    ...{ cs, ds: data, es: data, fs: data, gs: data, ss: data, tr, ldt },
    gdt: writeGdt(memory, placement, [cs, data, tr]),
    idt: { base: 0, limit: 0 },
  };
}

function flatSegment(selector: number, type: number, size: { db: number; l: number }): SegmentState {
  return { base: 0, limit: 0xffff_ffff, selector, type, present: 1, dpl: 0, s: 1, g: 1, avl: 0, unusable: 0, ...size };
}

function writeGdt(memory: GuestMemory, placement: Placement, segments: readonly SegmentState[]) {
  const size = Math.max(...segments.map((segment) => segment.selector)) + 8;
  const base = placement.placeBootData("the descriptor table", size);
  memory.fill(base, size, 0);
  for (const segment of segments) writeDescriptor(memory, base + segment.selector, segment);
  return { base, limit: size - 1 };
}

/** [SDM 3A 3.4.5, figure 3-8] */
function writeDescriptor(memory: GuestMemory, gpa: number, segment: SegmentState): void {
  const { base, type, s, dpl, present, avl, l, db, g } = segment;
  const limit = g ? segment.limit >>> 12 : segment.limit;
  const access = type | (s << 4) | (dpl << 5) | (present << 7);
  const flags = avl | (l << 1) | (db << 2) | (g << 3);
  memory.writeU32(gpa, ((limit & 0xffff) | ((base & 0xffff) << 16)) >>> 0);
  const high =
    ((base >>> 16) & 0xff) | (access << 8) | (((limit >>> 16) & 0xf) << 16) | (flags << 20) | (base & 0xff00_0000);
  memory.writeU32(gpa + 4, high >>> 0);
}
