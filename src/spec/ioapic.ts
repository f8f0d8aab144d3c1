/** The 82093AA I/O APIC. [82093AA data sheet, Intel 290566] */

export const IOAPIC_DEFAULT_BASE = 0xfec00000;
/** The window that an I/O APIC decodes. */
export const IOAPIC_SIZE = 0x100;
export const IOAPIC_PINS = 24;

/** Memory-mapped registers. EOIR exists from version 0x20 on. [82093AA 3.1; ICH9 13.5.1] */
export const IOAPIC_WINDOW = { IOREGSEL: 0x00, IOWIN: 0x10, EOIR: 0x40 } as const;

/** Indirect registers. [82093AA 3.2] */
export const IOAPIC_REG = { ID: 0x00, VER: 0x01, ARB: 0x02, REDTBL: 0x10 } as const;

export const IOAPIC_VERSION = { I82093AA: 0x11, WITH_EOIR: 0x20 } as const;
export const IOAPIC_MAX_ENTRY_SHIFT = 16;
/** The ID has four bits. [82093AA 3.2.1] */
export const IOAPIC_ID = { SHIFT: 24, MASK: 0xf } as const;

/** IOREDTBL, low half. [82093AA 3.2.4] */
export const REDTBL = {
  VECTOR: 0xff,
  DELIVERY_MODE_SHIFT: 8,
  DELIVERY_MODE: 7,
  LOGICAL: 1 << 11,
  DELIVERY_STATUS: 1 << 12,
  ACTIVE_LOW: 1 << 13,
  REMOTE_IRR: 1 << 14,
  LEVEL: 1 << 15,
  MASK: 1 << 16,
} as const;
/** The bits of the low half that software writes: all but delivery status, remote IRR and the reserved ones. */
export const REDTBL_WRITABLE = 0x1afff;
/** IOREDTBL, high half: the destination in bits 31-24 (bits 63-56 of the entry). */
export const REDTBL_DESTINATION_SHIFT = 24;
