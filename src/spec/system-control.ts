/** Ports of a PC through which software resets, ends or reports. */

/** System control port A, port 0x92. [IBM PS/2 Hardware Interface Technical Reference, "System Control Port A"] */
export const PORT_A_FAST_RESET = 1 << 0;
export const PORT_A_A20 = 1 << 1;

/** Reset control register, port 0xcf9. [Intel ICH9 data sheet 13.7.5 "RST_CNT"] */
export const RST_CNT_SYS_RST = 1 << 1;
export const RST_CNT_RST_CPU = 1 << 2;
export const RST_CNT_FULL_RST = 1 << 3;
export const RST_CNT_MASK = RST_CNT_SYS_RST | RST_CNT_RST_CPU | RST_CNT_FULL_RST;

/** What the debug console port reads as where there is one. [Bochs "port E9 hack"] */
export const DEBUGCON_PRESENT = 0xe9;
