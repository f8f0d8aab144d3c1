import { bytes, packed } from "../../base/struct-layout.ts";

/** "DESCRIPTION_HEADER", the head of every table but RSDP and FACS. [ACPI 6.5 5.2.6] */
export const DESCRIPTION_HEADER = packed("DESCRIPTION_HEADER", 36, {
  Signature: bytes(4),
  Length: "u32",
  Revision: "u8",
  Checksum: "u8",
  OEMID: bytes(6),
  OEMTableID: bytes(8),
  OEMRevision: "u32",
  CreatorID: bytes(4),
  CreatorRevision: "u32",
});

/** Root System Description Pointer; Checksum covers the first 20 bytes, ExtendedChecksum all. [ACPI 6.5 5.2.5.3] */
export const RSDP = packed("RSDP", 36, {
  Signature: bytes(8),
  Checksum: "u8",
  OEMID: bytes(6),
  Revision: "u8",
  RsdtAddress: "u32",
  Length: "u32",
  XsdtAddress: "u64",
  ExtendedChecksum: "u8",
  Reserved: bytes(3),
});
export const RSDP_SIGNATURE = "RSD PTR ";
export const RSDP_V1_LENGTH = 20;
/** The search steps by 16 bytes. [ACPI 6.5 5.2.5.1] */
export const RSDP_ALIGN = 16;

/** Generic Address Structure. [ACPI 6.5 5.2.3.2] */
export const GAS = packed("GAS", 12, {
  AddressSpaceID: "u8",
  RegisterBitWidth: "u8",
  RegisterBitOffset: "u8",
  AccessSize: "u8",
  Address: "u64",
});
export const GAS_SYSTEM_MEMORY = 0;
export const GAS_SYSTEM_IO = 1;

/** Firmware ACPI Control Structure. [ACPI 6.5 5.2.10] */
export const FACS = packed("FACS", 64, {
  Signature: bytes(4),
  Length: "u32",
  HardwareSignature: "u32",
  FirmwareWakingVector: "u32",
  GlobalLock: "u32",
  Flags: "u32",
  XFirmwareWakingVector: "u64",
  Version: "u8",
  Reserved: bytes(31),
});
export const FACS_ALIGN = 64;
export const FACS_VERSION = 2;

/** DSDT revision from which AML integers are 64 bits wide. [ACPI 6.5 5.2.11.1] */
export const DSDT_REVISION = 2;
export const XSDT_REVISION = 1;
export const RSDT_REVISION = 1;
export const RSDP_REVISION = 2;

/** IA-PC High Precision Event Timer table. [HPET 1.0a 3.2.4] */
export const HPET = packed("HPET", 56, {
  Header: DESCRIPTION_HEADER,
  EventTimerBlockID: "u32",
  BaseAddress: GAS,
  HPETNumber: "u8",
  MinimumTick: "u16",
  PageProtection: "u8",
});
export const HPET_REVISION = 1;

/** Memory mapped configuration space: the head, and an allocation. [PCI Firmware 3.2 4.1.2] */
export const MCFG = packed("MCFG", 44, { Header: DESCRIPTION_HEADER, Reserved: bytes(8) });
export const MCFG_ALLOCATION = packed("MCFG_ALLOCATION", 16, {
  BaseAddress: "u64",
  PCISegmentGroup: "u16",
  StartBusNumber: "u8",
  EndBusNumber: "u8",
  Reserved: "u32",
});
export const MCFG_REVISION = 1;
