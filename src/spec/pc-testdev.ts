/** QEMU's pc-testdev, a device for test kernels. [QEMU hw/misc/pc-testdev.c] */

/** Bytes of the register that keeps what is written to it. */
export const TESTDEV_ECHO_SIZE = 4;

/** A byte for each line; writing 0 lowers it, anything else raises it. */
export const TESTDEV_LINES = 24;

/** Bytes of memory that every access reaches as it reaches a device's register. */
export const TESTDEV_MEMORY_SIZE = 0x1_0000;
