/** The 16550A UART. [PC16550D data sheet, National Semiconductor, June 1995: section 8 "Registers"; TL16C550C, TI SLLS177I] */

/** Register offsets; those of the divisor latch hold while LCR.DLAB is set. [PC16550D table 1] */
export const UART_RBR = 0;
export const UART_THR = 0;
export const UART_DLL = 0;
export const UART_IER = 1;
export const UART_DLM = 1;
export const UART_IIR = 2;
export const UART_FCR = 2;
export const UART_LCR = 3;
export const UART_MCR = 4;
export const UART_LSR = 5;
export const UART_MSR = 6;
export const UART_SCR = 7;
export const UART_REGISTERS = 8;

/** Interrupt Enable Register. [PC16550D 8.7] */
export const IER_ERBFI = 1 << 0;
export const IER_ETBEI = 1 << 1;
export const IER_ELSI = 1 << 2;
export const IER_EDSSI = 1 << 3;
export const IER_MASK = 0x0f;

/** Interrupt Identification Register: the sources in order of priority. [PC16550D 8.6, table 4] */
export const IIR_NONE = 0x01;
export const IIR_LINE_STATUS = 0x06;
export const IIR_DATA_AVAILABLE = 0x04;
export const IIR_CHARACTER_TIMEOUT = 0x0c;
export const IIR_THR_EMPTY = 0x02;
export const IIR_MODEM_STATUS = 0x00;
export const IIR_FIFOS_ENABLED = 0xc0;

/** FIFO Control Register. [PC16550D 8.5] */
export const FCR_ENABLE = 1 << 0;
export const FCR_CLEAR_RECEIVER = 1 << 1;
export const FCR_CLEAR_TRANSMITTER = 1 << 2;
export const FCR_DMA_MODE = 1 << 3;
export const FCR_TRIGGER_SHIFT = 6;
/** Receiver trigger levels in bytes, by FCR bits 7:6. */
export const FCR_TRIGGER_LEVELS = [1, 4, 8, 14] as const;
export const FIFO_BYTES = 16;

/** Line Control Register. [PC16550D 8.1] */
export const LCR_SET_BREAK = 1 << 6;
export const LCR_DLAB = 1 << 7;

/** Modem Control Register. [PC16550D 8.8] */
export const MCR_DTR = 1 << 0;
export const MCR_RTS = 1 << 1;
export const MCR_OUT1 = 1 << 2;
export const MCR_OUT2 = 1 << 3;
export const MCR_LOOP = 1 << 4;
export const MCR_MASK = 0x1f;

/** Line Status Register. [PC16550D 8.4] */
export const LSR_DR = 1 << 0;
export const LSR_OE = 1 << 1;
export const LSR_PE = 1 << 2;
export const LSR_FE = 1 << 3;
export const LSR_BI = 1 << 4;
export const LSR_THRE = 1 << 5;
export const LSR_TEMT = 1 << 6;
export const LSR_FIFO_ERROR = 1 << 7;
/** What travels with a character through the FIFO. */
export const LSR_CHARACTER_ERRORS = LSR_PE | LSR_FE | LSR_BI;

/** Modem Status Register. [PC16550D 8.9] */
export const MSR_DCTS = 1 << 0;
export const MSR_DDSR = 1 << 1;
export const MSR_TERI = 1 << 2;
export const MSR_DDCD = 1 << 3;
export const MSR_CTS = 1 << 4;
export const MSR_DSR = 1 << 5;
export const MSR_RI = 1 << 6;
export const MSR_DCD = 1 << 7;
export const MSR_DELTAS = 0x0f;
