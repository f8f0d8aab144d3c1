import { packed } from "../../base/struct-layout.ts";
import { DESCRIPTION_HEADER } from "./table.ts";

/** Multiple APIC Description Table ("APIC"); interrupt controller structures follow. [ACPI 6.5 5.2.12] */
export const MADT = packed("MADT", 44, {
  Header: DESCRIPTION_HEADER,
  LocalInterruptControllerAddress: "u32",
  Flags: "u32",
});
export const MADT_REVISION = 6;
/** There is a PC-AT compatible dual-8259 setup. [ACPI 6.5 5.2.12, table 5.20] */
export const PCAT_COMPAT = 1;

/** [ACPI 6.5 5.2.12.2] */
export const PROCESSOR_LOCAL_APIC = packed("Processor Local APIC", 8, {
  Type: "u8",
  Length: "u8",
  ACPIProcessorUID: "u8",
  APICID: "u8",
  Flags: "u32",
});
/** [ACPI 6.5 5.2.12.12] */
export const PROCESSOR_LOCAL_X2APIC = packed("Processor Local x2APIC", 16, {
  Type: "u8",
  Length: "u8",
  Reserved: "u16",
  X2APICID: "u32",
  Flags: "u32",
  ACPIProcessorUID: "u32",
});
/** The first APIC ID that needs the x2APIC structure; 255 is broadcast. [ACPI 6.5 5.2.12.12] */
export const FIRST_X2APIC_ID = 255;
export const PROCESSOR_ENABLED = 1;

/** [ACPI 6.5 5.2.12.3] */
export const IO_APIC = packed("I/O APIC", 12, {
  Type: "u8",
  Length: "u8",
  IOAPICID: "u8",
  Reserved: "u8",
  IOAPICAddress: "u32",
  GlobalSystemInterruptBase: "u32",
});

/** [ACPI 6.5 5.2.12.5] */
export const INTERRUPT_SOURCE_OVERRIDE = packed("Interrupt Source Override", 10, {
  Type: "u8",
  Length: "u8",
  Bus: "u8",
  Source: "u8",
  GlobalSystemInterrupt: "u32",
  Flags: "u16",
});

/** [ACPI 6.5 5.2.12.7] */
export const LOCAL_APIC_NMI = packed("Local APIC NMI", 6, {
  Type: "u8",
  Length: "u8",
  ACPIProcessorUID: "u8",
  Flags: "u16",
  LINT: "u8",
});
export const ALL_PROCESSORS = 0xff;

/** Structure types. [ACPI 6.5 5.2.12, table 5.21] */
export const MADT_TYPE = {
  PROCESSOR_LOCAL_APIC: 0,
  IO_APIC: 1,
  INTERRUPT_SOURCE_OVERRIDE: 2,
  LOCAL_APIC_NMI: 4,
  PROCESSOR_LOCAL_X2APIC: 9,
} as const;

/** MPS INTI flags; 0 conforms to the bus (ISA: edge, active high). [ACPI 6.5 5.2.12.5, table 5.26] */
export const MPS_INTI = { ACTIVE_HIGH: 1, ACTIVE_LOW: 3, EDGE: 1 << 2, LEVEL: 3 << 2 } as const;
