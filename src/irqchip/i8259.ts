import {
  ICW1,
  ICW2_VECTOR_MASK,
  ICW4,
  OCW2,
  OCW2_COMMAND_SHIFT,
  OCW3,
  POLL_REQUEST,
  SPURIOUS_PIN,
} from "../spec/i8259.ts";

/** The state of one 8259A; the names are those of KVM's kvm_pic_state. */
export interface I8259State {
  /** The level of each input, as last told. */
  lastIrr: number;
  irr: number;
  imr: number;
  isr: number;
  /** The pin of highest priority. */
  priorityAdd: number;
  irqBase: number;
  /** Reads of A0 = 0 give the ISR, not the IRR. */
  readIsr: boolean;
  poll: boolean;
  specialMask: boolean;
  /** 0: operating; 1, 2, 3: waits for ICW2, ICW3, ICW4. */
  initState: number;
  autoEoi: boolean;
  rotateOnAutoEoi: boolean;
  specialFullyNested: boolean;
  /** ICW1 announced an ICW4. */
  init4: boolean;
  /** ICW1 said that there is no other 8259A: no ICW3 comes. */
  single: boolean;
  /** A set bit: the pin is level triggered. */
  elcr: number;
}

function initialI8259State(): I8259State {
  return {
    lastIrr: 0,
    irr: 0,
    imr: 0,
    isr: 0,
    priorityAdd: 0,
    irqBase: 0,
    readIsr: false,
    poll: false,
    specialMask: false,
    initState: 0,
    autoEoi: false,
    rotateOnAutoEoi: false,
    specialFullyNested: false,
    init4: false,
    single: false,
    elcr: 0,
  };
}

/**
 * One 8259A: eight inputs, priority, mask, in-service. It knows neither ports nor its partner.
 * As in KVM, an edge stays latched when its line falls before the acknowledge; the part itself would forget it.
 * Not there: the 8080's CALL sequence and ICW1's LTIM (the ELCR says which pins are level triggered).
 */
export class I8259 {
  /** Config: the pins whose partner is another 8259A, and the ELCR bits that can be set. */
  readonly cascadePins: number;
  readonly elcrMask: number;
  /** Glue: a pin's service ended (its in-service bit went, or the automatic EOI came). */
  readonly acked: (pin: number) => void;

  state = initialI8259State();

  constructor(cascadePins: number, elcrMask: number, acked: (pin: number) => void) {
    this.cascadePins = cascadePins;
    this.elcrMask = elcrMask;
    this.acked = acked;
  }

  /** Sets an input. Returns 1 if that made a request, 0 if it merged with a pending one or made none, -1 if masked. */
  setLine(pin: number, level: boolean): number {
    const state = this.state;
    const bit = 1 << pin;
    const before = state.irr;
    const rose = level && !(state.lastIrr & bit);
    state.lastIrr = level ? state.lastIrr | bit : state.lastIrr & ~bit;
    if (state.elcr & bit) state.irr = level ? state.irr | bit : state.irr & ~bit;
    else if (rose) state.irr |= bit;
    if (state.imr & bit) return -1;
    return state.irr & ~before ? 1 : 0;
  }

  /** Requests a pin as a full edge would. */
  pulse(pin: number): void {
    this.state.irr |= 1 << pin;
  }

  /** The pin that an acknowledge would take now, or -1. INT is high while there is one. */
  pending(): number {
    const state = this.state;
    const request = this.#rank(state.irr & ~state.imr);
    if (request === 8) return -1;
    const inService = this.#rank(state.specialMask ? state.isr & ~state.imr : state.isr);
    const pin = (request + state.priorityAdd) & 7;
    if (request < inService) return pin;
    const nested = state.specialFullyNested && (this.cascadePins & (1 << pin)) !== 0;
    return nested && request === inService ? pin : -1;
  }

  /** INTA: takes the pin of highest priority into service and returns it, or -1 if there is none (spurious). */
  acknowledge(): number {
    const pin = this.pending();
    if (pin < 0) return -1;
    const state = this.state;
    const bit = 1 << pin;
    if (!(state.elcr & bit)) state.irr &= ~bit;
    if (state.autoEoi) this.#endAutomatically(pin);
    else state.isr |= bit;
    return pin;
  }

  /** The vector of a pin; -1 stands for the spurious one. */
  vector(pin: number): number {
    return this.state.irqBase + (pin < 0 ? SPURIOUS_PIN : pin);
  }

  /** A byte read; `a0` is the address pin. */
  read(a0: number): number {
    const state = this.state;
    if (state.poll) return this.#readPoll();
    if (a0) return state.imr;
    return state.readIsr ? state.isr : state.irr;
  }

  /** A byte written; `a0` is the address pin. */
  write(a0: number, value: number): void {
    if (a0) this.#writeData(value);
    else if (value & ICW1.ICW1) this.#initialize(value);
    else if (value & OCW3.OCW3) this.#writeOcw3(value);
    else this.#writeOcw2(value);
  }

  writeElcr(value: number): void {
    this.state.elcr = value & this.elcrMask;
  }

  reset(): void {
    const lastIrr = this.state.lastIrr;
    this.state = initialI8259State();
    this.state.lastIrr = lastIrr;
  }

  /** Distance of the mask's pin of highest priority from the top; 8 for none. */
  #rank(mask: number): number {
    if (mask === 0) return 8;
    let rank = 0;
    while (!(mask & (1 << ((rank + this.state.priorityAdd) & 7)))) rank++;
    return rank;
  }

  #endAutomatically(pin: number): void {
    if (this.state.rotateOnAutoEoi) this.state.priorityAdd = (pin + 1) & 7;
    this.acked(pin);
  }

  /** The read after a poll command is an INTA. [8259A "Poll command"] */
  #readPoll(): number {
    this.state.poll = false;
    const pin = this.acknowledge();
    return pin < 0 ? 0 : POLL_REQUEST | pin;
  }

  /** ICW1. What it resets: [8259A "Initialization Command Words 1 and 2"]; the in-service register too, as PCs do. */
  #initialize(value: number): void {
    const state = this.state;
    state.irr &= state.elcr;
    state.imr = 0;
    state.isr = 0;
    state.priorityAdd = 0;
    state.readIsr = false;
    state.poll = false;
    state.specialMask = false;
    state.init4 = (value & ICW1.IC4) !== 0;
    state.single = (value & ICW1.SNGL) !== 0;
    state.rotateOnAutoEoi = false;
    this.#writeIcw4(0);
    state.initState = 1;
  }

  #writeData(value: number): void {
    const state = this.state;
    if (state.initState === 0) state.imr = value;
    else if (state.initState === 1) this.#writeIcw2(value);
    else if (state.initState === 2) state.initState = state.init4 ? 3 : 0;
    else this.#writeIcw4(value);
  }

  #writeIcw2(value: number): void {
    const state = this.state;
    state.irqBase = value & ICW2_VECTOR_MASK;
    if (state.single) state.initState = state.init4 ? 3 : 0;
    else state.initState = 2;
  }

  #writeIcw4(value: number): void {
    this.state.autoEoi = (value & ICW4.AEOI) !== 0;
    this.state.specialFullyNested = (value & ICW4.SFNM) !== 0;
    this.state.initState = 0;
  }

  #writeOcw3(value: number): void {
    const state = this.state;
    if (value & OCW3.P) state.poll = true;
    else if (value & OCW3.RR) state.readIsr = (value & OCW3.RIS) !== 0;
    if (value & OCW3.ESMM) state.specialMask = (value & OCW3.SMM) !== 0;
  }

  #writeOcw2(value: number): void {
    const pin = value & 7;
    switch (value >> OCW2_COMMAND_SHIFT) {
      case OCW2.NON_SPECIFIC_EOI:
        return this.#endHighest(false);
      case OCW2.ROTATE_ON_NON_SPECIFIC_EOI:
        return this.#endHighest(true);
      case OCW2.SPECIFIC_EOI:
        return this.#end(pin);
      case OCW2.ROTATE_ON_SPECIFIC_EOI:
        this.state.priorityAdd = (pin + 1) & 7;
        return this.#end(pin);
      case OCW2.SET_PRIORITY:
        this.state.priorityAdd = (pin + 1) & 7;
        return;
      case OCW2.ROTATE_IN_AEOI_SET:
        this.state.rotateOnAutoEoi = true;
        return;
      case OCW2.ROTATE_IN_AEOI_CLEAR:
        this.state.rotateOnAutoEoi = false;
        return;
    }
  }

  /** Non-specific EOI; in special mask mode it leaves masked pins in service. [8259A "End of Interrupt"] */
  #endHighest(rotate: boolean): void {
    const state = this.state;
    const rank = this.#rank(state.specialMask ? state.isr & ~state.imr : state.isr);
    if (rank === 8) return;
    const pin = (rank + state.priorityAdd) & 7;
    if (rotate) state.priorityAdd = (pin + 1) & 7;
    this.#end(pin);
  }

  #end(pin: number): void {
    const bit = 1 << pin;
    if (!(this.state.isr & bit)) return;
    this.state.isr &= ~bit;
    this.acked(pin);
  }
}
