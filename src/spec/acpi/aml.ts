/** AML encoding values. [ACPI 6.5 20.3, table 20.1] */
export const AML = {
  ZeroOp: 0x00,
  OneOp: 0x01,
  NameOp: 0x08,
  BytePrefix: 0x0a,
  WordPrefix: 0x0b,
  DWordPrefix: 0x0c,
  StringPrefix: 0x0d,
  QWordPrefix: 0x0e,
  ScopeOp: 0x10,
  BufferOp: 0x11,
  PackageOp: 0x12,
  DualNamePrefix: 0x2e,
  MultiNamePrefix: 0x2f,
  ExtOpPrefix: 0x5b,
  DeviceOp: 0x82,
  RootChar: 0x5c,
  ParentPrefixChar: 0x5e,
} as const;

/** First bytes of resource descriptors: the tag with, in the small ones, the length. [ACPI 6.5 6.4.2, 6.4.3] */
export const RESOURCE = {
  /** IRQ without the flags byte: edge, active high, exclusive. [ACPI 6.5 6.4.2.1] */
  IRQ_NO_FLAGS: 0x22,
  /** [ACPI 6.5 6.4.2.5] */
  IO_PORT: 0x47,
  /** [ACPI 6.5 6.4.2.9] */
  END_TAG: 0x79,
  /** [ACPI 6.5 6.4.3.4] */
  MEMORY32_FIXED: 0x86,
  /** [ACPI 6.5 6.4.3.5.2, 6.4.3.5.3] */
  DWORD_ADDRESS_SPACE: 0x87,
  WORD_ADDRESS_SPACE: 0x88,
} as const;
export const IO_DECODE_16 = 1;
export const MEMORY_READ_WRITE = 1;
/** Bytes of a fixed 32-bit memory descriptor after its length. [ACPI 6.5 6.4.3.4] */
export const MEMORY32_FIXED_LENGTH = 9;

/** Address space descriptors: resource types, and flags. [ACPI 6.5 6.4.3.5, tables 6.42 to 6.44] */
export const ADDRESS_SPACE = {
  MEMORY: 0,
  IO: 1,
  BUS: 2,
  MIN_AND_MAX_FIXED: 0x0c,
  READ_WRITE: 1,
  ENTIRE_RANGE: 3,
} as const;

/** Plug and Play IDs of the PC's fixed devices. [ACPI 6.5 5.6.7; PNP ID list of the UEFI Forum] */
export const PNP_ID = {
  RTC: "PNP0B00",
  HPET: "PNP0103",
  KEYBOARD: "PNP0303",
  MOUSE: "PNP0F13",
  UART16550: "PNP0501",
  PCI_HOST: "PNP0A03",
  MOTHERBOARD: "PNP0C02",
  PROCESSOR: "ACPI0007",
} as const;
