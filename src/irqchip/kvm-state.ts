import { MODE, RW } from "../spec/i8254.ts";
import { IOAPIC_PINS, REDTBL } from "../spec/ioapic.ts";
import type { KvmLapicState } from "../spec/kvm/vcpu-struct.ts";
import {
  KVM_PIT_FLAGS_HPET_LEGACY,
  KVM_PIT_FLAGS_SPEAKER_DATA_ON,
  type KvmIoapicState,
  type KvmPicState,
  type KvmPitChannelState,
  type KvmPitState2,
} from "../spec/kvm/vm-struct.ts";
import { APIC } from "../spec/lapic.ts";
import { APIC_WORD, isX2apic } from "./apic-page.ts";
import { type I8254Counter, UNPROGRAMMED } from "./i8254-counter.ts";
import type { I8259 } from "./i8259.ts";
import type { Ioapic } from "./ioapic.ts";
import type { Lapic } from "./lapic.ts";
import { type Pit, ticksAt, timeOf } from "./pit.ts";

/*
 * The chips' states in KVM's records. The records hold less than the chips do (a snapshot is exact), so:
 * a count of the PIT starts anew when it is set, and an edge-triggered input of the I/O APIC is low.
 */

/** The states of KVM's `read_state` and `write_state`. */
const RW_STATE = { LSB: 1, MSB: 2, WORD0: 3, WORD1: 4 } as const;

export function getPicState(chip: I8259, into: KvmPicState): void {
  const state = chip.state;
  into.last_irr = state.lastIrr;
  into.irr = state.irr;
  into.imr = state.imr;
  into.isr = state.isr;
  into.priority_add = state.priorityAdd;
  into.irq_base = state.irqBase;
  into.read_reg_select = Number(state.readIsr);
  into.poll = Number(state.poll);
  into.special_mask = Number(state.specialMask);
  into.init_state = state.initState;
  into.auto_eoi = Number(state.autoEoi);
  into.rotate_on_auto_eoi = Number(state.rotateOnAutoEoi);
  into.special_fully_nested_mode = Number(state.specialFullyNested);
  into.init4 = Number(state.init4);
  into.elcr = state.elcr;
  into.elcr_mask = chip.elcrMask;
}

/** Call `Pic.update` after it. */
export function setPicState(chip: I8259, from: KvmPicState): void {
  chip.state = {
    lastIrr: from.last_irr,
    irr: from.irr,
    imr: from.imr,
    isr: from.isr,
    priorityAdd: from.priority_add & 7,
    irqBase: from.irq_base,
    readIsr: from.read_reg_select !== 0,
    poll: from.poll !== 0,
    specialMask: from.special_mask !== 0,
    initState: from.init_state & 3,
    autoEoi: from.auto_eoi !== 0,
    rotateOnAutoEoi: from.rotate_on_auto_eoi !== 0,
    specialFullyNested: from.special_fully_nested_mode !== 0,
    init4: from.init4 !== 0,
    single: false,
    elcr: from.elcr & chip.elcrMask,
  };
}

export function getIoapicState(ioapic: Ioapic, into: KvmIoapicState): void {
  into.base_address_num = ioapic.baseAddress;
  into.ioregsel = ioapic.ioregsel;
  into.id = ioapic.id;
  into.irr = 0;
  for (let pin = 0; pin < IOAPIC_PINS; pin++) {
    into.redirtbl.setPair(pin, ioapic.low[pin]!, ioapic.high[pin]!);
    if (ioapic.low[pin]! & REDTBL.LEVEL) into.irr |= ioapic.irr & (1 << pin);
  }
}

/** Sets the table, then asserts the inputs of `irr`, which delivers what is not in service. */
export function setIoapicState(ioapic: Ioapic, from: KvmIoapicState): void {
  ioapic.baseAddress = from.base_address_num;
  ioapic.ioregsel = from.ioregsel & 0xff;
  ioapic.id = from.id & 0xf;
  ioapic.irr = 0;
  for (let pin = 0; pin < IOAPIC_PINS; pin++) {
    ioapic.low[pin] = from.redirtbl.lo(pin);
    ioapic.high[pin] = from.redirtbl.hi(pin);
  }
  for (let pin = 0; pin < IOAPIC_PINS; pin++) if (from.irr & (1 << pin)) ioapic.setLine(pin, true);
}

/** KVM_GET_LAPIC: the register page. In x2APIC mode the ID is in bits 31-24, as KVM has it without KVM_CAP_X2APIC_API. */
export function getLapicState(lapic: Lapic, into: KvmLapicState): void {
  const now = lapic.glue.clock.now();
  lapic.advance(now);
  const registers = new Uint8Array(lapic.page.buffer, lapic.page.byteOffset, into.regs.length);
  into.regs.set(registers);
  into.dataView.setUint32(APIC.PPR, lapic.processorPriority(), true);
  into.dataView.setUint32(APIC.CURRENT_COUNT, lapic.timer.currentCount(now), true);
  if (isX2apic(lapic.page)) into.dataView.setUint32(APIC.ID, lapic.config.apicId << 24, true);
}

/** KVM_SET_LAPIC; IA32_APIC_BASE is to be set before, IA32_TSC_DEADLINE after. The timer goes on from the current count. */
export function setLapicState(lapic: Lapic, from: KvmLapicState): void {
  const now = lapic.glue.clock.now();
  for (let word = 0; word < APIC_WORD.EVENTS; word++)
    Atomics.store(lapic.page, word, from.dataView.getUint32(word * 4, true));
  const count = from.dataView.getUint32(APIC.CURRENT_COUNT, true);
  lapic.page[APIC.CURRENT_COUNT >> 2] = 0;
  if (isX2apic(lapic.page)) lapic.setX2apicIds();
  lapic.timer.stop();
  if (count > 0) lapic.timer.resume(now, count);
  lapic.kickIfPending();
}

/** KVM_GET_PIT2 */
export function getPitState(pit: Pit, into: KvmPitState2): void {
  const tick = ticksAt(pit.glue.clock.now());
  into.bytes.fill(0);
  pit.counters.forEach((counter, index) => {
    getCounterState(counter, tick, into.channels[index]!);
  });
  into.flags = (pit.hpetLegacy ? KVM_PIT_FLAGS_HPET_LEGACY : 0) | (pit.speakerData ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0);
}

/** KVM_SET_PIT2: every count starts now. */
export function setPitState(pit: Pit, from: KvmPitState2): void {
  const now = pit.glue.clock.now();
  pit.advance(now);
  pit.hpetLegacy = (from.flags & KVM_PIT_FLAGS_HPET_LEGACY) !== 0;
  pit.speakerData = (from.flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON) !== 0;
  pit.missed = 0;
  pit.counters.forEach((counter, index) => {
    setCounterState(counter, ticksAt(now), from.channels[index]!);
  });
  pit.follow(ticksAt(now));
}

function getCounterState(counter: I8254Counter, tick: number, into: KvmPitChannelState): void {
  const state = counter.state;
  into.count = state.reload || 0x10000;
  into.latched_count = state.latchedCount;
  into.count_latched = latchedState(counter);
  into.status_latched = Number(state.latchedStatus >= 0);
  into.status = state.latchedStatus >= 0 ? state.latchedStatus : counter.status(tick);
  into.read_state = byteState(state.access, state.readHigh);
  into.write_state = byteState(state.access, state.writeLow >= 0);
  into.write_latch = Math.max(state.writeLow, 0);
  into.rw_mode = state.access;
  into.mode = state.mode;
  into.bcd = Number(state.bcd);
  into.gate = Number(state.gate);
  into.count_load_time_num = timeOf(state.start);
}

function setCounterState(counter: I8254Counter, tick: number, from: KvmPitChannelState): void {
  counter.state.gate = from.gate !== 0;
  const mode = from.mode <= MODE.HARDWARE_STROBE ? from.mode : UNPROGRAMMED;
  counter.program(tick, from.rw_mode & 3 || RW.LSB_MSB, mode, from.bcd !== 0);
  counter.setCount(tick, from.count);
  const state = counter.state;
  state.readHigh = from.read_state === RW_STATE.WORD1 || from.count_latched === RW_STATE.WORD1;
  state.writeLow = from.write_state === RW_STATE.WORD1 ? from.write_latch : -1;
  state.latchedCount = from.latched_count;
  state.latchedBytes = from.count_latched === 0 ? 0 : from.count_latched === RW_STATE.WORD0 ? 2 : 1;
  state.latchedStatus = from.status_latched ? from.status : -1;
}

function latchedState({ state }: I8254Counter): number {
  return state.latchedBytes === 0 ? 0 : byteState(state.access, state.readHigh);
}

/** Which byte comes next, in KVM's numbers. */
function byteState(access: number, high: boolean): number {
  if (access === RW.LSB) return RW_STATE.LSB;
  if (access === RW.MSB) return RW_STATE.MSB;
  return high ? RW_STATE.WORD1 : RW_STATE.WORD0;
}
