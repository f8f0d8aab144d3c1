/** The MC146818 real-time clock and its RAM. [MC146818 data sheet, Motorola ADI-856; PC/AT Technical Reference, "Real-Time Clock/CMOS RAM"] */

/** Ports of the chip on a PC, as offsets: the index (bit 7 masks NMI) and the data. */
export const RTC_INDEX = 0;
export const RTC_DATA = 1;
export const RTC_PORTS = 2;
export const RTC_INDEX_MASK = 0x7f;

/** Addresses of the chip. [MC146818 figure 15] */
export const RTC_SECONDS = 0x00;
export const RTC_SECONDS_ALARM = 0x01;
export const RTC_MINUTES = 0x02;
export const RTC_MINUTES_ALARM = 0x03;
export const RTC_HOURS = 0x04;
export const RTC_HOURS_ALARM = 0x05;
export const RTC_DAY_OF_WEEK = 0x06;
export const RTC_DAY_OF_MONTH = 0x07;
export const RTC_MONTH = 0x08;
export const RTC_YEAR = 0x09;
export const RTC_A = 0x0a;
export const RTC_B = 0x0b;
export const RTC_C = 0x0c;
export const RTC_D = 0x0d;
/** Where a PC keeps the century, and what the FADT's CENTURY field names. */
export const RTC_CENTURY = 0x32;
export const RTC_BYTES = 128;

/** An alarm byte with both top bits set matches every value. [MC146818 "Alarm locations"] */
export const RTC_ALARM_ANY = 0xc0;
/** The hours byte's PM flag in 12-hour mode. */
export const RTC_PM = 0x80;

/** Register A. */
export const A_RS = 0x0f;
export const A_DV = 0x70;
/** The divider chain runs from a 32.768 kHz crystal. */
export const A_DV_32768HZ = 0x20;
/** Both top bits of DV: the divider chain is held in reset. */
export const A_DV_RESET = 0x60;
export const A_UIP = 1 << 7;

/** Register B. */
export const B_DSE = 1 << 0;
export const B_24H = 1 << 1;
export const B_DM_BINARY = 1 << 2;
export const B_SQWE = 1 << 3;
export const B_UIE = 1 << 4;
export const B_AIE = 1 << 5;
export const B_PIE = 1 << 6;
export const B_SET = 1 << 7;

/** Register C; UF, AF and PF stand where their enables stand in register B. */
export const C_UF = 1 << 4;
export const C_AF = 1 << 5;
export const C_PF = 1 << 6;
export const C_IRQF = 1 << 7;

/** Register D: the RAM and the time are valid. */
export const D_VRT = 1 << 7;

/** UIP rises this long before an update begins, and an update takes this long with a 32.768 kHz crystal. [MC146818 table 5] */
export const RTC_UIP_LEAD_MS = 0.244;
export const RTC_UPDATE_MS = 1.984;
/** From the release of the divider chain to the first update. [MC146818 "DV2, DV1, DV0"] */
export const RTC_DIVIDER_RELEASE_MS = 500;
export const RTC_CRYSTAL_HZ = 32768;

/** Bytes of a PC's CMOS RAM that tell the memory size, as [low, high]. */
export const CMOS_BASE_MEMORY_KB = [0x15, 0x16] as const;
export const CMOS_EXTENDED_MEMORY_KB = [0x17, 0x18] as const;
export const CMOS_EXTENDED_MEMORY_KB_FOUND = [0x30, 0x31] as const;
/** Memory above 16 MiB and below 4 GiB in units of 64 KiB. */
export const CMOS_MEMORY_ABOVE_16M = [0x34, 0x35] as const;
/** Memory above 4 GiB in units of 64 KiB: low, middle, high. */
export const CMOS_MEMORY_ABOVE_4G = [0x5b, 0x5c, 0x5d] as const;
