/** QEMU's firmware configuration device. [QEMU docs/specs/fw_cfg.rst] */

/** Ports from the first: the selector, 16 bits, then the data, 8 bits. */
export const FW_CFG_SELECTOR = 0;
export const FW_CFG_DATA = 1;

/** Keys. */
export const FW_CFG_SIGNATURE = 0x00;
export const FW_CFG_ID = 0x01;
export const FW_CFG_NB_CPUS = 0x05;
export const FW_CFG_MAX_CPUS = 0x0f;
export const FW_CFG_FILE_DIR = 0x19;
export const FW_CFG_FILE_FIRST = 0x20;

export const FW_CFG_SIGNATURE_TEXT = "QEMU";
/** FW_CFG_ID: the traditional interface, without DMA. */
export const FW_CFG_VERSION = 1;

/** The directory: a count, then entries, big-endian. */
export const FW_CFG_DIR_HEADER = 4;
export const FW_CFG_ENTRY = { SIZE: 0, SELECT: 4, NAME: 8, NAME_LENGTH: 56, LENGTH: 64 } as const;

/** What reads as data after the end of an item. */
export const FW_CFG_PAST_END = 0;
