/** Message signalled interrupts. [SDM 3A 11.11] */

/** Message address: bits 31-20 FEEH, 19-12 destination ID, bit 3 redirection hint, bit 2 destination mode. [SDM 3A 11.11.1] */
export const MSI_ADDRESS = {
  BASE: 0xfee0_0000,
  DESTINATION_SHIFT: 12,
  DESTINATION: 0xff,
  LOGICAL: 1 << 2,
  REDIRECTION_HINT: 1 << 3,
} as const;

/** Message data. [SDM 3A 11.11.2] */
export const MSI_DATA = {
  VECTOR: 0xff,
  DELIVERY_MODE_SHIFT: 8,
  DELIVERY_MODE: 7,
  ASSERT: 1 << 14,
  LEVEL: 1 << 15,
} as const;
