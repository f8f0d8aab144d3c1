/*
 * The board as data: what lies where and which wire goes where. Everything else asks here.
 */

/** I/O ports: first port and number of ports. The PICs, the PIT and port 0x61 belong to the VM's own irqchip and PIT. */
export const PORT = {
  I8042_DATA: { first: 0x60, length: 1 },
  I8042_CONTROL: { first: 0x64, length: 1 },
  RTC: { first: 0x70, length: 2 },
  POST: { first: 0x80, length: 1 },
  SYSTEM_CONTROL_A: { first: 0x92, length: 1 },
  TESTDEV_ECHO: { first: 0xe0, length: 4 },
  DEBUG_CONSOLE: { first: 0xe9, length: 1 },
  DEBUG_EXIT: { first: 0xf4, length: 4 },
  COM2: { first: 0x2f8, length: 8 },
  COM1: { first: 0x3f8, length: 8 },
  FIRMWARE_DEBUG: { first: 0x402, length: 1 },
  FW_CFG: { first: 0x510, length: 2 },
  PM1_EVENT: { first: 0x600, length: 4 },
  PM1_CONTROL: { first: 0x604, length: 2 },
  PM_TIMER: { first: 0x608, length: 4 },
  PCI_CONFIG: { first: 0xcf8, length: 8 },
  TESTDEV_LINES: { first: 0x2000, length: 24 },
} as const;

/** The reset control register lies inside the PCI configuration ports, for byte accesses. */
export const RESET_CONTROL_PORT = 0xcf9;

/** ISA interrupts; the global system interrupt has the same number except for the timer's. */
export const IRQ = {
  TIMER: 0,
  KEYBOARD: 1,
  COM2: 3,
  COM1: 4,
  RTC: 8,
  SCI: 9,
  AUX: 12,
} as const;

/** Where interrupt 0 arrives at the I/O APIC, as on every PC with one. */
export const TIMER_GSI = 2;

/** SLP_TYP of soft off. */
export const SLEEP_TYPE_S5 = 5;
export const PM_TIMER_BITS = 32;

/**
 * PCI functions by bus << 8 | device << 3 | function: a bare host bridge, as PCI buses must have one. Its
 * subsystem tells firmware that fw_cfg is worth asking.
 */
export const HOST_BRIDGE = {
  address: 0,
  vendorId: 0x1b36,
  deviceId: 0x0008,
  subsystemVendorId: 0x1af4,
  subsystemId: 0x1100,
} as const;

/** Slots from here on are for devices. */
export const PCI_FIRST_DEVICE = 1;
/** Interrupts of INTA, by slot; both interrupt controllers have them. */
export const PCI_IRQS = [10, 11] as const;
/** Where functions' memory is put, and configuration space for bus 0. */
export const PCI_WINDOW = { address: 0xc000_0000, length: 0x2000_0000 } as const;
export const PCI_ECAM = { address: 0xe000_0000, length: 0x10_0000 } as const;

/** Guest-physical addresses that the engine may use for itself, in the firmware area below 4 GiB. */
export const IDENTITY_MAP_ADDRESS = 0xfffb_c000;
export const TSS_ADDRESS = 0xfffb_d000;

/** The memory of pc-testdev. */
export const TESTDEV_MEMORY_ADDRESS = 0xff00_0000;

/** RAM in bytes: what the board takes. */
export const MEMORY_MINIMUM = 32 * 1024 * 1024;
export const MEMORY_MAXIMUM = 3 * 1024 * 1024 * 1024;

/** vCPUs that the machine runs: all in the one thread that owns the board. */
export const VCPUS_MAXIMUM = 8;
