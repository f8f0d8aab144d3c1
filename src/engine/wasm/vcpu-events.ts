import { APIC_EVENT, highestVector } from "../../irqchip/apic-page.ts";
import type { VcpuInterrupts } from "../../irqchip/vcpu-interrupts.ts";
import { CPU, EFLAGS, GUEST_DEBUG, INHIBIT, SMM_STATE, TRAP, VECTOR } from "../../isa/state.ts";
import {
  KVM_VCPUEVENT_VALID_NMI_PENDING,
  KVM_VCPUEVENT_VALID_SHADOW,
  KVM_VCPUEVENT_VALID_SMM,
  KVM_X86_SHADOW_INT_MOV_SS,
  KVM_X86_SHADOW_INT_STI,
  type KvmVcpuEvents,
} from "../../spec/kvm/vcpu-struct.ts";
import { APIC } from "../../spec/lapic.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { LapicSync } from "./lapic-sync.ts";
import type { Library } from "./library.ts";
import type { PvEoi } from "./pv-eoi.ts";

/** No vector. */
const NONE = -1;

export interface EventsGlue {
  readonly cells: CpuCells;
  readonly library: Library;
  readonly lapicSync: LapicSync;
  readonly pvEoi: PvEoi;
  /** Absent without an in-kernel irqchip. */
  interrupts(): VcpuInterrupts | undefined;
}

/** What waits to be delivered to a vCPU, and whether it may be: exceptions, SMIs, NMIs, interrupts. [SDM 3A 6.9] */
export class VcpuEvents {
  readonly #glue: EventsGlue;
  nmiPending = false;
  /** One more waits: the processor holds one while it handles another, and two while it handles none. [KVM process_nmi] */
  #nmiAgain = false;
  /** Delivered at the next entry whatever masks it: vectors queued by KVM_INTERRUPT or a restored state, or -1. */
  #interrupt = NONE;
  #nmi = false;
  #exception = NONE;
  #exceptionError = 0;
  #smiPending = false;
  /** What is delivered next ended the sleep of HLT. */
  halted = false;

  constructor(glue: EventsGlue) {
    this.#glue = glue;
  }

  /** The vector that KVM_INTERRUPT or a restored state queued, or -1. */
  get queuedInterrupt(): number {
    return this.#interrupt;
  }

  queueInterrupt(vector: number): void {
    this.#interrupt = vector;
  }

  /** Queues the vector whose delivery had begun: the one bit of kvm_sregs' interrupt bitmap. */
  queueFrom(view: DataView, bitmap: number): void {
    for (let vector = 0; vector < 256; vector++)
      if ((view.getUint8(bitmap + (vector >> 3)) >> (vector & 7)) & 1) return this.queueInterrupt(vector);
  }

  /** Has an exception without an error code delivered at the next entry; false: one is queued already. */
  queueException(vector: number): boolean {
    if (this.#exception !== NONE) return false;
    this.#exception = vector;
    this.#exceptionError = NONE;
    return true;
  }

  /** An NMI came. */
  raiseNmi(): void {
    this.#nmiAgain = this.nmiPending && !this.#nmi && !this.#nmiMasked;
    this.nmiPending = true;
  }

  /** An SMI came. */
  raiseSmi(): void {
    this.#smiPending = true;
  }

  /** System management mode. */
  get inSmm(): boolean {
    return this.#glue.cells.i32(CPU.smm) !== 0;
  }

  /** Whether INIT would have to wait: in system management mode, or before it. [SDM 3C 31.5.2] */
  get latchesStartup(): boolean {
    return this.inSmm || this.#smiPending;
  }

  /** RFLAGS.IF */
  get interruptFlag(): boolean {
    return (this.#glue.cells.i32(CPU.eflags) & EFLAGS.IF) !== 0;
  }

  /** Whether an interrupt given now by KVM_INTERRUPT would be delivered before the next instruction. */
  get ready(): boolean {
    return this.interruptFlag && !this.shadow && this.#interrupt === NONE;
  }

  /** Whether something ends the sleep of HLT. */
  get wakes(): boolean {
    this.collect();
    if (this.#exception !== NONE || this.#debugPending || this.#nmi || this.#smiDue) return true;
    if (this.nmiPending && !this.#nmiMasked) return true;
    if (this.#glue.interrupts()?.lapic.takeEvent(APIC_EVENT.UNHALT)) return true;
    return this.interruptFlag && this.#hasInterrupt;
  }

  /** STI or MOV SS holds events back for one instruction. */
  get shadow(): boolean {
    const { cells } = this.#glue;
    if (cells.i32(CPU.inhibit) === 0) return false;
    return cells.lo(CPU.inhibitRip) === cells.lo(CPU.rip) && cells.hi(CPU.inhibitRip) === cells.hi(CPU.rip);
  }

  /** A shadow that there is stays when user space moves the vCPU elsewhere. */
  moveShadow(): void {
    const { cells } = this.#glue;
    cells.setWide(CPU.inhibitRip, cells.lo(CPU.rip), cells.hi(CPU.rip));
  }

  /** Whether there is an SMI, NMI or interrupt, masked or not. */
  get any(): boolean {
    this.collect();
    return this.#smiPending || this.nmiPending || this.#hasInterrupt;
  }

  /** The instruction after STI or MOV SS is about to be executed. */
  endShadow(): void {
    this.#glue.cells.setI32(CPU.inhibit, 0);
  }

  /** Delivers what may be delivered; returns the trap that ended the delivery, TRAP.none if the guest may go on. */
  deliver(): number {
    this.collect();
    let trap = this.#deliverNext();
    this.halted = false;
    // an SMI interrupts a handler that was just entered
    if (trap === TRAP.none && this.#smiDue) trap = this.#enterSmm();
    const interrupts = this.#glue.interrupts();
    if (trap === TRAP.none && interrupts) this.#glue.pvEoi.arm(interrupts.lapic);
    return trap;
  }

  #deliverNext(): number {
    if (this.#exception !== NONE) return this.#deliverException();
    if (this.#debugPending) {
      const trap = this.#deliverDebugTrap();
      if (trap !== TRAP.none) return trap;
    }
    if (this.#nmi) return this.#deliverNmi();
    // what another thread sent after the shadow was looked at waits for its end
    if (this.shadow) return TRAP.none;
    if (this.#smiDue) return this.#begun ? this.#deliverInterrupt() : this.#enterSmm();
    if (this.nmiPending && !this.#nmiMasked) return this.#deliverNmi();
    if (this.interruptFlag && this.#hasInterrupt) return this.#deliverInterrupt();
    return TRAP.none;
  }

  /** Whether something waits that an instruction may let through: IRET an NMI, STI or MOV CR8 an interrupt. */
  get waits(): boolean {
    const interrupts = this.#glue.interrupts();
    if (this.nmiPending || this.#hasInterrupt) return true;
    return interrupts !== undefined && highestVector(interrupts.lapic.page, APIC.IRR) >= 0;
  }

  /**
   * A debug trap that the last instruction left for the guest becomes a queued exception with its cause in DR6, as KVM has it
   * for user space that did not ask for payloads. [Documentation/virt/kvm/api.rst 4.31]
   */
  queueDebugTrap(): void {
    const { cells, library } = this.#glue;
    const debugged = cells.i32(CPU.guestDebug) & (GUEST_DEBUG.singleStep | GUEST_DEBUG.hardwareBreakpoints);
    if (debugged || !this.#debugPending || this.#exception !== NONE || library.debug_trap(cells.base) === 0) return;
    cells.setI32(CPU.trap, TRAP.none);
    const bits = cells.lo(CPU.faultAddress);
    cells.setI32(CPU.dr + 8 * 6, (cells.lo(CPU.dr + 8 * 6) & ~15) | bits);
    this.queueException(VECTOR.DB);
  }

  /** INIT: nothing is pending, NMIs are let in. */
  reset(): void {
    this.nmiPending = false;
    this.#nmiAgain = false;
    this.#interrupt = NONE;
    this.#nmi = false;
    this.#exception = NONE;
    this.#smiPending = false;
    this.#glue.cells.setI32(CPU.nmiMasked, 0);
    this.#glue.cells.setI32(CPU.inhibit, 0);
  }

  /** KVM_GET_VCPU_EVENTS */
  read(into: KvmVcpuEvents): void {
    const { cells } = this.#glue;
    this.queueDebugTrap();
    this.collect();
    into.bytes.fill(0);
    const inhibit = this.shadow ? cells.i32(CPU.inhibit) : 0;
    const { exception, interrupt, nmi, smi } = into;
    exception.injected = this.#exception === NONE ? 0 : 1;
    exception.nr = Math.max(this.#exception, 0);
    exception.has_error_code = this.#exception !== NONE && this.#exceptionError !== NONE ? 1 : 0;
    exception.error_code = exception.has_error_code ? this.#exceptionError : 0;
    interrupt.injected = this.#interrupt === NONE ? 0 : 1;
    interrupt.nr = Math.max(this.#interrupt, 0);
    interrupt.shadow =
      (inhibit & INHIBIT.sti ? KVM_X86_SHADOW_INT_STI : 0) | (inhibit & INHIBIT.movSs ? KVM_X86_SHADOW_INT_MOV_SS : 0);
    nmi.injected = this.#nmi ? 1 : 0;
    nmi.pending = this.nmiPending ? 1 : 0;
    nmi.masked = cells.i32(CPU.nmiMasked);
    const state = cells.i32(CPU.smm);
    smi.smm = state & SMM_STATE.active ? 1 : 0;
    smi.smm_inside_nmi = state & SMM_STATE.insideNmi ? 1 : 0;
    smi.pending = this.#smiPending ? 1 : 0;
    smi.latched_init = this.#glue.interrupts()?.lapic.hasEvent(APIC_EVENT.INIT) ? 1 : 0;
    into.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM;
  }

  /** KVM_SET_VCPU_EVENTS; the record was checked. */
  write(from: KvmVcpuEvents): void {
    const { cells } = this.#glue;
    const { exception, interrupt, nmi, flags } = from;
    this.#exception = exception.injected ? exception.nr : NONE;
    this.#exceptionError = exception.has_error_code ? exception.error_code : NONE;
    this.#interrupt = interrupt.injected ? interrupt.nr : NONE;
    this.#nmi = nmi.injected !== 0;
    cells.setI32(CPU.nmiMasked, nmi.masked ? 1 : 0);
    if (flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
      this.nmiPending = nmi.pending !== 0;
      this.#nmiAgain = false;
    }
    if (flags & KVM_VCPUEVENT_VALID_SMM) this.#writeSmi(from);
    if (!(flags & KVM_VCPUEVENT_VALID_SHADOW)) return;
    const { shadow } = interrupt;
    const sti = shadow & KVM_X86_SHADOW_INT_STI ? INHIBIT.sti : 0;
    const movSs = shadow & KVM_X86_SHADOW_INT_MOV_SS ? INHIBIT.movSs : 0;
    cells.setI32(CPU.inhibit, sti | movSs);
    this.moveShadow();
  }

  #writeSmi({ smi }: KvmVcpuEvents): void {
    const lapic = this.#glue.interrupts()?.lapic;
    const state = SMM_STATE.active | (smi.smm_inside_nmi ? SMM_STATE.insideNmi : 0);
    this.#glue.cells.setI32(CPU.smm, smi.smm ? state : 0);
    this.#smiPending = smi.pending !== 0;
    if (smi.latched_init) lapic?.glue.bus.post(lapic.config.vcpu, APIC_EVENT.INIT);
    else lapic?.takeEvent(APIC_EVENT.INIT);
  }

  get #debugPending(): boolean {
    return this.#glue.cells.i32(CPU.debugPending) !== 0;
  }

  get #nmiMasked(): boolean {
    return this.#glue.cells.i32(CPU.nmiMasked) !== 0;
  }

  /** The delivery of an interrupt began that nothing masks. */
  get #begun(): boolean {
    return this.#interrupt !== NONE && this.interruptFlag;
  }

  /** An SMI waits and is let in. */
  get #smiDue(): boolean {
    return this.#smiPending && !this.inSmm;
  }

  get #hasInterrupt(): boolean {
    return this.#interrupt !== NONE || (this.#glue.interrupts()?.hasInterrupt() ?? false);
  }

  /** Takes over what came in while the vCPU executed: the guest's CR8 and paravirtual EOI, NMIs and SMIs posted to its local APIC. */
  collect(): void {
    const interrupts = this.#glue.interrupts();
    if (interrupts === undefined) return;
    this.#glue.lapicSync.toLapic();
    if (interrupts.lapic.takeEvent(APIC_EVENT.SMI)) this.raiseSmi();
    if (interrupts.lapic.takeEvent(APIC_EVENT.NMI)) this.raiseNmi();
    if (interrupts.lapic.takeEvent(APIC_EVENT.NMI_AGAIN)) this.raiseNmi();
  }

  #deliverException(): number {
    const { cells, library } = this.#glue;
    cells.setI32(CPU.faultVector, this.#exception);
    cells.setI32(CPU.faultError, this.#exceptionError === NONE ? 0 : this.#exceptionError);
    if (this.#exception === VECTOR.PF) cells.setWide(CPU.faultAddress, cells.lo(CPU.cr2), cells.hi(CPU.cr2));
    else cells.setWide(CPU.faultAddress, 0, 0);
    this.#exception = NONE;
    library.pack_flags(cells.base);
    library.deliver(cells.base);
    return cells.i32(CPU.trap);
  }

  /** The debug trap of the instruction that was executed last comes before what is external. */
  #deliverDebugTrap(): number {
    const { cells, library } = this.#glue;
    if (library.debug_trap(cells.base) === 0) return TRAP.none;
    library.pack_flags(cells.base);
    library.deliver_raised(cells.base);
    return cells.i32(CPU.trap);
  }

  #enterSmm(): number {
    const { cells, library } = this.#glue;
    this.#smiPending = false;
    library.pack_flags(cells.base);
    library.enter_smm(cells.base, this.halted ? 1 : 0);
    return cells.i32(CPU.trap);
  }

  #deliverNmi(): number {
    if (this.#nmi) this.#nmi = false;
    else {
      this.nmiPending = this.#nmiAgain;
      this.#nmiAgain = false;
    }
    this.#glue.cells.setI32(CPU.nmiMasked, 1);
    return this.#interruptWith(VECTOR.NMI);
  }

  #deliverInterrupt(): number {
    let vector = this.#interrupt;
    this.#interrupt = NONE;
    if (vector === NONE) vector = this.#glue.interrupts()?.acknowledge() ?? NONE;
    return vector === NONE ? TRAP.none : this.#interruptWith(vector);
  }

  #interruptWith(vector: number): number {
    const { cells, library } = this.#glue;
    library.pack_flags(cells.base);
    library.interrupt(cells.base, vector);
    return cells.i32(CPU.trap);
  }
}
