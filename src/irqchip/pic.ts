import { CASCADE_PIN, ELCR_MASK, PIC_PORT } from "../spec/i8259.ts";
import { I8259, type I8259State } from "./i8259.ts";

export interface PicState {
  master: I8259State;
  slave: I8259State;
  /** INT of the master. */
  output: boolean;
}

/** What the pair drives. */
export interface PicGlue {
  /** INT of the master changed. */
  output(level: boolean): void;
  /** The service of a pin, 0-15, ended. */
  acked(pin: number): void;
}

/** The two 8259A of a PC with their ports: pins 0-7 on the master, 8-15 on the slave at the master's pin 2. */
export class Pic {
  readonly glue: PicGlue;
  readonly master: I8259;
  readonly slave: I8259;
  output = false;

  constructor(glue: PicGlue) {
    this.glue = glue;
    this.master = new I8259(1 << CASCADE_PIN, ELCR_MASK.MASTER, (pin) => glue.acked(pin));
    this.slave = new I8259(0, ELCR_MASK.SLAVE, (pin) => glue.acked(pin + 8));
  }

  /** Sets input 0-15. Returns 1 if that made a request, 0 if it merged with a pending one or made none, -1 if masked. */
  setLine(pin: number, level: boolean): number {
    const result = pin < 8 ? this.master.setLine(pin, level) : this.slave.setLine(pin - 8, level);
    this.update();
    return result;
  }

  /** INTA of the CPU: the vector; that of IRQ 7 or 15 if the request has gone (spurious). */
  acknowledge(): number {
    const pin = this.master.acknowledge();
    const vector = pin === CASCADE_PIN ? this.slave.vector(this.slave.acknowledge()) : this.master.vector(pin);
    this.update();
    return vector;
  }

  /** Whether `port` belongs to the pair. */
  owns(port: number): boolean {
    return isPicPort(port);
  }

  /** A byte from one of the pair's ports. */
  read(port: number): number {
    if (port === PIC_PORT.ELCR1) return this.master.state.elcr;
    if (port === PIC_PORT.ELCR2) return this.slave.state.elcr;
    const value = this.#chip(port).read(port & 1);
    this.update();
    return value;
  }

  /** A byte to one of the pair's ports. */
  write(port: number, value: number): void {
    if (port === PIC_PORT.ELCR1) this.master.writeElcr(value);
    else if (port === PIC_PORT.ELCR2) this.slave.writeElcr(value);
    else this.#chip(port).write(port & 1, value);
    this.update();
  }

  reset(): void {
    this.master.reset();
    this.slave.reset();
    this.update();
  }

  /** Carries the slave's request to the master, and the master's to the CPU. For use after a change of a chip's state. */
  update(): void {
    if (this.slave.pending() >= 0) this.master.pulse(CASCADE_PIN);
    const output = this.master.pending() >= 0;
    if (output === this.output) return;
    this.output = output;
    this.glue.output(output);
  }

  save(): PicState {
    return { master: { ...this.master.state }, slave: { ...this.slave.state }, output: this.output };
  }

  restore(state: PicState): void {
    this.master.state = { ...state.master };
    this.slave.state = { ...state.slave };
    this.output = state.output;
  }

  #chip(port: number): I8259 {
    return port & 0x80 ? this.slave : this.master;
  }
}

/** Whether a port is one of the two 8259A's. */
export function isPicPort(port: number): boolean {
  return (port & ~0x81) === PIC_PORT.MASTER_COMMAND || (port & ~1) === PIC_PORT.ELCR1;
}
