/** The local APIC, xAPIC and x2APIC. [SDM 3A chapter 11] */

export const LAPIC_DEFAULT_BASE = 0xfee00000;
export const LAPIC_SIZE = 0x1000;

/** Register offsets in the xAPIC page; the x2APIC MSR is 0x800 + offset / 16. [SDM 3A table 11-1, table 11-6] */
export const APIC = {
  ID: 0x020,
  VERSION: 0x030,
  TPR: 0x080,
  APR: 0x090,
  PPR: 0x0a0,
  EOI: 0x0b0,
  RRD: 0x0c0,
  LDR: 0x0d0,
  DFR: 0x0e0,
  SVR: 0x0f0,
  ISR: 0x100,
  TMR: 0x180,
  IRR: 0x200,
  ESR: 0x280,
  ICR: 0x300,
  ICR_HIGH: 0x310,
  LVT_TIMER: 0x320,
  LVT_THERMAL: 0x330,
  LVT_PERFORMANCE: 0x340,
  LVT_LINT0: 0x350,
  LVT_LINT1: 0x360,
  LVT_ERROR: 0x370,
  INITIAL_COUNT: 0x380,
  CURRENT_COUNT: 0x390,
  DIVIDE_CONFIG: 0x3e0,
  SELF_IPI: 0x3f0,
} as const;

/** ISR, TMR and IRR are eight 32-bit registers each, 16 bytes apart. */
export const APIC_BITMAP_REGISTERS = 8;

/** Every LVT register, in the order of the page. */
export const LVT_REGISTERS = [
  APIC.LVT_TIMER,
  APIC.LVT_THERMAL,
  APIC.LVT_PERFORMANCE,
  APIC.LVT_LINT0,
  APIC.LVT_LINT1,
  APIC.LVT_ERROR,
] as const;

/** Version register: an integrated APIC; bits 23-16 number of LVT entries less 1. [SDM 3A 11.4.8] */
export const APIC_VERSION = { INTEGRATED: 0x14, MAX_LVT_SHIFT: 16, DIRECTED_EOI: 1 << 24 } as const;

/** xAPIC ID and LDR: the ID in bits 31-24. [SDM 3A 11.4.6] */
export const XAPIC_ID_SHIFT = 24;

/** Message types of ICR, LVT, I/O APIC and MSI alike. [SDM 3A 11.5.1, 11.6.1] */
export const DELIVERY_MODE = {
  FIXED: 0b000,
  LOWEST_PRIORITY: 0b001,
  SMI: 0b010,
  NMI: 0b100,
  INIT: 0b101,
  STARTUP: 0b110,
  EXTINT: 0b111,
} as const;

/** LVT entry. [SDM 3A figure 11-8] */
export const LVT = {
  VECTOR: 0xff,
  DELIVERY_MODE_SHIFT: 8,
  DELIVERY_MODE: 7,
  DELIVERY_STATUS: 1 << 12,
  ACTIVE_LOW: 1 << 13,
  REMOTE_IRR: 1 << 14,
  LEVEL: 1 << 15,
  MASK: 1 << 16,
  TIMER_MODE_SHIFT: 17,
  TIMER_MODE: 3,
} as const;

/** The bits of each LVT register that software writes. [SDM 3A figure 11-8] */
export const LVT_WRITABLE: { readonly [offset: number]: number } = {
  [APIC.LVT_TIMER]: 0x700ff,
  [APIC.LVT_THERMAL]: 0x107ff,
  [APIC.LVT_PERFORMANCE]: 0x107ff,
  [APIC.LVT_LINT0]: 0x1a7ff,
  [APIC.LVT_LINT1]: 0x1a7ff,
  [APIC.LVT_ERROR]: 0x100ff,
};

/** LVT timer, bits 18-17. [SDM 3A 11.5.4] */
export const TIMER_MODE = { ONE_SHOT: 0, PERIODIC: 1, TSC_DEADLINE: 2 } as const;

/** Divide configuration: bits 3, 1 and 0. [SDM 3A figure 11-10] */
export const DIVIDE_CONFIG_WRITABLE = 0xb;

/** Frequency of the timer's clock before the divider, in Hz: KVM's. */
export const APIC_BUS_FREQUENCY = 1_000_000_000;

/** Spurious-interrupt vector register. [SDM 3A figure 11-23] */
export const SVR = {
  VECTOR: 0xff,
  APIC_ENABLED: 1 << 8,
  FOCUS_CHECKING_DISABLED: 1 << 9,
  EOI_BROADCAST_SUPPRESSION: 1 << 12,
} as const;

/** Interrupt command register, low half. [SDM 3A figure 11-12] */
export const ICR = {
  VECTOR: 0xff,
  DELIVERY_MODE_SHIFT: 8,
  DELIVERY_MODE: 7,
  LOGICAL: 1 << 11,
  DELIVERY_STATUS: 1 << 12,
  ASSERT: 1 << 14,
  LEVEL: 1 << 15,
  SHORTHAND_SHIFT: 18,
  SHORTHAND: 3,
} as const;
export const ICR_WRITABLE = 0xccfff;
/** In x2APIC mode a set bit among these is #GP(0). [SDM 3A 11.12.9] */
export const X2APIC_ICR_RESERVED = 0xfff32000;

export const SHORTHAND = { NONE: 0, SELF: 1, ALL: 2, ALL_BUT_SELF: 3 } as const;

/** Error status register. [SDM 3A figure 11-9] */
export const ESR = {
  SEND_ILLEGAL_VECTOR: 1 << 5,
  RECEIVE_ILLEGAL_VECTOR: 1 << 6,
  ILLEGAL_REGISTER_ADDRESS: 1 << 7,
} as const;
/** Vectors below are illegal in messages. [SDM 3A 11.5.2] */
export const FIRST_LEGAL_VECTOR = 16;

/** Destination format register, bits 31-28. [SDM 3A 11.6.2.2] */
export const DFR = { FLAT: 0xffffffff, CLUSTER_MODEL: 0x0, MODEL_SHIFT: 28, FIXED_ONES: 0x0fffffff } as const;

export const BROADCAST = { XAPIC: 0xff, X2APIC: 0xffffffff } as const;

export const IA32_APIC_BASE = 0x1b;
export const IA32_TSC_DEADLINE = 0x6e0;
/** IA32_APIC_BASE, low half. [SDM 3A 11.4.4, 11.12.1] */
export const APIC_BASE = {
  BSP: 1 << 8,
  EXTD: 1 << 10,
  EN: 1 << 11,
  ADDRESS: 0xfffff000,
  RESERVED: 0x2ff,
} as const;

/** The MSRs of x2APIC mode. [SDM 3A table 11-6] */
export const X2APIC_MSR = { FIRST: 0x800, LAST: 0x8ff, OFFSET_SHIFT: 4 } as const;

const bitmap = (first: number): number[] =>
  Array.from({ length: APIC_BITMAP_REGISTERS }, (_, index) => first + index * 16);

/** Registers that read in the xAPIC page. */
export const XAPIC_READABLE: ReadonlySet<number> = new Set([
  APIC.ID,
  APIC.VERSION,
  APIC.TPR,
  APIC.APR,
  APIC.PPR,
  APIC.EOI,
  APIC.RRD,
  APIC.LDR,
  APIC.DFR,
  APIC.SVR,
  ...bitmap(APIC.ISR),
  ...bitmap(APIC.TMR),
  ...bitmap(APIC.IRR),
  APIC.ESR,
  APIC.ICR,
  APIC.ICR_HIGH,
  ...LVT_REGISTERS,
  APIC.INITIAL_COUNT,
  APIC.CURRENT_COUNT,
  APIC.DIVIDE_CONFIG,
]);

/** Registers that RDMSR reads in x2APIC mode; any other is #GP(0). [SDM 3A table 11-6] */
export const X2APIC_READABLE: ReadonlySet<number> = new Set(
  [...XAPIC_READABLE].filter(
    (offset) => ![APIC.APR, APIC.EOI, APIC.RRD, APIC.DFR, APIC.ICR_HIGH].some((absent) => absent === offset),
  ),
);

/** Registers that WRMSR writes in x2APIC mode, each with the bits of EDX:EAX's low half that must be 0. [SDM 3A table 11-6] */
export const X2APIC_WRITE_RESERVED: { readonly [offset: number]: number } = {
  [APIC.TPR]: 0xffffff00,
  [APIC.EOI]: 0xffffffff,
  [APIC.SVR]: 0xffffec00,
  [APIC.ESR]: 0xffffffff,
  [APIC.ICR]: X2APIC_ICR_RESERVED,
  [APIC.LVT_TIMER]: 0xfff8ef00,
  [APIC.LVT_THERMAL]: 0xfffee800,
  [APIC.LVT_PERFORMANCE]: 0xfffee800,
  [APIC.LVT_LINT0]: 0xfffe0800,
  [APIC.LVT_LINT1]: 0xfffe0800,
  [APIC.LVT_ERROR]: 0xfffeef00,
  [APIC.INITIAL_COUNT]: 0,
  [APIC.DIVIDE_CONFIG]: 0xfffffff4,
  [APIC.SELF_IPI]: 0xffffff00,
};
