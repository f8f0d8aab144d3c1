import type { ApicBus } from "../../irqchip/apic-bus.ts";
import type { ChipAccess } from "../../irqchip/irqchip.ts";
import { isPicPort } from "../../irqchip/pic.ts";
import { isPitPort } from "../../irqchip/pit.ts";
import type { VcpuInterrupts } from "../../irqchip/vcpu-interrupts.ts";
import { IOAPIC_DEFAULT_BASE, IOAPIC_SIZE } from "../../spec/ioapic.ts";
import { CHIP_CALL, type ChipCalls } from "./chip-calls.ts";
import { CHIPS } from "./vm-plan.ts";

/** The chips as a vCPU of another thread than theirs reaches them: its local APIC is here, the others are asked. */
export class RemoteChips implements ChipAccess {
  readonly bus: ApicBus;
  readonly #interrupts: VcpuInterrupts;
  readonly #calls: ChipCalls;
  readonly #chips: number;

  /** `chips`: bits of CHIPS that there are. */
  constructor(interrupts: VcpuInterrupts, bus: ApicBus, calls: ChipCalls, chips: number) {
    this.bus = bus;
    this.#interrupts = interrupts;
    this.#calls = calls;
    this.#chips = chips;
  }

  pioRead(port: number, size: number): number {
    return this.#ownsPort(port) ? this.#calls.ask(CHIP_CALL.pioRead, port, size) : -1;
  }

  pioWrite(port: number, size: number, value: number): boolean {
    return this.#ownsPort(port) && this.#calls.ask(CHIP_CALL.pioWrite, port, size, value) >= 0;
  }

  ownsMmio(_vcpu: number, address: number): boolean {
    return this.#interrupts.registers.offsetOf(address) >= 0 || isIoapic(address);
  }

  mmioRead(_vcpu: number, address: number, size: number): number {
    const { registers } = this.#interrupts;
    const offset = registers.offsetOf(address);
    if (offset >= 0) return registers.readMmio(offset, size) >>> 0;
    return isIoapic(address) ? this.#calls.ask(CHIP_CALL.mmioRead, address, size) : -1;
  }

  mmioWrite(_vcpu: number, address: number, size: number, value: number): boolean {
    const { registers } = this.#interrupts;
    const offset = registers.offsetOf(address);
    if (offset < 0) return isIoapic(address) && this.#calls.ask(CHIP_CALL.mmioWrite, address, size, value) >= 0;
    registers.writeMmio(offset, size, value);
    return true;
  }

  /** Delivers the timer's interrupt if it is due; returns ns until the next, Infinity for never. */
  advance(now: number): number {
    const { lapic } = this.#interrupts;
    if (lapic.nextDeadline() <= now) lapic.advance(now);
    return lapic.nextDeadline() - now;
  }

  #ownsPort(port: number): boolean {
    if (isPicPort(port)) return true;
    return (this.#chips & CHIPS.pit) !== 0 && isPitPort(port, (this.#chips & CHIPS.speaker) !== 0);
  }
}

function isIoapic(address: number): boolean {
  return address >= IOAPIC_DEFAULT_BASE && address < IOAPIC_DEFAULT_BASE + IOAPIC_SIZE;
}
