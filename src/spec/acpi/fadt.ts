import { bytes, packed } from "../../base/struct-layout.ts";
import { DESCRIPTION_HEADER, GAS } from "./table.ts";

/** Fixed ACPI Description Table. [ACPI 6.5 5.2.9, table 5.9] */
export const FADT = packed("FADT", 276, {
  Header: DESCRIPTION_HEADER,
  FIRMWARE_CTRL: "u32",
  DSDT: "u32",
  Reserved: "u8",
  Preferred_PM_Profile: "u8",
  SCI_INT: "u16",
  SMI_CMD: "u32",
  ACPI_ENABLE: "u8",
  ACPI_DISABLE: "u8",
  S4BIOS_REQ: "u8",
  PSTATE_CNT: "u8",
  PM1a_EVT_BLK: "u32",
  PM1b_EVT_BLK: "u32",
  PM1a_CNT_BLK: "u32",
  PM1b_CNT_BLK: "u32",
  PM2_CNT_BLK: "u32",
  PM_TMR_BLK: "u32",
  GPE0_BLK: "u32",
  GPE1_BLK: "u32",
  PM1_EVT_LEN: "u8",
  PM1_CNT_LEN: "u8",
  PM2_CNT_LEN: "u8",
  PM_TMR_LEN: "u8",
  GPE0_BLK_LEN: "u8",
  GPE1_BLK_LEN: "u8",
  GPE1_BASE: "u8",
  CST_CNT: "u8",
  P_LVL2_LAT: "u16",
  P_LVL3_LAT: "u16",
  FLUSH_SIZE: "u16",
  FLUSH_STRIDE: "u16",
  DUTY_OFFSET: "u8",
  DUTY_WIDTH: "u8",
  DAY_ALRM: "u8",
  MON_ALRM: "u8",
  CENTURY: "u8",
  IAPC_BOOT_ARCH: "u16",
  Reserved2: "u8",
  Flags: "u32",
  RESET_REG: GAS,
  RESET_VALUE: "u8",
  ARM_BOOT_ARCH: "u16",
  FADT_Minor_Version: "u8",
  X_FIRMWARE_CTRL: "u64",
  X_DSDT: "u64",
  X_PM1a_EVT_BLK: GAS,
  X_PM1b_EVT_BLK: GAS,
  X_PM1a_CNT_BLK: GAS,
  X_PM1b_CNT_BLK: GAS,
  X_PM2_CNT_BLK: GAS,
  X_PM_TMR_BLK: GAS,
  X_GPE0_BLK: GAS,
  X_GPE1_BLK: GAS,
  SLEEP_CONTROL_REG: GAS,
  SLEEP_STATUS_REG: GAS,
  Hypervisor_Vendor_Identity: bytes(8),
});
export const FADT_REVISION = 6;
export const FADT_MINOR_REVISION = 5;

/** Index of the century in CMOS RAM, as PCs have it. [ACPI 6.5 5.2.9, "CENTURY"] */
export const CMOS_CENTURY = 0x32;

/** Lengths of the fixed register blocks in bytes. [ACPI 6.5 4.8.3] */
export const PM1_EVT_LEN = 4;
export const PM1_CNT_LEN = 2;
export const PM_TMR_LEN = 4;

/** A latency above these says that C2 or C3 is not supported, in µs. [ACPI 6.5 5.2.9, table 5.9] */
export const P_LVL2_LAT_NONE = 101;
export const P_LVL3_LAT_NONE = 1001;

/** Fixed feature flags. [ACPI 6.5 5.2.9, table 5.10] */
export const FADT_FLAGS = {
  WBINVD: 1 << 0,
  PROC_C1: 1 << 2,
  /** Set: there is no fixed power button. */
  PWR_BUTTON: 1 << 4,
  /** Set: there is no fixed sleep button. */
  SLP_BUTTON: 1 << 5,
  /** Set: RTC wake status is not in the fixed registers. */
  FIX_RTC: 1 << 6,
  /** The PM timer has 32 bits, not 24. */
  TMR_VAL_EXT: 1 << 8,
  RESET_REG_SUP: 1 << 10,
  FORCE_APIC_PHYSICAL_DESTINATION_MODE: 1 << 19,
} as const;

/** IA-PC boot architecture flags. [ACPI 6.5 5.2.9.3, table 5.11] */
export const IAPC_BOOT_ARCH = {
  LEGACY_DEVICES: 1 << 0,
  HAS_8042: 1 << 1,
  VGA_NOT_PRESENT: 1 << 2,
  CMOS_RTC_NOT_PRESENT: 1 << 5,
} as const;
