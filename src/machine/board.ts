import type { BlockBackend } from "../backend/block/block.ts";
import { type CharBackend, nullBackend } from "../backend/chardev/chardev.ts";
import type { GuestConsole } from "../backend/console/console-link.ts";
import type { NetBackend } from "../backend/net/net-backend.ts";
import type { Responder } from "../backend/share/responder.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Device, DeviceState } from "../bus/device.ts";
import type { InterruptLine } from "../bus/interrupt-line.ts";
import { MmioSpace } from "../bus/mmio.ts";
import { PortSpace } from "../bus/pio.ts";
import type { RegisterBlock } from "../bus/register-block.ts";
import { TimerQueue } from "../bus/timer.ts";
import { A20Gate } from "../device/a20-gate.ts";
import { AcpiPm } from "../device/acpi-pm.ts";
import { DebugConsole, DebugExit, PostPort } from "../device/debug-ports.ts";
import { FwCfg } from "../device/fw-cfg.ts";
import { I8042 } from "../device/i8042.ts";
import { PcTestdev } from "../device/pc-testdev.ts";
import { PciConfigPorts } from "../device/pci/config-ports.ts";
import type { SignalMsi } from "../device/pci/msix.ts";
import { Rtc } from "../device/rtc.ts";
import { ResetControl, SystemControlPortA } from "../device/system-control.ts";
import { Uart16550 } from "../device/uart16550.ts";
import { Virtio9p } from "../device/virtio/virtio-9p.ts";
import { VirtioBlk } from "../device/virtio/virtio-blk.ts";
import { VirtioConsole } from "../device/virtio/virtio-console.ts";
import type { VirtioFunction } from "../device/virtio/virtio-device.ts";
import { VirtioNet } from "../device/virtio/virtio-net.ts";
import { VirtioPci } from "../device/virtio/virtio-pci.ts";
import { VirtioRng } from "../device/virtio/virtio-rng.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { TESTDEV_MEMORY_SIZE } from "../spec/pc-testdev.ts";
import { PCI_CLASS } from "../spec/pci/config-space.ts";
import { VIRTIO_NET_QUEUE } from "../spec/virtio/virtio-net.ts";
import { IRQ, PM_TIMER_BITS, PORT, RESET_CONTROL_PORT, SLEEP_TYPE_S5, TESTDEV_MEMORY_ADDRESS } from "./board-map.ts";
import { cmosContents } from "./cmos-contents.ts";
import { PciBus } from "./pci-bus.ts";

export interface BoardConfig {
  /** Bytes of RAM. */
  readonly memorySize: number;
  /** Whether there is a debug-exit port. */
  readonly debugExit?: boolean | undefined;
  /** Whether there is a pc-testdev. */
  readonly testDevice?: boolean | undefined;
  /** Whether firmware runs, which is told about the machine and shown where its console is. */
  readonly firmware?: boolean | undefined;
  readonly vcpus?: number | undefined;
}

export interface BoardGlue {
  readonly clock: Clock;
  /** The outside of COM1. */
  readonly serial: CharBackend;
  /** The outside of COM2; without it nothing is connected there. */
  readonly serial2?: CharBackend | undefined;
  /** The outside of the debug console; without it there is none. */
  readonly debugConsole?: CharBackend | undefined;
  /** Hears when, in ns of machine time, `poll` must be called for the sake of timers; Infinity: never. */
  readonly onDeadline?: ((deadline: number) => void) | undefined;
  /** The wire of an interrupt that both interrupt controllers have. */
  readonly interruptLine: (irq: number) => InterruptLine;
  readonly signalMsi: SignalMsi;
  readonly memory: GuestMemory;
  /** Disks, each behind a virtio device. */
  readonly disks?: readonly BoardDisk[] | undefined;
  /** What network cards are connected to. */
  readonly networks?: readonly BoardNetwork[] | undefined;
  /** Folders of the host's, each behind a virtio device. */
  readonly shares?: readonly BoardShare[] | undefined;
  /** The outside of a virtio console; without it there is none. */
  readonly console?: GuestConsole | undefined;
  /** What the virtio entropy device gives; without it there is no such device. */
  readonly random?: Random | undefined;
}

/** A disk and what its guest reads as its serial number. */
export interface BoardDisk {
  readonly disk: BlockBackend;
  readonly serial: string;
  /** Told of an error of the host's. */
  readonly onError?: ((error: Error) => void) | undefined;
}

/** What a network card is connected to, and its address. */
export interface BoardNetwork {
  readonly backend: NetBackend;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly mtu: number;
}

/** A folder of the host's, and what the guest mounts it by. */
export interface BoardShare {
  readonly server: Responder;
  /** ASCII. */
  readonly tag: string;
}

/** The end that a device asked for. */
export type BoardEnd =
  | { readonly kind: "poweroff" }
  | { readonly kind: "reset" }
  | { readonly kind: "debug-exit"; readonly status: number };

/** State of all devices by name. */
export type BoardState = { readonly [device: string]: DeviceState };

/** The devices of a PC without a screen, on their buses. It knows nothing of processors. */
export class Board {
  // glue
  readonly ports = new PortSpace();
  readonly mmio = new MmioSpace();
  readonly timers: TimerQueue;
  readonly post = new PostPort();
  private readonly com1: Uart16550;
  private readonly com2: Uart16550;
  private readonly pm: AcpiPm;
  private readonly pci: PciBus;
  private readonly cards: { card: VirtioNet; device: VirtioPci }[] = [];
  private console: VirtioConsole | undefined;
  private readonly devices: readonly Device[];
  private readonly line: (irq: number) => InterruptLine;
  /** Called with the vector whose service ended at a local APIC that tells. */
  interruptEnded: (vector: number) => void = () => {};
  // state
  /** What a device asked for since it was last cleared; the first one counts. */
  end: BoardEnd | undefined;

  constructor(config: BoardConfig, glue: BoardGlue) {
    this.timers = new TimerQueue(glue.clock, glue.onDeadline);
    this.line = glue.interruptLine;
    this.com1 = new Uart16550("com1", { backend: glue.serial, interrupt: this.line(IRQ.COM1) });
    this.com2 = new Uart16550("com2", { backend: glue.serial2 ?? nullBackend, interrupt: this.line(IRQ.COM2) });
    this.pm = this.createPm();
    const rtc = new Rtc({ timers: this.timers, interrupt: this.line(IRQ.RTC) }, cmosContents(config.memorySize));
    this.pci = new PciBus({ mmio: this.mmio, line: this.line, signalMsi: glue.signalMsi });
    this.claim("com1", PORT.COM1, this.com1);
    this.claim("com2", PORT.COM2, this.com2);
    this.claim("rtc", PORT.RTC, rtc);
    this.claim("post", PORT.POST, this.post);
    const testDevice = config.testDevice ? [this.addTestDevice()] : [];
    const bridges = [...this.addKeyboardController(), ...this.addPci(glue), ...this.addFwCfg(config)];
    this.devices = [this.com1, this.com2, this.pm, rtc, ...bridges, ...testDevice];
    if (config.debugExit) this.claim("debug-exit", PORT.DEBUG_EXIT, this.createDebugExit());
    if (glue.debugConsole) {
      this.claim("debug-console", PORT.DEBUG_CONSOLE, new DebugConsole({ backend: glue.debugConsole }));
      if (config.firmware)
        this.claim("firmware-debug", PORT.FIRMWARE_DEBUG, new DebugConsole({ backend: glue.debugConsole }));
    }
  }

  reset(): void {
    this.end = undefined;
    for (const device of this.devices) device.reset();
    this.pci.place();
  }

  /** Lets input in and timers fire: called whenever a vCPU was asked to come out. */
  poll(): void {
    this.com1.poll();
    this.com2.poll();
    for (const { card, device } of this.cards) {
      if (!card.needsAttention) continue;
      device.wake(VIRTIO_NET_QUEUE.RECEIVE);
      device.wake(VIRTIO_NET_QUEUE.TRANSMIT);
    }
    this.console?.poll();
    this.timers.runExpired();
  }

  pressPowerButton(): void {
    this.pm.pressPowerButton();
  }

  snapshot(): BoardState {
    return Object.fromEntries(this.devices.map((device) => [device.name, device.snapshot()]));
  }

  /** Throws UserError if a device's state is missing or of another version. */
  restore(state: BoardState): void {
    for (const device of this.devices) device.restore(state[device.name] ?? { version: 0 });
  }

  private claim(name: string, range: { first: number; length: number }, registers: RegisterBlock): void {
    this.ports.claim(name, range.first, range.length, registers);
  }

  private endWith(end: BoardEnd): void {
    this.end ??= end;
  }

  private readonly onReset = () => this.endWith({ kind: "reset" });

  private createDebugExit(): DebugExit {
    return new DebugExit({ onExit: (status) => this.endWith({ kind: "debug-exit", status }) });
  }

  private createPm(): AcpiPm {
    const config = { timerBits: PM_TIMER_BITS, s5SleepType: SLEEP_TYPE_S5 } as const;
    const onPowerOff = () => this.endWith({ kind: "poweroff" });
    const pm = new AcpiPm(config, { timers: this.timers, sci: this.line(IRQ.SCI), onPowerOff });
    this.claim("pm1-event", PORT.PM1_EVENT, pm.events);
    this.claim("pm1-control", PORT.PM1_CONTROL, pm.control);
    this.claim("pm-timer", PORT.PM_TIMER, pm.timer);
    return pm;
  }

  private addKeyboardController(): Device[] {
    const { onReset } = this;
    const a20 = new A20Gate();
    const [keyboardInterrupt, auxInterrupt] = [this.line(IRQ.KEYBOARD), this.line(IRQ.AUX)];
    const i8042 = new I8042({ keyboardInterrupt, auxInterrupt, a20, onReset });
    this.claim("i8042-data", PORT.I8042_DATA, i8042.data);
    this.claim("i8042-control", PORT.I8042_CONTROL, i8042.control);
    this.claim("system-control-a", PORT.SYSTEM_CONTROL_A, new SystemControlPortA({ a20, onReset }));
    return [a20, i8042];
  }

  private addTestDevice(): Device {
    const device = new PcTestdev({ line: this.line });
    this.claim("testdev-echo", PORT.TESTDEV_ECHO, device.echo);
    this.claim("testdev-lines", PORT.TESTDEV_LINES, device.lines);
    this.mmio.claim("testdev-memory", TESTDEV_MEMORY_ADDRESS, TESTDEV_MEMORY_SIZE, device.memory);
    return device;
  }

  private addFwCfg({ firmware, vcpus = 1 }: BoardConfig): Device[] {
    if (!firmware) return [];
    const fwCfg = new FwCfg({ cpus: vcpus, files: new Map([["etc/sercon-port", word(PORT.COM1.first)]]) });
    this.claim("fw-cfg", PORT.FW_CFG, fwCfg);
    return [fwCfg];
  }

  private addPci({ disks = [], networks = [], shares = [], console, random, memory }: BoardGlue): Device[] {
    const resetControl = new ResetControl({ onReset: this.onReset });
    const others = new Map([[RESET_CONTROL_PORT - PORT.PCI_CONFIG.first, resetControl]]);
    const config = new PciConfigPorts(this.pci.functions, others);
    this.claim("pci-config", PORT.PCI_CONFIG, config);
    const virtio = (what: VirtioFunction, classCode: number) =>
      this.pci.add((glue) => new VirtioPci(what, { classCode }, { ...glue, memory }));
    const blocks = disks.map(({ disk, serial, onError }, index) =>
      virtio(new VirtioBlk({ name: `virtio-blk-${index}`, serial }, { disk, memory, onError }), PCI_CLASS.SCSI),
    );
    const cards = networks.map(({ backend, mac, mtu }, index) => {
      const card = new VirtioNet({ name: `virtio-net-${index}`, mac, mtu }, backend);
      const device = virtio(card, PCI_CLASS.ETHERNET);
      this.cards.push({ card, device });
      return device;
    });
    const folders = shares.map(({ server, tag }, index) =>
      virtio(new Virtio9p(`virtio-9p-${index}`, tag, server), PCI_CLASS.OTHER),
    );
    const consoles = console ? [this.addConsole(console, virtio)] : [];
    const rng = random ? [virtio(new VirtioRng(random), PCI_CLASS.OTHER)] : [];
    return [resetControl, config, ...blocks, ...cards, ...folders, ...consoles, ...rng];
  }

  private addConsole(outside: GuestConsole, virtio: (what: VirtioFunction, classCode: number) => VirtioPci): VirtioPci {
    this.console = new VirtioConsole(outside);
    const device = virtio(this.console, PCI_CLASS.OTHER);
    this.console.wake = (queue) => device.wake(queue);
    return device;
  }
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}
