import {
  IOAPIC_DEFAULT_BASE,
  IOAPIC_ID,
  IOAPIC_MAX_ENTRY_SHIFT,
  IOAPIC_PINS,
  IOAPIC_REG,
  IOAPIC_SIZE,
  IOAPIC_VERSION,
  IOAPIC_WINDOW,
  REDTBL,
  REDTBL_DESTINATION_SHIFT,
  REDTBL_WRITABLE,
} from "../spec/ioapic.ts";

/** Where an I/O APIC sends its messages: an ApicBus, with its results, or what takes its place. */
export interface MessageBus {
  send(destination: number, logical: boolean, deliveryMode: number, vector: number, level: boolean): number;
}

export interface IoapicState {
  baseAddress: number;
  ioregsel: number;
  id: number;
  /** The inputs' levels, a bit each, high being asserted whatever the polarity bit says. */
  irr: number;
  /** The redirection table: low and high halves. */
  low: number[];
  high: number[];
}

export interface IoapicConfig {
  /** The version register's low byte, one of IOAPIC_VERSION. */
  version: number;
}

export interface IoapicGlue {
  readonly bus: MessageBus;
  /** The service of a pin ended: an EOI came for its vector. */
  acked(pin: number): void;
}

/**
 * The 82093AA I/O APIC with 24 inputs. As in KVM a true input is an asserted one; the polarity bit is only stored.
 * Messages are delivered at once, so the delivery status is always idle.
 */
export class Ioapic {
  readonly config: IoapicConfig;
  readonly glue: IoapicGlue;
  baseAddress = IOAPIC_DEFAULT_BASE;
  ioregsel = 0;
  id = 0;
  irr = 0;
  readonly low = new Uint32Array(IOAPIC_PINS).fill(REDTBL.MASK);
  readonly high = new Uint32Array(IOAPIC_PINS);

  constructor(config: IoapicConfig, glue: IoapicGlue) {
    this.config = { ...config };
    this.glue = glue;
  }

  /** Sets an input. Returns what ApicBus.send does: above 0 for a new interrupt, 0 for a merged one or none, -1 if masked. */
  setLine(pin: number, level: boolean): number {
    const bit = 1 << pin;
    const before = this.irr;
    this.irr = level ? before | bit : before & ~bit;
    const edge = !(this.low[pin]! & REDTBL.LEVEL);
    if (!level || (edge && before & bit)) return 0;
    return this.#service(pin);
  }

  /** Whether `address` is in the window. */
  owns(address: number): boolean {
    return address >= this.baseAddress && address < this.baseAddress + IOAPIC_SIZE;
  }

  /** Reads 1, 2, 4 or 8 bytes at an offset of the window: those of a 32-bit register, zero above. */
  readMmio(offset: number, size: number): number {
    const value = this.#readWindow(offset & 0xf0);
    return size < 4 ? value & ((1 << (size * 8)) - 1) : value;
  }

  /** Writes the low 32 bits of `value`, or as many as `size` has. */
  writeMmio(offset: number, size: number, value: number): void {
    const data = size < 4 ? value & ((1 << (size * 8)) - 1) : value;
    switch (offset & 0xf0) {
      case IOAPIC_WINDOW.IOREGSEL:
        this.ioregsel = data & 0xff;
        return;
      case IOAPIC_WINDOW.IOWIN:
        return this.#writeRegister(data);
      case IOAPIC_WINDOW.EOIR:
        if (this.config.version >= IOAPIC_VERSION.WITH_EOIR) this.eoi(data & 0xff);
        return;
    }
  }

  /** An EOI message for a level-triggered vector. */
  eoi(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const low = this.low[pin]!;
      if ((low & REDTBL.VECTOR) !== vector || !(low & REDTBL.LEVEL) || !(low & REDTBL.REMOTE_IRR)) continue;
      this.low[pin] = low & ~REDTBL.REMOTE_IRR;
      this.glue.acked(pin);
      if (this.irr & (1 << pin)) this.#service(pin);
    }
  }

  /** Whether the pin sends this vector. */
  hasVector(pin: number, vector: number): boolean {
    return (this.low[pin]! & REDTBL.VECTOR) === vector;
  }

  reset(): void {
    this.baseAddress = IOAPIC_DEFAULT_BASE;
    this.ioregsel = 0;
    this.id = 0;
    this.low.fill(REDTBL.MASK);
    this.high.fill(0);
  }

  save(): IoapicState {
    const { baseAddress, ioregsel, id, irr } = this;
    return { baseAddress, ioregsel, id, irr, low: Array.from(this.low), high: Array.from(this.high) };
  }

  restore(state: IoapicState): void {
    this.baseAddress = state.baseAddress;
    this.ioregsel = state.ioregsel;
    this.id = state.id;
    this.irr = state.irr;
    this.low.set(state.low);
    this.high.set(state.high);
  }

  #readWindow(register: number): number {
    if (register === IOAPIC_WINDOW.IOREGSEL) return this.ioregsel;
    return register === IOAPIC_WINDOW.IOWIN ? this.#readRegister() : 0;
  }

  #readRegister(): number {
    switch (this.ioregsel) {
      case IOAPIC_REG.ID:
      case IOAPIC_REG.ARB:
        return this.id << IOAPIC_ID.SHIFT;
      case IOAPIC_REG.VER:
        return this.config.version | ((IOAPIC_PINS - 1) << IOAPIC_MAX_ENTRY_SHIFT);
      default:
        return this.#readEntry(this.ioregsel - IOAPIC_REG.REDTBL);
    }
  }

  /** Half of a table entry; ones behind the table, as KVM gives. */
  #readEntry(index: number): number {
    if (index < 0) return 0;
    return (index & 1 ? this.high : this.low)[index >> 1] ?? 0xffffffff;
  }

  #writeRegister(value: number): void {
    if (this.ioregsel === IOAPIC_REG.ID) this.id = (value >>> IOAPIC_ID.SHIFT) & IOAPIC_ID.MASK;
    const index = this.ioregsel - IOAPIC_REG.REDTBL;
    if (index < 0 || index >= IOAPIC_PINS * 2) return;
    if (index & 1) this.high[index >> 1] = value;
    else this.#writeEntry(index >> 1, value);
  }

  /** Making an entry edge triggered clears its remote IRR: how software ends a level interrupt at this version. */
  #writeEntry(pin: number, value: number): void {
    const remoteIrr = value & REDTBL.LEVEL ? this.low[pin]! & REDTBL.REMOTE_IRR : 0;
    this.low[pin] = (value & REDTBL_WRITABLE) | remoteIrr;
    if (value & REDTBL.LEVEL && this.irr & (1 << pin)) this.#service(pin);
  }

  #service(pin: number): number {
    const low = this.low[pin]!;
    const level = (low & REDTBL.LEVEL) !== 0;
    if (low & REDTBL.MASK) return -1;
    if (level && low & REDTBL.REMOTE_IRR) return 0;
    const result = this.glue.bus.send(
      this.high[pin]! >>> REDTBL_DESTINATION_SHIFT,
      (low & REDTBL.LOGICAL) !== 0,
      (low >> REDTBL.DELIVERY_MODE_SHIFT) & REDTBL.DELIVERY_MODE,
      low & REDTBL.VECTOR,
      level,
    );
    if (level && result >= 0) this.low[pin] = low | REDTBL.REMOTE_IRR;
    return result;
  }
}
