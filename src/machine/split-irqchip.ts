import type { Clock } from "../base/clock.ts";
import { create } from "../base/struct-layout.ts";
import type { InterruptLine } from "../bus/interrupt-line.ts";
import type { RegisterBlock } from "../bus/register-block.ts";
import type { Timer } from "../bus/timer.ts";
import type { MessageBus } from "../irqchip/ioapic.ts";
import { Irqchip } from "../irqchip/irqchip.ts";
import type { Vm } from "../kvm/engine.ts";
import type { ExitView } from "../kvm/exit.ts";
import { IRQ_SOURCE, IrqLines } from "../kvm/irq-lines.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import { PIT_PORT } from "../spec/i8254.ts";
import { PIC_PORT } from "../spec/i8259.ts";
import { IOAPIC_DEFAULT_BASE, IOAPIC_PINS, IOAPIC_SIZE, REDTBL, REDTBL_DESTINATION_SHIFT } from "../spec/ioapic.ts";
import { KVM_CAP_SPLIT_IRQCHIP } from "../spec/kvm/capability.ts";
import { KVM_IRQ_ROUTING_MSI, KVM_PIT_SPEAKER_DUMMY, kvm_enable_cap, kvm_irq_routing } from "../spec/kvm/vm-struct.ts";
import { DELIVERY_MODE } from "../spec/lapic.ts";
import { MSI_ADDRESS, MSI_DATA } from "../spec/msi.ts";
import type { Board } from "./board.ts";
import type { InterruptControllers } from "./interrupt-controllers.ts";
import { boardRouting } from "./irq-routing.ts";

/** Ports of the chips: first port and number of ports. */
const PORTS = {
  "pic-master": { first: PIC_PORT.MASTER_COMMAND, length: 2 },
  "pic-slave": { first: PIC_PORT.SLAVE_COMMAND, length: 2 },
  "pic-elcr": { first: PIC_PORT.ELCR1, length: 2 },
  pit: { first: PIT_PORT.COUNTER0, length: 4 },
  speaker: { first: PIT_PORT.SPEAKER, length: 1 },
} as const;

/** What of a redirection entry makes its message. */
const MESSAGE = REDTBL.VECTOR | (REDTBL.DELIVERY_MODE << REDTBL.DELIVERY_MODE_SHIFT) | REDTBL.LOGICAL | REDTBL.LEVEL;

/**
 * PIC, I/O APIC and timer on the board, beside an engine that has only the local APICs: KVM_CAP_SPLIT_IRQCHIP. The I/O
 * APIC sends messages; its table is told to the engine as routes, so that the end of a level-triggered interrupt is an
 * exit. The PIC's interrupts are given to vCPU 0 when it can take one.
 */
export class SplitIrqchip implements InterruptControllers {
  private readonly vm: Vm;
  private readonly clock: Clock;
  private readonly lines = new IrqLines();
  private readonly chips: Irqchip;
  private timer: Timer | undefined;
  /** INT of the PIC. */
  private requested = false;
  /** The I/O APIC's table as the engine knows it: message bits and destinations. */
  private readonly routed = { low: new Uint32Array(IOAPIC_PINS), high: new Uint32Array(IOAPIC_PINS) };

  /** The VM has no vCPU yet. */
  constructor(vm: Vm, clock: Clock) {
    this.vm = vm;
    this.clock = clock;
    vm.enableCap(create(kvm_enable_cap, { cap: KVM_CAP_SPLIT_IRQCHIP, args: [IOAPIC_PINS] }));
    this.lines.routing.set(boardRouting());
    const picOutput = (level: boolean): void => {
      this.requested = level;
    };
    const bus: MessageBus = { send: (...message) => this.send(...message) };
    this.chips = new Irqchip({ clock, lines: this.lines, kick() {}, localApics: { bus, picOutput } });
    this.lines.irqchip = this.chips;
    this.chips.createPit(KVM_PIT_SPEAKER_DUMMY);
    // nobody tells the end of an edge-triggered interrupt, at which a missed one would follow
    this.chips.pit!.config.reinject = false;
  }

  line(irq: number): InterruptLine {
    return { set: (level) => this.lines.set(IRQ_SOURCE.USERSPACE, irq, level ? 1 : 0) };
  }

  attach(board: Board): void {
    this.timer = board.timers.createTimer(() => this.advance());
    for (const [name, { first, length }] of Object.entries(PORTS))
      board.ports.claim(name, first, length, this.portBlock(first));
    board.mmio.claim("ioapic", IOAPIC_DEFAULT_BASE, IOAPIC_SIZE, this.ioapicBlock());
    board.interruptEnded = (vector) => this.chips.remoteEoi(vector);
  }

  offer(vcpu: Vcpu, exit: ExitView): void {
    if (this.requested && exit.readyForInterruptInjection) vcpu.interrupt(this.chips.pic.acknowledge());
    exit.requestInterruptWindow = this.requested;
  }

  capture(): () => void {
    const state = this.chips.save();
    return () => {
      this.chips.restore(state);
      this.requested = state.pic.output;
      this.route();
      this.advance();
    };
  }

  private advance(): void {
    this.chips.advance(this.clock.now());
    this.timer?.arm(this.chips.nextDeadline());
  }

  private portBlock(first: number): RegisterBlock {
    return {
      width: 1,
      read: (offset) => this.chips.pioRead(first + offset, 1),
      write: (offset, size, value) => {
        this.chips.pioWrite(first + offset, size, value);
        this.timer?.arm(this.chips.nextDeadline());
      },
    };
  }

  private ioapicBlock(): RegisterBlock {
    return {
      width: 4,
      read: (offset, size) => this.chips.ioapicRead(IOAPIC_DEFAULT_BASE + offset, size),
      write: (offset, size, value) => {
        this.chips.ioapicWrite(IOAPIC_DEFAULT_BASE + offset, size, value);
        this.route();
      },
    };
  }

  private send(destination: number, logical: boolean, mode: number, vector: number, level: boolean): number {
    if (mode === DELIVERY_MODE.EXTINT) return -1;
    return this.vm.signalMsi(addressOf(destination, logical, mode), 0, dataOf(mode, vector, level)) ? 1 : 0;
  }

  /** Tells the engine the table, if a level-triggered entry changed. */
  private route(): void {
    const { low, high } = this.chips.ioapic;
    let changed = false;
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const before = this.routed.low[pin]!;
      const now = low[pin]! & MESSAGE;
      if (now === before && high[pin] === this.routed.high[pin]) continue;
      this.routed.low[pin] = now;
      this.routed.high[pin] = high[pin]!;
      if ((now | before) & REDTBL.LEVEL) changed = true;
    }
    if (changed) this.setRoutes();
  }

  private setRoutes(): void {
    const entries = [...this.routed.low].map((low, gsi) => ({
      gsi,
      type: KVM_IRQ_ROUTING_MSI,
      u: { msi: messageOf(low, this.routed.high[gsi]!) },
    }));
    this.vm.setGsiRouting(create(kvm_irq_routing, { nr: entries.length, entries }));
  }
}

function messageOf(low: number, high: number): { address_lo: number; data: number } {
  const mode = (low >> REDTBL.DELIVERY_MODE_SHIFT) & REDTBL.DELIVERY_MODE;
  return {
    address_lo: addressOf(high >>> REDTBL_DESTINATION_SHIFT, (low & REDTBL.LOGICAL) !== 0, mode),
    data: dataOf(mode, low & REDTBL.VECTOR, (low & REDTBL.LEVEL) !== 0),
  };
}

function addressOf(destination: number, logical: boolean, mode: number): number {
  const how =
    (logical ? MSI_ADDRESS.LOGICAL : 0) | (mode === DELIVERY_MODE.LOWEST_PRIORITY ? MSI_ADDRESS.REDIRECTION_HINT : 0);
  return (MSI_ADDRESS.BASE | (destination << MSI_ADDRESS.DESTINATION_SHIFT) | how) >>> 0;
}

function dataOf(mode: number, vector: number, level: boolean): number {
  return vector | (mode << MSI_DATA.DELIVERY_MODE_SHIFT) | (level ? MSI_DATA.ASSERT | MSI_DATA.LEVEL : 0);
}
