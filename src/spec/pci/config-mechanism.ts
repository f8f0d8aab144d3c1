/** PCI configuration space and the way to it on a PC. [PCI 3.0 3.2.2.3.2, 6.1, 6.2] */

/** Configuration mechanism #1: offsets from port 0xcf8. */
export const CONFIG_ADDRESS = 0;
export const CONFIG_DATA = 4;
export const CONFIG_PORTS = 8;

/** CONFIG_ADDRESS. [PCI 3.0 figure 3-2] */
export const CONFIG_ADDRESS_ENABLE = 0x8000_0000;
/** Bits that hold: enable, bus, device, function, register; the others read as zero. */
export const CONFIG_ADDRESS_MASK = 0x80ff_fffc;

/** Offsets in the header of a function. [PCI 3.0 figure 6-1] */
export const PCI_VENDOR_ID = 0x00;
export const PCI_DEVICE_ID = 0x02;
export const PCI_CLASS_DEVICE = 0x0a;
export const PCI_CONFIG_BYTES = 256;

/** Base class and sub-class: host bridge. [PCI 3.0 appendix D.7] */
export const PCI_CLASS_BRIDGE_HOST = 0x0600;
