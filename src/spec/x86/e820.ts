import { packed } from "../../base/struct-layout.ts";

/** One range of the system memory map. [ACPI 6.5 15.3, table 15.5] */
export const e820_entry = packed("e820_entry", 20, { addr: "u64", size: "u64", type: "u32" });

/** Address range types. [ACPI 6.5 15, table 15.2] */
export const E820 = { RAM: 1, RESERVED: 2, ACPI: 3, NVS: 4, UNUSABLE: 5 } as const;
