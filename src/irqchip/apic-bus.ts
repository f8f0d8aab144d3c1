import {
  APIC,
  BROADCAST,
  DELIVERY_MODE,
  DFR,
  ESR,
  FIRST_LEGAL_VECTOR,
  LVT,
  SHORTHAND,
  XAPIC_ID_SHIFT,
} from "../spec/lapic.ts";
import {
  APIC_EVENT,
  APIC_WORD,
  type ApicPage,
  clearVector,
  getRegister,
  isEnabled,
  isHardwareEnabled,
  isX2apic,
  setVector,
} from "./apic-page.ts";

/**
 * The messages between I/O APIC, MSIs and local APICs. It has no state but the pages, so any thread that shares the
 * pages can have one and post. [SDM 3A 11.6.2, 11.8]
 *
 * Results are KVM's: the number of APICs at which the interrupt is new, 0 if all had it pending (coalesced), -1 if none took it.
 */
export class ApicBus {
  /** By vCPU; it may grow. */
  readonly pages: ApicPage[];
  /** Glue: there may be something for the vCPU to take. */
  readonly kick: (vcpu: number) => void;

  constructor(pages: ApicPage[], kick: (vcpu: number) => void) {
    this.pages = pages;
    this.kick = kick;
  }

  /**
   * Sends to a destination ID; `logical` chooses how it is read. `x2apicSource`: it is an IPI of an APIC in x2APIC mode,
   * for which 0xff is an ID and not everybody.
   */
  send(
    destination: number,
    logical: boolean,
    deliveryMode: number,
    vector: number,
    level: boolean,
    x2apicSource = false,
  ): number {
    if (deliveryMode === DELIVERY_MODE.LOWEST_PRIORITY) {
      const chosen = this.#arbitrate(destination, logical, x2apicSource);
      return chosen < 0 ? -1 : this.accept(chosen, deliveryMode, vector, level);
    }
    let result = -1;
    for (let vcpu = 0; vcpu < this.pages.length; vcpu++) {
      if (!this.#matches(this.pages[vcpu]!, destination, logical, x2apicSource)) continue;
      result = combine(result, this.accept(vcpu, deliveryMode, vector, level));
    }
    return result;
  }

  /** Sends by a shorthand other than none, from vCPU `source`. */
  sendShorthand(source: number, shorthand: number, deliveryMode: number, vector: number, level: boolean): number {
    if (shorthand === SHORTHAND.SELF) return this.accept(source, deliveryMode, vector, level);
    let result = -1;
    for (let vcpu = 0; vcpu < this.pages.length; vcpu++) {
      if (vcpu === source && shorthand === SHORTHAND.ALL_BUT_SELF) continue;
      if (!isHardwareEnabled(this.pages[vcpu]!)) continue;
      result = combine(result, this.accept(vcpu, deliveryMode, vector, level));
    }
    return result;
  }

  /** Delivers to one APIC. */
  accept(vcpu: number, deliveryMode: number, vector: number, level: boolean): number {
    switch (deliveryMode) {
      case DELIVERY_MODE.FIXED:
      case DELIVERY_MODE.LOWEST_PRIORITY:
        return this.#acceptVector(vcpu, vector, level);
      case DELIVERY_MODE.NMI:
        return this.post(vcpu, APIC_EVENT.NMI);
      case DELIVERY_MODE.SMI:
        return this.post(vcpu, APIC_EVENT.SMI);
      case DELIVERY_MODE.EXTINT:
        return this.post(vcpu, APIC_EVENT.EXTINT);
      case DELIVERY_MODE.INIT:
        Atomics.and(this.pages[vcpu]!, APIC_WORD.EVENTS, ~APIC_EVENT.SIPI);
        return this.post(vcpu, APIC_EVENT.INIT);
      case DELIVERY_MODE.STARTUP:
        Atomics.store(this.pages[vcpu]!, APIC_WORD.SIPI_VECTOR, vector);
        return this.post(vcpu, APIC_EVENT.SIPI);
      default:
        return -1;
    }
  }

  /** Posts an event, one bit of APIC_EVENT, whatever the APIC's state. */
  post(vcpu: number, event: number): number {
    const page = this.pages[vcpu]!;
    const before = Atomics.or(page, APIC_WORD.EVENTS, event);
    if (before & event & APIC_EVENT.NMI) Atomics.or(page, APIC_WORD.EVENTS, APIC_EVENT.NMI_AGAIN);
    this.kick(vcpu);
    return before & event ? 0 : 1;
  }

  /** Logs an error; the first one since the ESR was last written raises the error interrupt. [SDM 3A 11.5.3] */
  logError(vcpu: number, error: number): void {
    const page = this.pages[vcpu]!;
    const lvt = getRegister(page, APIC.LVT_ERROR);
    const vector = lvt & LVT.VECTOR;
    const before = Atomics.or(page, APIC_WORD.ERRORS, error);
    if (before !== 0 || lvt & LVT.MASK || !isHardwareEnabled(page)) return;
    if (vector >= FIRST_LEGAL_VECTOR) this.#acceptVector(vcpu, vector, false);
    else Atomics.or(page, APIC_WORD.ERRORS, ESR.RECEIVE_ILLEGAL_VECTOR);
  }

  #acceptVector(vcpu: number, vector: number, level: boolean): number {
    const page = this.pages[vcpu]!;
    if (!isEnabled(page)) return -1;
    if (vector < FIRST_LEGAL_VECTOR) {
      this.logError(vcpu, ESR.RECEIVE_ILLEGAL_VECTOR);
      return -1;
    }
    if (level) setVector(page, APIC.TMR, vector);
    else clearVector(page, APIC.TMR, vector);
    const fresh = setVector(page, APIC.IRR, vector);
    this.kick(vcpu);
    return fresh ? 1 : 0;
  }

  /** The vCPU that takes a lowest-priority interrupt, or -1: the enabled one that has taken the fewest. */
  #arbitrate(destination: number, logical: boolean, x2apicSource: boolean): number {
    let chosen = -1;
    let fewest = Infinity;
    for (let vcpu = 0; vcpu < this.pages.length; vcpu++) {
      const page = this.pages[vcpu]!;
      if (!isEnabled(page) || !this.#matches(page, destination, logical, x2apicSource)) continue;
      const taken = Atomics.load(page, APIC_WORD.ARBITRATION);
      if (taken >= fewest) continue;
      chosen = vcpu;
      fewest = taken;
    }
    if (chosen >= 0) Atomics.add(this.pages[chosen]!, APIC_WORD.ARBITRATION, 1);
    return chosen;
  }

  #matches(page: ApicPage, destination: number, logical: boolean, x2apicSource: boolean): boolean {
    if (!isHardwareEnabled(page)) return false;
    if (destination === BROADCAST.X2APIC || (destination === BROADCAST.XAPIC && !x2apicSource)) return true;
    if (isX2apic(page))
      return logical ? matchesX2apicLogical(page, destination) : page[APIC_WORD.X2APIC_ID] === destination;
    if (destination > BROADCAST.XAPIC) return false;
    if (logical) return matchesXapicLogical(page, destination);
    return destination === BROADCAST.XAPIC || getRegister(page, APIC.ID) >>> XAPIC_ID_SHIFT === destination;
  }
}

function combine(result: number, accepted: number): number {
  if (accepted < 0) return result;
  return result < 0 ? accepted : result + accepted;
}

/** Cluster in bits 31-16, one bit for each member below. [SDM 3A 11.12.10.2] */
function matchesX2apicLogical(page: ApicPage, destination: number): boolean {
  const ldr = getRegister(page, APIC.LDR);
  return ldr >>> 16 === destination >>> 16 && (ldr & destination & 0xffff) !== 0;
}

/** Flat or cluster model by the DFR. [SDM 3A 11.6.2.2] */
function matchesXapicLogical(page: ApicPage, destination: number): boolean {
  const ldr = getRegister(page, APIC.LDR) >>> XAPIC_ID_SHIFT;
  if (getRegister(page, APIC.DFR) >>> DFR.MODEL_SHIFT === DFR.CLUSTER_MODEL)
    return ldr >> 4 === destination >> 4 && (ldr & destination & 0xf) !== 0;
  return (ldr & destination) !== 0;
}
