/** The 8259A programmable interrupt controller, and how a PC wires two of them. [8259A data sheet, Intel 231468; PIIX4 data sheet 4.2.1] */

/** ICW1: written to A0 = 0 with bit 4 set; starts the initialization sequence. [8259A "Initialization Command Words"] */
export const ICW1 = {
  IC4: 1 << 0,
  SNGL: 1 << 1,
  /** Without effect in a PC chip set: the ELCR took its place. [PIIX4 4.2.1] */
  LTIM: 1 << 3,
  ICW1: 1 << 4,
} as const;

/** ICW2: bits 7-3 of the vector. */
export const ICW2_VECTOR_MASK = 0xf8;

export const ICW4 = {
  UPM: 1 << 0,
  AEOI: 1 << 1,
  SFNM: 1 << 4,
} as const;

/** OCW2, bits 7-5 (R, SL, EOI). [8259A "Operation Command Words"] */
export const OCW2 = {
  ROTATE_IN_AEOI_CLEAR: 0b000,
  NON_SPECIFIC_EOI: 0b001,
  NO_OPERATION: 0b010,
  SPECIFIC_EOI: 0b011,
  ROTATE_IN_AEOI_SET: 0b100,
  ROTATE_ON_NON_SPECIFIC_EOI: 0b101,
  SET_PRIORITY: 0b110,
  ROTATE_ON_SPECIFIC_EOI: 0b111,
} as const;
export const OCW2_COMMAND_SHIFT = 5;

/** OCW3: written to A0 = 0 with bit 3 set and bit 4 clear. */
export const OCW3 = {
  RIS: 1 << 0,
  RR: 1 << 1,
  P: 1 << 2,
  OCW3: 1 << 3,
  SMM: 1 << 5,
  ESMM: 1 << 6,
} as const;

/** The byte read after a poll command: this bit says that there was a request, bits 2-0 which. */
export const POLL_REQUEST = 0x80;

/** An acknowledge that finds no request gives this pin. [8259A "Interrupt Request (IR) inputs"] */
export const SPURIOUS_PIN = 7;

/** The master's pin that takes the slave's INT. */
export const CASCADE_PIN = 2;

export const PIC_PORT = {
  MASTER_COMMAND: 0x20,
  MASTER_DATA: 0x21,
  SLAVE_COMMAND: 0xa0,
  SLAVE_DATA: 0xa1,
  ELCR1: 0x4d0,
  ELCR2: 0x4d1,
} as const;

/** The ELCR bits that can be set: IRQ 0, 1, 2, 8 and 13 are always edge triggered. [PIIX4 4.2.5.7] */
export const ELCR_MASK = { MASTER: 0xf8, SLAVE: 0xde } as const;
