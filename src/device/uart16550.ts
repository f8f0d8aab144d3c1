import { type CharBackend, NO_INPUT } from "../backend/chardev/chardev.ts";
import { checkVersion, copyState, type Device } from "../bus/device.ts";
import { Fifo } from "../bus/fifo.ts";
import type { InterruptLine } from "../bus/interrupt-line.ts";
import type { RegisterBlock } from "../bus/register-block.ts";
import * as spec from "../spec/uart16550.ts";

const VERSION = 1;

/** Reads of LSR, one after the other, that make a guest that waits for a character; probing drivers do up to 3. */
const POLLS = 8;

export interface Uart16550State {
  readonly version: number;
  ier: number;
  /** FCR bits that hold: enable and trigger. */
  fcr: number;
  lcr: number;
  mcr: number;
  /** OE alone; the other bits of LSR follow from the FIFO. */
  overrun: boolean;
  msr: number;
  scr: number;
  /** DLM:DLL */
  divisor: number;
  /** The THR-empty source of interrupts, until IIR is read or THR written. */
  thrEmptyPending: boolean;
  /** Reads of LSR since any other access, up to POLLS. */
  statusReads: number;
  /** Received characters, oldest first: the byte, and above it its LSR error bits. */
  receiver: number[];
}

const RESET_STATE: Uart16550State = {
  version: VERSION,
  ier: 0,
  fcr: 0,
  lcr: 0,
  mcr: 0,
  overrun: false,
  msr: 0,
  scr: 0,
  divisor: 12,
  thrEmptyPending: false,
  statusReads: 0,
  receiver: [],
};

/** Modem inputs of a cable whose other end is ready. */
const CONNECTED = spec.MSR_CTS | spec.MSR_DSR | spec.MSR_DCD;

/**
 * A 16550A UART. [PC16550D 8.0] Characters take no time on the wire: what is written to THR is gone at once, so the
 * transmitter is always empty, and four character times (the receiver's timeout) are over at once. Input is taken only
 * while the guest listens, so that what is typed or piped in before its driver is ready is not lost.
 */
export class Uart16550 implements Device<Uart16550State>, RegisterBlock {
  // config
  readonly name: string;
  readonly width = 1;
  // glue
  private readonly backend: CharBackend;
  private readonly interrupt: InterruptLine;
  // state
  private readonly receiver = new Fifo(spec.FIFO_BYTES);
  private state = copyState(RESET_STATE) as Omit<Uart16550State, "receiver">;

  constructor(name: string, glue: { backend: CharBackend; interrupt: InterruptLine }) {
    this.name = name;
    this.backend = glue.backend;
    this.interrupt = glue.interrupt;
    this.reset();
  }

  /** Master reset. SCR and the divisor keep no defined value. [PC16550D table 2] */
  reset(): void {
    this.restore({ ...RESET_STATE, msr: CONNECTED });
  }

  snapshot(): Uart16550State {
    return { ...this.state, receiver: this.receiver.toArray() };
  }

  restore(state: Uart16550State): void {
    checkVersion(this.name, state, VERSION);
    const { receiver, ...registers } = copyState(state);
    this.state = registers;
    this.receiver.fill(receiver);
    this.updateInterrupt();
  }

  /** Takes input from the backend while there is room for it. Call it when input may have come. */
  poll(): void {
    if (this.takeInput()) this.updateInterrupt();
  }

  read(offset: number): number {
    this.countStatusRead(offset === spec.UART_LSR);
    const value = this.readRegister(offset);
    this.updateInterrupt();
    return value;
  }

  write(offset: number, _size: number, value: number): void {
    this.countStatusRead(false);
    this.writeRegister(offset, value & 0xff);
    this.updateInterrupt();
  }

  private readRegister(offset: number): number {
    const state = this.state;
    switch (offset) {
      case spec.UART_RBR:
        return this.latchAccess ? state.divisor & 0xff : this.takeCharacter();
      case spec.UART_IER:
        return this.latchAccess ? state.divisor >> 8 : state.ier;
      case spec.UART_IIR:
        return this.readIir();
      case spec.UART_LCR:
        return state.lcr;
      case spec.UART_MCR:
        return state.mcr;
      case spec.UART_LSR:
        return this.readLsr();
      case spec.UART_MSR:
        return this.readMsr();
      default:
        return state.scr;
    }
  }

  private writeRegister(offset: number, value: number): void {
    const state = this.state;
    switch (offset) {
      case spec.UART_THR:
        if (this.latchAccess) state.divisor = (state.divisor & 0xff00) | value;
        else this.transmit(value);
        break;
      case spec.UART_IER:
        if (this.latchAccess) state.divisor = (value << 8) | (state.divisor & 0xff);
        else this.writeIer(value & spec.IER_MASK);
        break;
      case spec.UART_FCR:
        this.writeFcr(value);
        break;
      case spec.UART_LCR:
        this.writeLcr(value);
        break;
      case spec.UART_MCR:
        this.writeMcr(value & spec.MCR_MASK);
        break;
      case spec.UART_SCR:
        state.scr = value;
        break;
    }
  }

  private get latchAccess(): boolean {
    return (this.state.lcr & spec.LCR_DLAB) !== 0;
  }

  private get loop(): boolean {
    return (this.state.mcr & spec.MCR_LOOP) !== 0;
  }

  private get fifoEnabled(): boolean {
    return (this.state.fcr & spec.FCR_ENABLE) !== 0;
  }

  // The receiver

  /** Characters the receiver holds: a FIFO's, or the one of RBR in 16450 mode. */
  private get receiverSize(): number {
    return this.fifoEnabled ? spec.FIFO_BYTES : 1;
  }

  private takeInput(): boolean {
    if (!this.listens) return false;
    const before = this.receiver.length;
    while (this.receiver.length < this.receiverSize) {
      const byte = this.backend.read();
      if (byte === NO_INPUT) break;
      this.receiver.push(byte);
    }
    return this.receiver.length !== before;
  }

  /** A character from the transmitter in loop mode. Overrun loses the new one in FIFO mode, else the one in RBR. [PC16550D 8.4] */
  private receiveLoop(character: number): void {
    if (this.receiver.length >= this.receiverSize) {
      this.state.overrun = true;
      if (this.fifoEnabled) return;
      this.receiver.clear();
    }
    this.receiver.push(character);
  }

  /**
   * Characters wait outside until the guest surely reads them: it takes receive interrupts (OUT2 connects them in a PC), or
   * polls LSR again and again. A driver that probes the chip writes ones to IER, reads LSR and RBR once and clears the FIFO,
   * which would lose what was typed ahead.
   */
  private get listens(): boolean {
    if (this.loop) return false;
    const interrupts = (this.state.ier & spec.IER_ERBFI) !== 0 && (this.state.mcr & spec.MCR_OUT2) !== 0;
    return interrupts || this.state.statusReads >= POLLS;
  }

  /** A driver that has just begun to listen may still turn the FIFOs on, and that clears RBR; the next poll serves 16450 mode. */
  private takeIntoFifo(): void {
    if (this.fifoEnabled) this.takeInput();
  }

  private countStatusRead(ofStatus: boolean): void {
    this.state.statusReads = ofStatus ? Math.min(this.state.statusReads + 1, POLLS) : 0;
    if (ofStatus) this.takeInput();
  }

  private takeCharacter(): number {
    const character = this.receiver.shift() & 0xff;
    this.takeInput();
    return character;
  }

  /** Reading LSR clears OE and the errors of the character at the top of the FIFO. [PC16550D 8.4] */
  private readLsr(): number {
    const lsr = this.lsr;
    this.state.overrun = false;
    if ((lsr & spec.LSR_CHARACTER_ERRORS) !== 0) this.receiver.maskOldest(0xff);
    return lsr;
  }

  private get lsr(): number {
    let lsr = spec.LSR_THRE | spec.LSR_TEMT | (this.receiver.at(0) >> 8);
    if (this.receiver.length > 0) lsr |= spec.LSR_DR;
    if (this.state.overrun) lsr |= spec.LSR_OE;
    if (this.fifoEnabled && this.errorInFifo()) lsr |= spec.LSR_FIFO_ERROR;
    return lsr;
  }

  private errorInFifo(): boolean {
    for (let index = 0; index < this.receiver.length; index++) if (this.receiver.at(index) > 0xff) return true;
    return false;
  }

  // The transmitter

  private transmit(byte: number): void {
    this.state.thrEmptyPending = true;
    if (this.loop) this.receiveLoop(byte);
    else this.backend.write(byte);
  }

  // Control

  /** Enabling ETBEI while THR is empty raises the interrupt. [PC16550D 8.6, TL16C550C "IIR"] */
  private writeIer(value: number): void {
    const enabled = value & ~this.state.ier;
    this.state.ier = value;
    if ((enabled & spec.IER_ETBEI) !== 0) this.state.thrEmptyPending = true;
    this.takeIntoFifo();
  }

  /** The other bits take effect only with FCR0 written as 1; changing FCR0 clears the FIFOs. [PC16550D 8.5] */
  private writeFcr(value: number): void {
    const enable = value & spec.FCR_ENABLE;
    const toggled = enable !== (this.state.fcr & spec.FCR_ENABLE);
    if (toggled || (enable !== 0 && (value & spec.FCR_CLEAR_RECEIVER) !== 0)) this.receiver.clear();
    this.state.fcr = enable === 0 ? 0 : value & (spec.FCR_ENABLE | (3 << spec.FCR_TRIGGER_SHIFT));
    this.takeInput();
  }

  /** Break in loop mode comes back as a zero character with BI and FE. [PC16550D 8.1 bit 6, 8.4 bit 4] */
  private writeLcr(value: number): void {
    const started = value & ~this.state.lcr & spec.LCR_SET_BREAK;
    this.state.lcr = value;
    if (started !== 0 && this.loop) this.receiveLoop((spec.LSR_BI | spec.LSR_FE) << 8);
  }

  private writeMcr(value: number): void {
    this.state.mcr = value;
    this.setModemInputs(this.loop ? loopedInputs(value) : CONNECTED);
    this.takeIntoFifo();
  }

  // Modem status

  /** The delta bits tell what changed since MSR was read; TERI only that RI ended. [PC16550D 8.9] */
  private setModemInputs(inputs: number): void {
    const changed = (inputs ^ this.state.msr) & ~spec.MSR_DELTAS;
    let deltas = (this.state.msr & spec.MSR_DELTAS) | ((changed & ~spec.MSR_RI) >> 4);
    if ((changed & spec.MSR_RI) !== 0 && (inputs & spec.MSR_RI) === 0) deltas |= spec.MSR_TERI;
    this.state.msr = inputs | deltas;
  }

  private readMsr(): number {
    const msr = this.state.msr;
    this.state.msr &= ~spec.MSR_DELTAS;
    return msr;
  }

  // Interrupts

  /** Reading IIR clears the THR-empty source if that is the one it reports. [PC16550D table 4] */
  private readIir(): number {
    const source = this.pendingSource();
    if (source === spec.IIR_THR_EMPTY) this.state.thrEmptyPending = false;
    return source | (this.fifoEnabled ? spec.IIR_FIFOS_ENABLED : 0);
  }

  private pendingSource(): number {
    const { ier, msr } = this.state;
    const lineStatus = spec.LSR_OE | spec.LSR_CHARACTER_ERRORS;
    if ((ier & spec.IER_ELSI) !== 0 && (this.lsr & lineStatus) !== 0) return spec.IIR_LINE_STATUS;
    if ((ier & spec.IER_ERBFI) !== 0 && this.receiver.length > 0) return this.receiverSource();
    if ((ier & spec.IER_ETBEI) !== 0 && this.state.thrEmptyPending) return spec.IIR_THR_EMPTY;
    if ((ier & spec.IER_EDSSI) !== 0 && (msr & spec.MSR_DELTAS) !== 0) return spec.IIR_MODEM_STATUS;
    return spec.IIR_NONE;
  }

  private receiverSource(): number {
    const trigger = spec.FCR_TRIGGER_LEVELS[(this.state.fcr >> spec.FCR_TRIGGER_SHIFT) & 3]!;
    const reached = !this.fifoEnabled || this.receiver.length >= trigger;
    return reached ? spec.IIR_DATA_AVAILABLE : spec.IIR_CHARACTER_TIMEOUT;
  }

  private updateInterrupt(): void {
    this.interrupt.set(this.pendingSource() !== spec.IIR_NONE);
  }
}

/** In loop mode RTS, DTR, OUT1 and OUT2 come back as CTS, DSR, RI and DCD. [PC16550D 8.8 bit 4] */
function loopedInputs(mcr: number): number {
  return (
    ((mcr & spec.MCR_RTS) !== 0 ? spec.MSR_CTS : 0) |
    ((mcr & spec.MCR_DTR) !== 0 ? spec.MSR_DSR : 0) |
    ((mcr & spec.MCR_OUT1) !== 0 ? spec.MSR_RI : 0) |
    ((mcr & spec.MCR_OUT2) !== 0 ? spec.MSR_DCD : 0)
  );
}
