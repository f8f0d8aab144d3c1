import {
  APIC,
  APIC_BASE,
  DELIVERY_MODE,
  DFR,
  DIVIDE_CONFIG_WRITABLE,
  ESR,
  FIRST_LEGAL_VECTOR,
  IA32_APIC_BASE,
  IA32_TSC_DEADLINE,
  ICR,
  ICR_WRITABLE,
  LAPIC_SIZE,
  LVT,
  LVT_REGISTERS,
  LVT_WRITABLE,
  SHORTHAND,
  SVR,
  TIMER_MODE,
  X2APIC_MSR,
  X2APIC_READABLE,
  X2APIC_WRITE_RESERVED,
  XAPIC_ID_SHIFT,
  XAPIC_READABLE,
} from "../spec/lapic.ts";
import { APIC_WORD, getRegister, isEnabled, isHardwareEnabled, isX2apic, setRegister } from "./apic-page.ts";
import type { Lapic } from "./lapic.ts";

/** The bits of SVR that exist. */
const SVR_WRITABLE = SVR.VECTOR | SVR.APIC_ENABLED | SVR.FOCUS_CHECKING_DISABLED;
const XAPIC_HIGH_BYTE = 0xff000000;
const LVT_READ_ONLY = LVT.DELIVERY_STATUS | LVT.REMOTE_IRR;

/** How software reaches a local APIC: the xAPIC page, the x2APIC MSRs, IA32_APIC_BASE and IA32_TSC_DEADLINE. */
export class LapicRegisters {
  readonly lapic: Lapic;
  /** The result of `readMsr`: EAX and EDX. */
  lo = 0;
  hi = 0;

  constructor(lapic: Lapic) {
    this.lapic = lapic;
  }

  /** The offset in the xAPIC page that `address` has, or -1 if the APIC does not answer there now. */
  offsetOf(address: number): number {
    const page = this.lapic.page;
    const offset = address - baseAddress(page[APIC_WORD.BASE]!, page[APIC_WORD.BASE_HIGH]!);
    const answers = isHardwareEnabled(page) && !isX2apic(page) && offset >= 0 && offset < LAPIC_SIZE;
    return answers ? offset : -1;
  }

  /** Reads 1, 2 or 4 bytes of the xAPIC page; what crosses a register's 32 bits is 0. */
  readMmio(offset: number, size: number): number {
    const byte = offset & 0xf;
    if (byte + size > 4) return 0;
    const register = offset & ~0xf;
    if (!XAPIC_READABLE.has(register)) {
      this.lapic.glue.bus.logError(this.lapic.config.vcpu, ESR.ILLEGAL_REGISTER_ADDRESS);
      return 0;
    }
    const value = this.#read(register) >>> (byte * 8);
    return size === 4 ? value : value & ((1 << (size * 8)) - 1);
  }

  /** Writes the xAPIC page; only aligned 32-bit writes do anything. */
  writeMmio(offset: number, size: number, value: number): void {
    if (size !== 4 || offset & 0xf) return;
    switch (offset) {
      case APIC.ID:
        return this.#set(APIC.ID, value & XAPIC_HIGH_BYTE);
      case APIC.LDR:
        return this.#set(APIC.LDR, value & XAPIC_HIGH_BYTE);
      case APIC.DFR:
        return this.#set(APIC.DFR, value | DFR.FIXED_ONES);
      case APIC.ICR_HIGH:
        return this.#set(APIC.ICR_HIGH, value & XAPIC_HIGH_BYTE);
      case APIC.ICR:
        this.#set(APIC.ICR, value & ICR_WRITABLE);
        return this.#sendIpi(getRegister(this.lapic.page, APIC.ICR_HIGH) >>> XAPIC_ID_SHIFT, false);
      default:
        this.#write(offset, value);
    }
  }

  /** Whether RDMSR and WRMSR of `index` belong here. */
  ownsMsr(index: number): boolean {
    const isX2apicMsr = index >= X2APIC_MSR.FIRST && index <= X2APIC_MSR.LAST;
    return isX2apicMsr || index === IA32_APIC_BASE || index === IA32_TSC_DEADLINE;
  }

  /** RDMSR of one of the APIC's MSRs into `lo` and `hi`; false is #GP(0). */
  readMsr(index: number): boolean {
    const page = this.lapic.page;
    if (index === IA32_APIC_BASE) return this.#result(page[APIC_WORD.BASE]!, page[APIC_WORD.BASE_HIGH]!);
    if (index === IA32_TSC_DEADLINE) return this.#readDeadline();
    const offset = (index - X2APIC_MSR.FIRST) << X2APIC_MSR.OFFSET_SHIFT;
    if (!isX2apic(page) || !X2APIC_READABLE.has(offset)) return false;
    return this.#result(this.#read(offset), offset === APIC.ICR ? getRegister(page, APIC.ICR_HIGH) : 0);
  }

  /** WRMSR to one of the APIC's MSRs with EAX and EDX, signed or not; false is #GP(0). */
  writeMsr(index: number, eax: number, edx: number): boolean {
    const lo = eax >>> 0;
    const hi = edx >>> 0;
    if (index === IA32_APIC_BASE) return this.lapic.writeBase(lo, hi);
    if (index === IA32_TSC_DEADLINE) return this.#writeDeadline(lo, hi);
    const offset = (index - X2APIC_MSR.FIRST) << X2APIC_MSR.OFFSET_SHIFT;
    const reserved = X2APIC_WRITE_RESERVED[offset];
    if (!isX2apic(this.lapic.page) || reserved === undefined || lo & reserved) return false;
    if (offset === APIC.ICR) this.#writeX2apicIcr(lo, hi);
    else if (hi !== 0) return false;
    else if (offset === APIC.SELF_IPI) this.#sendSelf(lo);
    else this.#write(offset, lo);
    return true;
  }

  #set(offset: number, value: number): void {
    setRegister(this.lapic.page, offset, value >>> 0);
  }

  #result(lo: number, hi: number): boolean {
    this.lo = lo;
    this.hi = hi;
    return true;
  }

  #now(): number {
    return this.lapic.glue.clock.now();
  }

  #read(offset: number): number {
    switch (offset) {
      case APIC.PPR:
        return this.lapic.processorPriority();
      case APIC.CURRENT_COUNT:
        return this.#readCurrentCount();
      default:
        return getRegister(this.lapic.page, offset);
    }
  }

  #readCurrentCount(): number {
    const now = this.#now();
    this.lapic.advance(now);
    return this.lapic.timer.currentCount(now);
  }

  /** The registers that both modes write the same way. */
  #write(offset: number, value: number): void {
    switch (offset) {
      case APIC.TPR:
        return this.lapic.setTaskPriority(value);
      case APIC.EOI:
        return this.lapic.eoi();
      case APIC.SVR:
        return this.#writeSvr(value);
      case APIC.ESR:
        return this.#set(APIC.ESR, Atomics.exchange(this.lapic.page, APIC_WORD.ERRORS, 0));
      case APIC.LVT_TIMER:
        return this.#writeLvtTimer(value);
      case APIC.INITIAL_COUNT:
        return this.#writeInitialCount(value);
      case APIC.DIVIDE_CONFIG:
        return this.#writeDivideConfig(value);
      default:
        this.#writeOther(offset, value);
    }
  }

  #writeOther(offset: number, value: number): void {
    if (offset in LVT_WRITABLE) this.#writeLvt(offset, value);
    else if (!XAPIC_READABLE.has(offset))
      this.lapic.glue.bus.logError(this.lapic.config.vcpu, ESR.ILLEGAL_REGISTER_ADDRESS);
  }

  /** Disabling by software masks every local interrupt. [SDM 3A 11.4.7.2] */
  #writeSvr(value: number): void {
    const { page, config } = this.lapic;
    this.#set(APIC.SVR, value & (SVR_WRITABLE | (config.directedEoi ? SVR.EOI_BROADCAST_SUPPRESSION : 0)));
    if (value & SVR.APIC_ENABLED) return;
    for (const lvt of LVT_REGISTERS) this.#set(lvt, getRegister(page, lvt) | LVT.MASK);
  }

  #writeLvt(offset: number, value: number): void {
    const page = this.lapic.page;
    const kept = getRegister(page, offset) & LVT_READ_ONLY;
    const mask = isEnabled(page) ? 0 : LVT.MASK;
    this.#set(offset, (value & LVT_WRITABLE[offset]!) | kept | mask);
    if (offset === APIC.LVT_LINT0) this.lapic.lint0Configured();
  }

  /** A change to or from TSC-deadline mode stops the timer. [SDM 3A 11.5.4.1] */
  #writeLvtTimer(value: number): void {
    const lapic = this.lapic;
    lapic.advance(this.#now());
    const wasDeadline = lapic.timer.mode() === TIMER_MODE.TSC_DEADLINE;
    const deadlineBit = TIMER_MODE.TSC_DEADLINE << LVT.TIMER_MODE_SHIFT;
    this.#writeLvt(APIC.LVT_TIMER, lapic.config.tscDeadline ? value : value & ~deadlineBit);
    if (wasDeadline === (lapic.timer.mode() === TIMER_MODE.TSC_DEADLINE)) return;
    this.#set(APIC.INITIAL_COUNT, 0);
    lapic.timer.stop();
  }

  #writeInitialCount(value: number): void {
    const now = this.#now();
    this.lapic.advance(now);
    if (this.lapic.timer.mode() === TIMER_MODE.TSC_DEADLINE) return;
    this.#set(APIC.INITIAL_COUNT, value);
    this.lapic.timer.start(now);
  }

  /** The count goes on from where it is at the new speed. */
  #writeDivideConfig(value: number): void {
    const now = this.#now();
    const timer = this.lapic.timer;
    this.lapic.advance(now);
    const count = timer.currentCount(now);
    this.#set(APIC.DIVIDE_CONFIG, value & DIVIDE_CONFIG_WRITABLE);
    if (timer.state.running) timer.resume(now, count);
  }

  #readDeadline(): boolean {
    if (!this.lapic.config.tscDeadline) return false;
    this.lapic.advance(this.#now());
    return this.#result(this.lapic.timer.state.deadlineLo, this.lapic.timer.state.deadlineHi);
  }

  #writeDeadline(lo: number, hi: number): boolean {
    if (!this.lapic.config.tscDeadline) return false;
    const now = this.#now();
    this.lapic.advance(now);
    if (isHardwareEnabled(this.lapic.page)) this.lapic.timer.setDeadline(lo, hi);
    this.lapic.advance(now);
    return true;
  }

  #writeX2apicIcr(lo: number, hi: number): void {
    this.#set(APIC.ICR, lo & ICR_WRITABLE);
    this.#set(APIC.ICR_HIGH, hi);
    this.#sendIpi(hi, true);
  }

  #sendSelf(vector: number): void {
    this.#set(APIC.SELF_IPI, vector);
    if (vector < FIRST_LEGAL_VECTOR) this.#logSendError();
    this.lapic.glue.bus.accept(this.lapic.config.vcpu, DELIVERY_MODE.FIXED, vector, false);
  }

  /** Sends what the ICR says. An INIT level de-assert does nothing. [SDM 3A 11.6.1] */
  #sendIpi(destination: number, x2apic: boolean): void {
    const icr = getRegister(this.lapic.page, APIC.ICR);
    const vector = icr & ICR.VECTOR;
    const mode = (icr >> ICR.DELIVERY_MODE_SHIFT) & ICR.DELIVERY_MODE;
    const level = (icr & ICR.LEVEL) !== 0;
    const shorthand = (icr >> ICR.SHORTHAND_SHIFT) & ICR.SHORTHAND;
    const hasVector = mode === DELIVERY_MODE.FIXED || mode === DELIVERY_MODE.LOWEST_PRIORITY;
    if (mode === DELIVERY_MODE.INIT && level && !(icr & ICR.ASSERT)) return;
    if (mode === DELIVERY_MODE.EXTINT) return;
    if (hasVector && vector < FIRST_LEGAL_VECTOR) this.#logSendError();
    const { bus } = this.lapic.glue;
    const logical = (icr & ICR.LOGICAL) !== 0;
    if (shorthand === SHORTHAND.NONE) bus.send(destination, logical, mode, vector, level, x2apic);
    else bus.sendShorthand(this.lapic.config.vcpu, shorthand, mode, vector, level);
  }

  #logSendError(): void {
    this.lapic.glue.bus.logError(this.lapic.config.vcpu, ESR.SEND_ILLEGAL_VECTOR);
  }
}

function baseAddress(lo: number, hi: number): number {
  return hi * 2 ** 32 + ((lo & APIC_BASE.ADDRESS) >>> 0);
}
