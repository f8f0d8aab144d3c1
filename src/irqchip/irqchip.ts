import type { Clock } from "../base/clock.ts";
import { IRQ_SOURCE, type IrqchipModel, type IrqLines } from "../kvm/irq-lines.ts";
import type { PitModel } from "../kvm/vm-core.ts";
import { IOAPIC_PINS, IOAPIC_VERSION } from "../spec/ioapic.ts";
import {
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_PIT_SPEAKER_DUMMY,
  type KvmIrqchip,
} from "../spec/kvm/vm-struct.ts";
import { DELIVERY_MODE } from "../spec/lapic.ts";
import { MSI_ADDRESS, MSI_DATA } from "../spec/msi.ts";
import { ApicBus } from "./apic-bus.ts";
import { APIC_PAGE_WORDS, type ApicPage } from "./apic-page.ts";
import { Ioapic, type IoapicState, type MessageBus } from "./ioapic.ts";
import { getIoapicState, getPicState, getPitState, setIoapicState, setPicState, setPitState } from "./kvm-state.ts";
import { Pic, type PicState } from "./pic.ts";
import { Pit, type PitState } from "./pit.ts";
import { VcpuInterrupts } from "./vcpu-interrupts.ts";

/** The GSI that the PIT drives. */
const PIT_GSI = 0;

/** How a vCPU reaches the chips; they may be another thread's. */
export interface ChipAccess {
  readonly bus: ApicBus;
  /** Reads `size` bytes from ports; -1 if the first is not the irqchip's. */
  pioRead(port: number, size: number): number;
  /** Writes `size` bytes to ports; false if the first is not the irqchip's. */
  pioWrite(port: number, size: number, value: number): boolean;
  /** Whether a chip answers at an address, on this vCPU. */
  ownsMmio(vcpu: number, address: number): boolean;
  /** Reads 1, 2, 4 or 8 bytes of a chip's page (the upper half of 8 is 0); -1 if no chip answers there. */
  mmioRead(vcpu: number, address: number, size: number): number;
  /** Writes to a chip's page, `value` being the low 32 bits; false if no chip answers there. */
  mmioWrite(vcpu: number, address: number, size: number, value: number): boolean;
}

export interface IrqchipGlue {
  readonly clock: Clock;
  readonly lines: IrqLines;
  /** There may be something for the vCPU to take: an interrupt or an event. */
  kick(vcpu: number): void;
  /** The pages of all vCPUs there may be, if some run in other threads. */
  readonly apicPages?: ApicPage[];
  /** The local APICs, if they are somebody else's: where the I/O APIC sends to, and what INT of the PIC is told. */
  readonly localApics?: { readonly bus: MessageBus; picOutput(level: boolean): void };
}

export interface VcpuConfig {
  readonly apicId: number;
  readonly bsp: boolean;
  /** CPUID.1:ECX.X2APIC and TSC_DEADLINE, CPUID.80000008H:EAX[7:0]. */
  readonly x2apic: boolean;
  readonly tscDeadline: boolean;
  readonly physicalAddressBits: number;
  /** The time in ns of the machine's clock at which the vCPU's TSC reaches a value; rounded up. */
  tscToNs(lo: number, hi: number): number;
}

export interface IrqchipState {
  version: 1;
  pic: PicState;
  ioapic: IoapicState;
  pit: PitState | undefined;
}

/**
 * What KVM_CREATE_IRQCHIP makes, and KVM_CREATE_PIT2: the chips of one VM, wired as in a PC. Nothing runs by itself:
 * the engine calls `advance` when the clock passes `nextDeadline`, which may change with every access.
 */
export class Irqchip implements IrqchipModel, ChipAccess {
  readonly glue: IrqchipGlue;
  readonly bus: ApicBus;
  readonly pic: Pic;
  readonly ioapic: Ioapic;
  /** The vCPUs of this thread, and the same by their number. */
  readonly vcpus: VcpuInterrupts[] = [];
  readonly #byNumber: VcpuInterrupts[] = [];
  pit: Pit | undefined;
  /** The best result of the pins set since it was last made -1; for the PIT. */
  #delivered = -1;

  constructor(glue: IrqchipGlue) {
    this.glue = glue;
    this.bus = new ApicBus(glue.apicPages ?? [], (vcpu) => glue.kick(vcpu));
    this.pic = new Pic({ output: (level) => this.#setLint0(level), acked: (pin) => this.#picAcked(pin) });
    this.ioapic = new Ioapic(
      { version: IOAPIC_VERSION.I82093AA },
      { bus: glue.localApics?.bus ?? this.bus, acked: (pin) => this.#ioapicAcked(pin) },
    );
  }

  /** Adds a vCPU of this thread: its local APIC over `page`, APIC_PAGE_WORDS words that may be shared between threads. */
  addVcpu(
    config: VcpuConfig,
    page: ApicPage = new Uint32Array(APIC_PAGE_WORDS),
    vcpu = this.vcpus.length,
  ): VcpuInterrupts {
    const { apicId, bsp, x2apic, tscDeadline, physicalAddressBits } = config;
    this.bus.pages[vcpu] = page;
    const interrupts = new VcpuInterrupts(
      { vcpu, apicId, bsp, x2apic, tscDeadline, physicalAddressBits, directedEoi: false },
      page,
      this.pic,
      {
        bus: this.bus,
        clock: this.glue.clock,
        tscToNs: (lo, hi) => config.tscToNs(lo, hi),
        eoi: (vector, broadcast) => this.#eoi(vector, broadcast),
      },
    );
    this.vcpus.push(interrupts);
    this.#byNumber[vcpu] = interrupts;
    return interrupts;
  }

  /** KVM_CREATE_PIT2 with the flags of kvm_pit_config. */
  createPit(flags: number): PitModel {
    const pit = new Pit(
      { speaker: (flags & KVM_PIT_SPEAKER_DUMMY) !== 0, reinject: true },
      { clock: this.glue.clock, output: (level) => this.#pitOutput(level) },
    );
    this.pit = pit;
    return { getState: (into) => getPitState(pit, into), setState: (state) => setPitState(pit, state) };
  }

  /** Reads `size` bytes from ports; -1 if the first is not the irqchip's. */
  pioRead(port: number, size: number): number {
    let value = this.#portRead(port);
    if (value < 0) return -1;
    for (let index = 1; index < size; index++) value |= (this.#portRead(port + index) & 0xff) << (index * 8);
    return value >>> 0;
  }

  /** Writes `size` bytes to ports; false if the first is not the irqchip's. */
  pioWrite(port: number, size: number, value: number): boolean {
    if (!this.#portWrite(port, value & 0xff)) return false;
    for (let index = 1; index < size; index++) this.#portWrite(port + index, (value >>> (index * 8)) & 0xff);
    return true;
  }

  /** Whether a chip answers at an address, on this vCPU. */
  ownsMmio(vcpu: number, address: number): boolean {
    return this.#byNumber[vcpu]!.registers.offsetOf(address) >= 0 || this.ioapic.owns(address);
  }

  /** Reads 1, 2, 4 or 8 bytes of a chip's page (the upper half of 8 is 0); -1 if no chip answers there. */
  mmioRead(vcpu: number, address: number, size: number): number {
    const { registers } = this.#byNumber[vcpu]!;
    const offset = registers.offsetOf(address);
    if (offset >= 0) return registers.readMmio(offset, size) >>> 0;
    return this.ioapicRead(address, size);
  }

  /** Writes to a chip's page, `value` being the low 32 bits; false if no chip answers there. */
  mmioWrite(vcpu: number, address: number, size: number, value: number): boolean {
    const { registers } = this.#byNumber[vcpu]!;
    const offset = registers.offsetOf(address);
    if (offset < 0) return this.ioapicWrite(address, size, value);
    registers.writeMmio(offset, size, value);
    return true;
  }

  /** The part of `mmioRead` that is no local APIC's. */
  ioapicRead(address: number, size: number): number {
    if (!this.ioapic.owns(address)) return -1;
    return this.ioapic.readMmio(address - this.ioapic.baseAddress, size) >>> 0;
  }

  /** The part of `mmioWrite` that is no local APIC's. */
  ioapicWrite(address: number, size: number, value: number): boolean {
    if (!this.ioapic.owns(address)) return false;
    this.ioapic.writeMmio(address - this.ioapic.baseAddress, size, value);
    return true;
  }

  setPicLine(pin: number, level: boolean): void {
    this.#delivered = Math.max(this.#delivered, this.pic.setLine(pin, level));
  }

  setIoapicLine(pin: number, level: boolean): void {
    this.#delivered = Math.max(this.#delivered, this.ioapic.setLine(pin, level));
  }

  /** An MSI; true if a vCPU took it. [SDM 3A 11.11] */
  deliverMsi(addressLo: number, _addressHi: number, data: number): boolean {
    const mode = (data >> MSI_DATA.DELIVERY_MODE_SHIFT) & MSI_DATA.DELIVERY_MODE;
    const hinted = mode === DELIVERY_MODE.FIXED && (addressLo & MSI_ADDRESS.REDIRECTION_HINT) !== 0;
    const result = this.bus.send(
      (addressLo >>> MSI_ADDRESS.DESTINATION_SHIFT) & MSI_ADDRESS.DESTINATION,
      (addressLo & MSI_ADDRESS.LOGICAL) !== 0,
      hinted ? DELIVERY_MODE.LOWEST_PRIORITY : mode,
      data & MSI_DATA.VECTOR,
      (data & MSI_DATA.LEVEL) !== 0,
    );
    return result >= 0;
  }

  /** When `advance` is to be called, in ns; Infinity for never. */
  nextDeadline(): number {
    let deadline = this.pit ? this.pit.nextDeadline() : Infinity;
    for (let vcpu = 0; vcpu < this.vcpus.length; vcpu++)
      deadline = Math.min(deadline, this.vcpus[vcpu]!.lapic.nextDeadline());
    return deadline;
  }

  /** Delivers the timers' interrupts that are due at `now`. */
  advance(now: number): void {
    this.pit?.advance(now);
    for (let vcpu = 0; vcpu < this.vcpus.length; vcpu++) this.vcpus[vcpu]!.lapic.advance(now);
  }

  /** All chips but the local APICs, whose states are the vCPUs'. */
  save(): IrqchipState {
    return { version: 1, pic: this.pic.save(), ioapic: this.ioapic.save(), pit: this.pit?.save() };
  }

  /** `state` comes from an irqchip with a PIT if this one has one. */
  restore(state: IrqchipState): void {
    this.pic.restore(state.pic);
    this.ioapic.restore(state.ioapic);
    if (state.pit) this.pit?.restore(state.pit);
  }

  /** KVM_GET_IRQCHIP */
  getState(chip: KvmIrqchip): void {
    chip.chip.bytes.fill(0);
    if (chip.chip_id === KVM_IRQCHIP_IOAPIC) getIoapicState(this.ioapic, chip.chip.ioapic);
    else getPicState(chip.chip_id === KVM_IRQCHIP_PIC_MASTER ? this.pic.master : this.pic.slave, chip.chip.pic);
  }

  /** KVM_SET_IRQCHIP */
  setState(chip: KvmIrqchip): void {
    if (chip.chip_id === KVM_IRQCHIP_IOAPIC) return setIoapicState(this.ioapic, chip.chip.ioapic);
    setPicState(chip.chip_id === KVM_IRQCHIP_PIC_MASTER ? this.pic.master : this.pic.slave, chip.chip.pic);
    this.pic.update();
  }

  #portRead(port: number): number {
    if (this.pic.owns(port)) return this.pic.read(port);
    return this.pit?.owns(port) ? this.pit.read(port) : -1;
  }

  #portWrite(port: number, value: number): boolean {
    if (this.pic.owns(port)) this.pic.write(port, value);
    else if (this.pit?.owns(port)) this.pit.write(port, value);
    else return false;
    return true;
  }

  #setLint0(level: boolean): void {
    this.glue.localApics?.picOutput(level);
    for (let vcpu = 0; vcpu < this.vcpus.length; vcpu++) this.vcpus[vcpu]!.lapic.setLint0(level);
  }

  #pitOutput(level: boolean): number {
    this.#delivered = -1;
    this.glue.lines.set(IRQ_SOURCE.PIT, PIT_GSI, level ? 1 : 0);
    return this.#delivered;
  }

  /** The service of a vector ended at a local APIC of another thread. */
  remoteEoi(vector: number): void {
    this.ioapic.eoi(vector);
    if (this.pitWaits) this.#endPitInterrupt(vector);
  }

  /** Whether the PIT has interrupts that the guest missed: it waits for the EOI of the one before. */
  get pitWaits(): boolean {
    return this.pit !== undefined && this.pit.missed > 0;
  }

  #eoi(vector: number, broadcast: boolean): void {
    if (broadcast) this.ioapic.eoi(vector);
    else if (this.pitWaits) this.#endPitInterrupt(vector);
  }

  /** The EOI of an edge-triggered vector stays in the local APIC; only the PIT's missed interrupts wait for it. */
  #endPitInterrupt(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      if (!this.ioapic.hasVector(pin, vector)) continue;
      if (this.glue.lines.routing.gsiOfIoapicPin(pin) === PIT_GSI) this.pit!.acked();
    }
  }

  #picAcked(pin: number): void {
    if (this.pit && this.glue.lines.routing.gsiOfPicPin(pin) === PIT_GSI) this.pit.acked();
    this.glue.lines.picAcked(pin);
  }

  #ioapicAcked(pin: number): void {
    if (this.pit && this.glue.lines.routing.gsiOfIoapicPin(pin) === PIT_GSI) this.pit.acked();
    this.glue.lines.ioapicAcked(pin);
  }
}
