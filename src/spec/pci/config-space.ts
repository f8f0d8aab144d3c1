/** The configuration space of a PCI function: [PCI 3.0] = PCI Local Bus Specification 3.0, [PCIe 5.0] = PCI Express Base. */

/** Offsets in a type 0 header. [PCI 3.0 figure 6-1] */
export const PCI_HEADER = {
  VENDOR_ID: 0x00,
  DEVICE_ID: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION_ID: 0x08,
  CLASS_PROG: 0x09,
  CLASS_DEVICE: 0x0a,
  BASE_ADDRESS_0: 0x10,
  SUBSYSTEM_VENDOR_ID: 0x2c,
  SUBSYSTEM_ID: 0x2e,
  CAPABILITY_LIST: 0x34,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
} as const;

/** Base class, sub-class and programming interface of what there is. [PCI 3.0 appendix D] */
export const PCI_CLASS = { SCSI: 0x010000, ETHERNET: 0x020000, COMMUNICATION: 0x078000, OTHER: 0xff0000 } as const;

/** Bits of COMMAND. [PCI 3.0 6.2.2] */
export const PCI_COMMAND = { IO: 1, MEMORY: 2, MASTER: 4, INTX_DISABLE: 0x400 } as const;
/** The bits of COMMAND that a function without I/O ports implements. */
export const PCI_COMMAND_WRITABLE = PCI_COMMAND.MEMORY | PCI_COMMAND.MASTER | PCI_COMMAND.INTX_DISABLE;
/** Bits of STATUS. [PCI 3.0 6.2.3] */
export const PCI_STATUS = { INTERRUPT: 0x08, CAP_LIST: 0x10 } as const;

/** Low bits of a memory base address register. [PCI 3.0 6.2.5.1] */
export const PCI_BAR = { MEM_TYPE_64: 0x04, MEM_PREFETCH: 0x08, FLAGS: 0x0f } as const;

/** Where a function's own capabilities may begin, and the capability IDs in use. [PCI 3.0 appendix H] */
export const PCI_CAPABILITIES_START = 0x40;
export const PCI_CAP_ID = { VENDOR: 0x09, MSIX: 0x11 } as const;

/** MSI-X capability: offsets, and bits of Message Control. [PCI 3.0 6.8.2] */
export const MSIX = {
  CONTROL: 2,
  TABLE: 4,
  PBA: 8,
  LENGTH: 12,
  CONTROL_SIZE: 0x07ff,
  CONTROL_MASKALL: 0x4000,
  CONTROL_ENABLE: 0x8000,
  /** A table entry's dwords: address low, address high, data, vector control. */
  ENTRY_BYTES: 16,
  ENTRY_CONTROL: 3,
  ENTRY_MASKED: 1,
} as const;

/** Bytes of configuration space that a function has with ECAM. [PCIe 5.0 7.2.2] */
export const ECAM_FUNCTION_BYTES = 4096;
