import { APIC, APIC_BASE, APIC_BITMAP_REGISTERS, SVR } from "../spec/lapic.ts";

/**
 * A local APIC's registers and mailbox as 32-bit words. Words 0-255 are the xAPIC register page as in kvm_lapic_state,
 * one register every four words; the others are what any thread may post to or must know to address the APIC.
 * Words that several threads change (IRR, TMR and the mailbox) are changed with Atomics; the rest belongs to the vCPU.
 */
export type ApicPage = Uint32Array;

/** Words of an ApicPage: what to allocate (or map) for each vCPU. */
export const APIC_PAGE_WORDS = 264;

/** Words behind the registers. */
export const APIC_WORD = {
  /** Posted events, bits of APIC_EVENT. */
  EVENTS: 256,
  SIPI_VECTOR: 257,
  /** IA32_APIC_BASE. */
  BASE: 258,
  BASE_HIGH: 259,
  /** The 32-bit x2APIC ID. */
  X2APIC_ID: 260,
  /** Lowest-priority interrupts taken so far: who took the fewest is next. */
  ARBITRATION: 261,
  /** Errors not yet moved to the ESR. */
  ERRORS: 262,
} as const;

/** Events other than interrupts with a vector. UNHALT ends the sleep of HLT, as KVM's hypercall asks; NMI_AGAIN is an NMI beside one that waits. */
export const APIC_EVENT = { NMI: 1, SMI: 2, INIT: 4, SIPI: 8, EXTINT: 16, UNHALT: 32, NMI_AGAIN: 64 } as const;

export function getRegister(page: ApicPage, offset: number): number {
  return page[offset >> 2]!;
}

export function setRegister(page: ApicPage, offset: number, value: number): void {
  page[offset >> 2] = value;
}

/** The APIC is on: IA32_APIC_BASE.EN. */
export function isHardwareEnabled(page: ApicPage): boolean {
  return (page[APIC_WORD.BASE]! & APIC_BASE.EN) !== 0;
}

/** IA32_APIC_BASE */
export function apicBase(page: ApicPage): number {
  return page[APIC_WORD.BASE_HIGH]! * 0x1_0000_0000 + page[APIC_WORD.BASE]!;
}

export function isX2apic(page: ApicPage): boolean {
  return (page[APIC_WORD.BASE]! & APIC_BASE.EXTD) !== 0;
}

/** The APIC takes interrupts with a vector: EN and the spurious-interrupt vector register's enable bit. */
export function isEnabled(page: ApicPage): boolean {
  return isHardwareEnabled(page) && (getRegister(page, APIC.SVR) & SVR.APIC_ENABLED) !== 0;
}

/** Sets a bit of ISR, TMR or IRR. Returns whether it was clear. */
export function setVector(page: ApicPage, bitmap: number, vector: number): boolean {
  const bit = 1 << (vector & 31);
  return (Atomics.or(page, bitmapWord(bitmap, vector), bit) & bit) === 0;
}

export function clearVector(page: ApicPage, bitmap: number, vector: number): void {
  Atomics.and(page, bitmapWord(bitmap, vector), ~(1 << (vector & 31)));
}

export function testVector(page: ApicPage, bitmap: number, vector: number): boolean {
  return (Atomics.load(page, bitmapWord(bitmap, vector)) & (1 << (vector & 31))) !== 0;
}

/** The highest vector set in ISR, TMR or IRR, or -1. */
export function highestVector(page: ApicPage, bitmap: number): number {
  for (let index = APIC_BITMAP_REGISTERS - 1; index >= 0; index--) {
    const bits = Atomics.load(page, (bitmap >> 2) + index * 4);
    if (bits !== 0) return index * 32 + 31 - Math.clz32(bits);
  }
  return -1;
}

function bitmapWord(bitmap: number, vector: number): number {
  return (bitmap >> 2) + (vector >> 5) * 4;
}
