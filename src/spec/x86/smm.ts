/** System management mode. [SDM 3C 31.4; AMD APM 2 10.2, 10.3] */
export const SMM = {
  /** SMBASE after power-up. */
  RESET_BASE: 0x3_0000,
  /** Where the handler begins, from SMBASE; the offsets of the state save area count from there too. */
  ENTRY: 0x8000,
  /** Bytes of the state save area, and the offset of its first. */
  SAVE_BYTES: 0x200,
  SAVE_FIRST: 0x7e00,
  /** Revision identifiers: SMBASE can be relocated, I/O instructions are not restarted; which of the two formats. */
  REVISION32: 0x2_0000,
  REVISION64: 0x2_0064,
} as const;

/**
 * The state save area of processors with long mode. A segment has 16 bytes: selector, attributes (bits 23-8 of its descriptor's
 * second dword), limit in bytes, base of 64 bits; ES, CS, SS, DS, FS and GS are in this order. [AMD APM 2 table 10-1]
 */
export const SAVE64 = {
  ES: 0x7e00,
  GDTR: 0x7e60,
  LDTR: 0x7e70,
  IDTR: 0x7e80,
  TR: 0x7e90,
  AUTO_HALT_RESTART: 0x7ec9,
  EFER: 0x7ed0,
  REVISION: 0x7efc,
  SMBASE: 0x7f00,
  CR4: 0x7f48,
  CR3: 0x7f50,
  CR0: 0x7f58,
  DR7: 0x7f60,
  DR6: 0x7f68,
  RFLAGS: 0x7f70,
  RIP: 0x7f78,
  R15: 0x7f80,
  /** The others lie below it, in the order of their numbers. */
  RAX: 0x7ff8,
} as const;

/** Fields of a segment in SAVE64, from its start. */
export const SAVE64_SEGMENT = { SELECTOR: 0, ATTRIBUTES: 2, LIMIT: 4, BASE: 8, BYTES: 16 } as const;

/**
 * The state save area of processors without it. What the SDM leaves open is as KVM has it: a segment has 12 bytes, its
 * descriptor's second dword without base and limit, limit in bytes, base; ES, CS and SS are in this order, then DS, FS and GS.
 * [SDM 3C table 31-1; linux/arch/x86/kvm/smm.h]
 */
export const SAVE32 = {
  SMBASE: 0x7ef8,
  REVISION: 0x7efc,
  AUTO_HALT_RESTART: 0x7f02,
  CR4: 0x7f14,
  DS: 0x7f2c,
  IDTR: 0x7f50,
  TR: 0x7f5c,
  GDTR: 0x7f6c,
  LDTR: 0x7f78,
  ES: 0x7f84,
  /** The selectors of ES, CS, SS, DS, FS, GS, LDTR and TR. */
  SELECTORS: 0x7fa8,
  DR7: 0x7fc8,
  DR6: 0x7fcc,
  /** EAX, and the others above it in the order of their numbers. */
  EAX: 0x7fd0,
  EIP: 0x7ff0,
  EFLAGS: 0x7ff4,
  CR3: 0x7ff8,
  CR0: 0x7ffc,
} as const;

/** Fields of a segment in SAVE32, from its start. */
export const SAVE32_SEGMENT = { ATTRIBUTES: 0, LIMIT: 4, BASE: 8, BYTES: 12 } as const;
