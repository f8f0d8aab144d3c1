import {
  APIC,
  APIC_BASE,
  APIC_VERSION,
  DELIVERY_MODE,
  DFR,
  LAPIC_DEFAULT_BASE,
  LVT,
  LVT_REGISTERS,
  SVR,
  XAPIC_ID_SHIFT,
} from "../spec/lapic.ts";
import type { ApicBus } from "./apic-bus.ts";
import {
  APIC_EVENT,
  APIC_WORD,
  type ApicPage,
  clearVector,
  getRegister,
  highestVector,
  isHardwareEnabled,
  isX2apic,
  setRegister,
  setVector,
  testVector,
} from "./apic-page.ts";
import { LapicTimer, type LapicTimerGlue, type LapicTimerState } from "./lapic-timer.ts";

/** What CPUID says may be changed until the vCPU runs. */
export interface LapicConfig {
  /** The vCPU: its index on the bus. */
  readonly vcpu: number;
  readonly apicId: number;
  /** The bootstrap processor. */
  readonly bsp: boolean;
  /** CPUID.1:ECX.X2APIC. */
  x2apic: boolean;
  /** CPUID.1:ECX.TSC_DEADLINE. */
  tscDeadline: boolean;
  /** Software may suppress the broadcast of EOIs; takes an I/O APIC with an EOI register. */
  readonly directedEoi: boolean;
  /** CPUID.80000008H:EAX[7:0]. */
  physicalAddressBits: number;
}

export interface LapicGlue extends LapicTimerGlue {
  readonly bus: ApicBus;
  /** The processor wrote EOI for a vector; `broadcast` tells the I/O APICs (level triggered). */
  eoi(vector: number, broadcast: boolean): void;
}

export interface LapicState {
  version: 1;
  /** APIC_PAGE_WORDS words. */
  page: number[];
  timer: LapicTimerState;
  /** The levels of the pins LINT0 and LINT1. */
  lint0: boolean;
  lint1: boolean;
}

/**
 * One vCPU's local APIC: priorities, acknowledge, EOI, local interrupts, modes. The register accesses are in
 * lapic-registers.ts. Its methods are for the vCPU's own thread; others post through an ApicBus.
 */
export class Lapic {
  readonly config: LapicConfig;
  readonly glue: LapicGlue;
  readonly page: ApicPage;
  readonly timer: LapicTimer;
  lint0 = false;
  lint1 = false;

  constructor(config: LapicConfig, page: ApicPage, glue: LapicGlue) {
    this.config = config;
    this.page = page;
    this.glue = glue;
    this.timer = new LapicTimer(page, glue);
    this.reset();
  }

  /** Power-up. */
  reset(): void {
    this.page.fill(0);
    this.page[APIC_WORD.BASE] = (LAPIC_DEFAULT_BASE | APIC_BASE.EN | (this.config.bsp ? APIC_BASE.BSP : 0)) >>> 0;
    this.page[APIC_WORD.X2APIC_ID] = this.config.apicId;
    this.setXapicId();
    this.init();
  }

  /** INIT: all but IA32_APIC_BASE and the ID. LINT0 of the BSP passes the PIC's interrupts on, as KVM has it. [SDM 3A 11.4.7.3] */
  init(): void {
    const id = getRegister(this.page, APIC.ID);
    const level = LVT_REGISTERS.length - 1;
    this.page.fill(0, 0, APIC_WORD.EVENTS);
    Atomics.store(this.page, APIC_WORD.ERRORS, 0);
    setRegister(this.page, APIC.ID, id);
    setRegister(
      this.page,
      APIC.VERSION,
      APIC_VERSION.INTEGRATED |
        (level << APIC_VERSION.MAX_LVT_SHIFT) |
        (this.config.directedEoi ? APIC_VERSION.DIRECTED_EOI : 0),
    );
    setRegister(this.page, APIC.DFR, DFR.FLAT);
    setRegister(this.page, APIC.SVR, SVR.VECTOR);
    for (const lvt of LVT_REGISTERS) setRegister(this.page, lvt, LVT.MASK);
    if (this.config.bsp) setRegister(this.page, APIC.LVT_LINT0, DELIVERY_MODE.EXTINT << LVT.DELIVERY_MODE_SHIFT);
    if (isX2apic(this.page)) this.setX2apicIds();
    this.timer.reset();
  }

  /** The vector that would be delivered now, or -1. */
  pendingVector(): number {
    if (!isHardwareEnabled(this.page)) return -1;
    const vector = highestVector(this.page, APIC.IRR);
    return vector >>> 4 > this.processorPriority() >>> 4 && vector >= 0 ? vector : -1;
  }

  /** Takes the pending vector into service and returns it, or -1 if there is none. */
  acknowledge(): number {
    const vector = this.pendingVector();
    if (vector < 0) return -1;
    clearVector(this.page, APIC.IRR, vector);
    setVector(this.page, APIC.ISR, vector);
    return vector;
  }

  /** PPR. [SDM 3A 11.8.3.1] */
  processorPriority(): number {
    const task = getRegister(this.page, APIC.TPR);
    const service = Math.max(highestVector(this.page, APIC.ISR), 0) & 0xf0;
    return (task & 0xf0) >= service ? task : service;
  }

  /** EOI: ends the highest vector in service. */
  eoi(): void {
    const vector = highestVector(this.page, APIC.ISR);
    if (vector < 0) return;
    clearVector(this.page, APIC.ISR, vector);
    const level = testVector(this.page, APIC.TMR, vector);
    if (level) this.#endLint0(vector);
    const suppressed = this.config.directedEoi && getRegister(this.page, APIC.SVR) & SVR.EOI_BROADCAST_SUPPRESSION;
    this.glue.eoi(vector, level && !suppressed);
    this.kickIfPending();
  }

  /** Whether the guest may be let off writing EOI for what is in service (paravirtual EOI): nothing would come of it. */
  eoiIsPlain(): boolean {
    const vector = highestVector(this.page, APIC.ISR);
    return vector >= 0 && !testVector(this.page, APIC.TMR, vector) && highestVector(this.page, APIC.IRR) < 0;
  }

  /** TPR, of which CR8 is bits 7-4. */
  setTaskPriority(value: number): void {
    setRegister(this.page, APIC.TPR, value & 0xff);
    this.kickIfPending();
  }

  kickIfPending(): void {
    if (this.pendingVector() >= 0) this.glue.bus.kick(this.config.vcpu);
  }

  /** The INTR of the PIC reaches the processor: LINT0 is an unmasked ExtINT, or the APIC is off. */
  acceptsExtint(): boolean {
    if (!isHardwareEnabled(this.page)) return true;
    const lvt = getRegister(this.page, APIC.LVT_LINT0);
    return !(lvt & LVT.MASK) && deliveryMode(lvt) === DELIVERY_MODE.EXTINT;
  }

  /** The pin LINT0: the PIC's INTR. */
  setLint0(level: boolean): void {
    const rose = level && !this.lint0;
    this.lint0 = level;
    if (!level) return;
    if (this.acceptsExtint()) this.glue.bus.kick(this.config.vcpu);
    else if (rose || getRegister(this.page, APIC.LVT_LINT0) & LVT.LEVEL) this.#deliverLint0();
  }

  /** LINT0's LVT register or the APIC's mode changed: a level that waits may pass now. */
  lint0Configured(): void {
    if (!this.lint0) return;
    if (this.acceptsExtint()) this.glue.bus.kick(this.config.vcpu);
    else if (getRegister(this.page, APIC.LVT_LINT0) & LVT.LEVEL) this.#deliverLint0();
  }

  /** The pin LINT1: NMI. */
  setLint1(level: boolean): void {
    const rose = level && !this.lint1;
    this.lint1 = level;
    if (!rose) return;
    if (isHardwareEnabled(this.page)) this.deliverLocal(APIC.LVT_LINT1);
    else this.glue.bus.post(this.config.vcpu, APIC_EVENT.NMI);
  }

  /** Delivers a local interrupt as its LVT register says. */
  deliverLocal(register: number): number {
    const lvt = getRegister(this.page, register);
    if (lvt & LVT.MASK) return -1;
    if (register === APIC.LVT_PERFORMANCE) setRegister(this.page, register, (lvt | LVT.MASK) >>> 0);
    const mode = hasDeliveryMode(register) ? deliveryMode(lvt) : DELIVERY_MODE.FIXED;
    const level = register === APIC.LVT_LINT0 && (lvt & LVT.LEVEL) !== 0;
    return this.glue.bus.accept(this.config.vcpu, mode, lvt & LVT.VECTOR, level);
  }

  /** When `advance` is to be called, in ns; Infinity for never. */
  nextDeadline(): number {
    return this.timer.nextDeadline();
  }

  /** Delivers the timer's interrupt if it is due. */
  advance(now: number): void {
    if (this.timer.advance(now)) this.deliverLocal(APIC.LVT_TIMER);
  }

  /** Takes an event (a bit of APIC_EVENT) out of the mailbox. Returns whether it was there. */
  takeEvent(event: number): boolean {
    return (Atomics.and(this.page, APIC_WORD.EVENTS, ~event) & event) !== 0;
  }

  hasEvent(event: number): boolean {
    return (Atomics.load(this.page, APIC_WORD.EVENTS) & event) !== 0;
  }

  /** The vector of the last startup IPI: execution starts at vector * 4096. */
  sipiVector(): number {
    return Atomics.load(this.page, APIC_WORD.SIPI_VECTOR);
  }

  /** WRMSR of IA32_APIC_BASE; false is #GP(0). [SDM 3A 11.12.5] */
  writeBase(lo: number, hi: number): boolean {
    const old = this.page[APIC_WORD.BASE]!;
    if (!this.#isLegalBase(old, lo, hi)) return false;
    this.setBase(lo, hi);
    return true;
  }

  /** IA32_APIC_BASE without the guest's restrictions on changes of mode. */
  setBase(lo: number, hi: number): void {
    const old = this.page[APIC_WORD.BASE]!;
    this.page[APIC_WORD.BASE] = lo;
    this.page[APIC_WORD.BASE_HIGH] = hi;
    if (old & APIC_BASE.EN && !(lo & APIC_BASE.EN)) this.init();
    if (!(old & APIC_BASE.EN) && lo & APIC_BASE.EN) this.setXapicId();
    if (!(old & APIC_BASE.EXTD) && lo & APIC_BASE.EXTD) this.#enterX2apic();
    if (old & APIC_BASE.EXTD && !(lo & APIC_BASE.EXTD)) this.setXapicId();
    this.lint0Configured();
    this.kickIfPending();
  }

  setXapicId(): void {
    setRegister(this.page, APIC.ID, (this.config.apicId << XAPIC_ID_SHIFT) >>> 0);
  }

  /** ID and LDR of x2APIC mode, which software cannot change. [SDM 3A 11.12.10.2] */
  setX2apicIds(): void {
    const id = this.config.apicId;
    setRegister(this.page, APIC.ID, id);
    setRegister(this.page, APIC.LDR, (((id >>> 4) << 16) | (1 << (id & 0xf))) >>> 0);
  }

  save(): LapicState {
    return {
      version: 1,
      page: Array.from(this.page),
      timer: { ...this.timer.state },
      lint0: this.lint0,
      lint1: this.lint1,
    };
  }

  restore(state: LapicState): void {
    this.page.set(state.page);
    this.timer.state = { ...state.timer };
    this.lint0 = state.lint0;
    this.lint1 = state.lint1;
  }

  /** The high half of the ICR is not kept. [SDM 3A 11.12.5.1] */
  #enterX2apic(): void {
    this.setX2apicIds();
    setRegister(this.page, APIC.ICR_HIGH, 0);
  }

  #isLegalBase(old: number, lo: number, hi: number): boolean {
    const limit = 2 ** Math.max(this.config.physicalAddressBits - 32, 0);
    if (lo & APIC_BASE.RESERVED || hi >= limit) return false;
    const enabled = (lo & APIC_BASE.EN) !== 0;
    if (!(lo & APIC_BASE.EXTD)) return !(enabled && old & APIC_BASE.EXTD);
    return this.config.x2apic && enabled && (old & APIC_BASE.EN) !== 0;
  }

  #deliverLint0(): void {
    const lvt = getRegister(this.page, APIC.LVT_LINT0);
    const isLevel = (lvt & LVT.LEVEL) !== 0 && deliveryMode(lvt) === DELIVERY_MODE.FIXED;
    if (isLevel && lvt & LVT.REMOTE_IRR) return;
    const result = this.deliverLocal(APIC.LVT_LINT0);
    if (isLevel && result >= 0) setRegister(this.page, APIC.LVT_LINT0, (lvt | LVT.REMOTE_IRR) >>> 0);
  }

  #endLint0(vector: number): void {
    const lvt = getRegister(this.page, APIC.LVT_LINT0);
    if (!(lvt & LVT.REMOTE_IRR) || (lvt & LVT.VECTOR) !== vector) return;
    setRegister(this.page, APIC.LVT_LINT0, (lvt & ~LVT.REMOTE_IRR) >>> 0);
    if (this.lint0) this.#deliverLint0();
  }
}

function deliveryMode(lvt: number): number {
  return (lvt >> LVT.DELIVERY_MODE_SHIFT) & LVT.DELIVERY_MODE;
}

function hasDeliveryMode(register: number): boolean {
  return register !== APIC.LVT_TIMER && register !== APIC.LVT_ERROR;
}
