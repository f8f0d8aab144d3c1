import { create } from "../../base/struct-layout.ts";
import { PNP_ID } from "../../spec/acpi/aml.ts";
import {
  CMOS_CENTURY,
  FADT,
  FADT_FLAGS,
  FADT_MINOR_REVISION,
  FADT_REVISION,
  IAPC_BOOT_ARCH,
  P_LVL2_LAT_NONE,
  P_LVL3_LAT_NONE,
  PM_TMR_LEN,
  PM1_CNT_LEN,
  PM1_EVT_LEN,
} from "../../spec/acpi/fadt.ts";
import type { AcpiDescription } from "./description.ts";
import { finish, ioAddress } from "./table.ts";

/** The Fixed ACPI Description Table: full ACPI hardware with a fixed power button. [ACPI 6.5 5.2.9] */
export function fadt(machine: AcpiDescription, facs: number, dsdt: number): Uint8Array {
  const { pm } = machine;
  const table = create(FADT, {
    FIRMWARE_CTRL: facs,
    DSDT: dsdt,
    X_DSDT: dsdt,
    SCI_INT: pm.sciIrq,
    SMI_CMD: pm.smiCommand?.port ?? 0,
    ACPI_ENABLE: pm.smiCommand?.enable ?? 0,
    ACPI_DISABLE: pm.smiCommand?.disable ?? 0,
    ...registerBlocks(machine),
    P_LVL2_LAT: P_LVL2_LAT_NONE,
    P_LVL3_LAT: P_LVL3_LAT_NONE,
    CENTURY: has(machine, PNP_ID.RTC) ? CMOS_CENTURY : 0,
    IAPC_BOOT_ARCH: bootArchitecture(machine),
    Flags: featureFlags(machine),
    RESET_REG: ioAddress(machine.reset?.port ?? 0, 1),
    RESET_VALUE: machine.reset?.value ?? 0,
    FADT_Minor_Version: FADT_MINOR_REVISION,
  });
  return finish(table.bytes, "FACP", FADT_REVISION);
}

/** The event, control and timer blocks, in the old form and as generic addresses. */
function registerBlocks({ pm }: AcpiDescription) {
  return {
    PM1a_EVT_BLK: pm.eventPort,
    PM1a_CNT_BLK: pm.controlPort,
    PM_TMR_BLK: pm.timerPort,
    PM1_EVT_LEN,
    PM1_CNT_LEN,
    PM_TMR_LEN,
    X_PM1a_EVT_BLK: ioAddress(pm.eventPort, PM1_EVT_LEN),
    X_PM1a_CNT_BLK: ioAddress(pm.controlPort, PM1_CNT_LEN),
    X_PM_TMR_BLK: ioAddress(pm.timerPort, PM_TMR_LEN),
  };
}

function featureFlags(machine: AcpiDescription): number {
  const always = FADT_FLAGS.WBINVD | FADT_FLAGS.PROC_C1 | FADT_FLAGS.SLP_BUTTON | FADT_FLAGS.FIX_RTC;
  const timer = machine.pm.timerBits === 32 ? FADT_FLAGS.TMR_VAL_EXT : 0;
  return always | timer | (machine.reset ? FADT_FLAGS.RESET_REG_SUP : 0);
}

function bootArchitecture(machine: AcpiDescription): number {
  const keyboard = has(machine, PNP_ID.KEYBOARD);
  const legacy = keyboard || has(machine, PNP_ID.UART16550);
  return (
    (legacy ? IAPC_BOOT_ARCH.LEGACY_DEVICES : 0) |
    (keyboard ? IAPC_BOOT_ARCH.HAS_8042 : 0) |
    (machine.vga ? 0 : IAPC_BOOT_ARCH.VGA_NOT_PRESENT) |
    (has(machine, PNP_ID.RTC) ? 0 : IAPC_BOOT_ARCH.CMOS_RTC_NOT_PRESENT)
  );
}

function has(machine: AcpiDescription, hid: string): boolean {
  return machine.devices.some((device) => device.hid === hid);
}
