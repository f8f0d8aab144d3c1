import type { Lapic } from "../../irqchip/lapic.ts";
import type { GuestMemory } from "../../memory/guest-memory.ts";
import { KVM_MSR_ENABLED } from "../../spec/kvm/paravirt.ts";

const PENDING = 1;

/**
 * MSR_KVM_PV_EOI_EN: a bit in the guest's memory with which the guest ends an interrupt without a write to its APIC. It
 * is set while the vCPU executes and nothing else depends on the EOI. [Documentation/virt/kvm/x86/msr.rst]
 */
export class PvEoi {
  readonly #memory: GuestMemory;
  /** Where the bit is, or -1. */
  #at = -1;
  #armed = false;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** WRMSR; false is #GP(0). */
  write(lo: number, hi: number): boolean {
    const at = hi * 0x1_0000_0000 + lo - (lo & KVM_MSR_ENABLED);
    if (at % 4 !== 0) return false;
    const usable = lo & KVM_MSR_ENABLED && this.#memory.contains(at, 4);
    this.#at = usable ? at : -1;
    this.#armed = false;
    return true;
  }

  /** The vCPU is about to execute: offers the guest to end what is in service by clearing the bit. */
  arm(lapic: Lapic): void {
    if (this.#at < 0 || !lapic.eoiIsPlain()) return;
    this.#memory.writeU8(this.#at, this.#memory.readU8(this.#at) | PENDING);
    this.#armed = true;
  }

  /** The vCPU came out: takes the offer back, or ends the interrupt if the guest made use of it. */
  collect(lapic: Lapic): void {
    if (!this.#armed) return;
    this.#armed = false;
    // the slot may be gone; the guest then has nothing to clear
    if (!this.#memory.contains(this.#at, 1)) return;
    const flags = this.#memory.readU8(this.#at);
    if (flags & PENDING) this.#memory.writeU8(this.#at, flags & ~PENDING);
    else lapic.eoi();
  }
}
