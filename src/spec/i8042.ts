/** The 8042 keyboard controller of a PC/AT. [IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller"] */

/** Status register (read of the command port). */
export const STATUS_OBF = 1 << 0;
export const STATUS_IBF = 1 << 1;
export const STATUS_SYSTEM_FLAG = 1 << 2;
/** The last write went to the command port. */
export const STATUS_COMMAND = 1 << 3;
/** The keyboard is not locked. */
export const STATUS_NOT_INHIBITED = 1 << 4;
/** The byte in the output buffer is from the auxiliary device. */
export const STATUS_AUX_OBF = 1 << 5;
/** The device did not answer in time. */
export const STATUS_TIMEOUT = 1 << 6;
export const STATUS_PARITY = 1 << 7;

/** Controller command byte. */
export const CCB_KBD_INTERRUPT = 1 << 0;
export const CCB_AUX_INTERRUPT = 1 << 1;
export const CCB_SYSTEM_FLAG = 1 << 2;
export const CCB_KBD_DISABLE = 1 << 4;
export const CCB_AUX_DISABLE = 1 << 5;
export const CCB_TRANSLATE = 1 << 6;

/** Commands (writes to the command port). */
export const CMD_READ_RAM = 0x20; // to 0x3f; address in bits 4:0, 0 is the command byte
export const CMD_WRITE_RAM = 0x60; // to 0x7f
export const CMD_AUX_DISABLE = 0xa7;
export const CMD_AUX_ENABLE = 0xa8;
export const CMD_AUX_TEST = 0xa9;
export const CMD_SELF_TEST = 0xaa;
export const CMD_KBD_TEST = 0xab;
export const CMD_KBD_DISABLE = 0xad;
export const CMD_KBD_ENABLE = 0xae;
export const CMD_READ_INPUT_PORT = 0xc0;
export const CMD_READ_OUTPUT_PORT = 0xd0;
export const CMD_WRITE_OUTPUT_PORT = 0xd1;
export const CMD_WRITE_KBD_OUTPUT = 0xd2;
export const CMD_WRITE_AUX_OUTPUT = 0xd3;
export const CMD_WRITE_AUX = 0xd4;
export const CMD_A20_DISABLE = 0xdd;
export const CMD_A20_ENABLE = 0xdf;
export const CMD_READ_TEST_INPUTS = 0xe0;
export const CMD_PULSE_OUTPUT = 0xf0; // to 0xff; a clear bit of 3:0 pulls that line low for 6 us

export const SELF_TEST_PASSED = 0x55;
export const INTERFACE_TEST_PASSED = 0x00;
/** What the controller puts in the output buffer for a device that does not answer. */
export const REPLY_RESEND = 0xfe;

/** Input port: the keyboard is not locked (bit 7). */
export const INPUT_PORT_NOT_LOCKED = 1 << 7;

/** Output port. */
export const OUTPUT_NOT_RESET = 1 << 0;
export const OUTPUT_A20 = 1 << 1;
export const OUTPUT_KBD_INTERRUPT = 1 << 4;
export const OUTPUT_AUX_INTERRUPT = 1 << 5;

export const I8042_RAM_BYTES = 32;
