/** The 8254 programmable interval timer and a PC's use of it. [82C54 data sheet, Intel 231244] */

/** Frequency of CLK in Hz: 14.31818 MHz / 12. */
export const PIT_FREQUENCY = 1193182;

export const PIT_PORT = { COUNTER0: 0x40, COUNTER1: 0x41, COUNTER2: 0x42, CONTROL: 0x43, SPEAKER: 0x61 } as const;

/** Control word, bits 7-6: the counter, or the read-back command. [82C54 figure 7] */
export const READ_BACK = 3;
/** Control word, bits 5-4: how the 16 bits are read and written. */
export const RW = { COUNTER_LATCH: 0, LSB: 1, MSB: 2, LSB_MSB: 3 } as const;

/** The six modes. M2 is "don't care" in modes 2 and 3. [82C54 "Mode definitions"] */
export const MODE = {
  INTERRUPT_ON_TERMINAL_COUNT: 0,
  HARDWARE_ONE_SHOT: 1,
  RATE_GENERATOR: 2,
  SQUARE_WAVE: 3,
  SOFTWARE_STROBE: 4,
  HARDWARE_STROBE: 5,
} as const;

/** Read-back command: a clear bit asks for the thing. [82C54 figure 11] */
export const READ_BACK_COMMAND = { NOT_STATUS: 1 << 4, NOT_COUNT: 1 << 5 } as const;

/** Status byte. [82C54 figure 12] */
export const STATUS = { NULL_COUNT: 1 << 6, OUTPUT: 1 << 7 } as const;

/** Port 0x61, NMI status and control. [PIIX4 4.2.3.1] */
export const SPEAKER = {
  TIMER2_GATE: 1 << 0,
  DATA_ENABLE: 1 << 1,
  REFRESH_TOGGLE: 1 << 4,
  TIMER2_OUT: 1 << 5,
} as const;

/** The refresh bit of port 0x61 toggles every 2^14 ns: the nearest power of two to 15.085 us. */
export const REFRESH_SHIFT = 14;
