import type { KvmLapicState } from "../spec/kvm/vcpu-struct.ts";
import { APIC_EVENT, type ApicPage } from "./apic-page.ts";
import { getLapicState, setLapicState } from "./kvm-state.ts";
import { Lapic, type LapicConfig, type LapicGlue } from "./lapic.ts";
import { LapicRegisters } from "./lapic-registers.ts";
import type { Pic } from "./pic.ts";

/** The interrupts of one vCPU: its local APIC and the PIC's INTR. */
export class VcpuInterrupts {
  readonly lapic: Lapic;
  readonly registers: LapicRegisters;
  readonly pic: Pic;

  constructor(config: LapicConfig, page: ApicPage, pic: Pic, glue: LapicGlue) {
    this.lapic = new Lapic(config, page, glue);
    this.registers = new LapicRegisters(this.lapic);
    this.pic = pic;
    this.lapic.setLint0(pic.output);
  }

  /** Whether there is a maskable interrupt to take (when RFLAGS.IF and the interrupt shadow allow). */
  hasInterrupt(): boolean {
    return this.#hasExtint() || this.lapic.pendingVector() >= 0;
  }

  /** Takes the interrupt and returns its vector, or -1 if there is none. The PIC's comes first, as in KVM. */
  acknowledge(): number {
    if (!this.#hasExtint()) return this.lapic.acknowledge();
    this.lapic.takeEvent(APIC_EVENT.EXTINT);
    return this.pic.acknowledge();
  }

  /** KVM_GET_LAPIC */
  getState(into: KvmLapicState): void {
    getLapicState(this.lapic, into);
  }

  /** KVM_SET_LAPIC; IA32_APIC_BASE is to be set before, IA32_TSC_DEADLINE after. */
  setState(from: KvmLapicState): void {
    setLapicState(this.lapic, from);
  }

  #hasExtint(): boolean {
    return this.pic.output && (this.lapic.acceptsExtint() || this.lapic.hasEvent(APIC_EVENT.EXTINT));
  }
}
