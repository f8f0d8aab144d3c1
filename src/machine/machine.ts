import type { CharBackend } from "../backend/chardev/chardev.ts";
import type { GuestConsole } from "../backend/console/console-link.ts";
import { UserError } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { create } from "../base/struct-layout.ts";
import type { SignalMsi } from "../device/pci/msix.ts";
import { writeAcpiTables } from "../firmware/acpi/build.ts";
import { biosRange, writeBios } from "../firmware/bios.ts";
import type { BootModule } from "../firmware/boot-request.ts";
import type { BootMode } from "../firmware/initial-state.ts";
import { loadKernel } from "../firmware/kernel.ts";
import { type MemoryRange, ramRanges, systemMemoryMap } from "../firmware/memory-map.ts";
import type { Engine, Vm } from "../kvm/engine.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import { KVM_CAP_READONLY_MEM, KVM_CAP_SET_IDENTITY_MAP_ADDR, KVM_CAP_SET_TSS_ADDR } from "../spec/kvm/capability.ts";
import type { KvmCpuid2 } from "../spec/kvm/vcpu-struct.ts";
import { KVM_MEM_READONLY, kvm_userspace_memory_region } from "../spec/kvm/vm-struct.ts";
import type { CpuIdentity } from "../spec/x86/cpu-model.ts";
import { acpiDescription } from "./acpi-description.ts";
import { Board, type BoardDisk, type BoardNetwork, type BoardShare, type BoardState } from "./board.ts";
import { IDENTITY_MAP_ADDRESS, TSS_ADDRESS, VCPUS_MAXIMUM } from "./board-map.ts";
import { MachineControl, REQUEST } from "./control.ts";
import { type CpuRequest, parseCpu, requestedFeatures } from "./cpu-model.ts";
import { hasFeature, vcpuCpuid } from "./cpuid.ts";
import { ExitLoop } from "./exit-loop.ts";
import { enableCaching, enterInitialState } from "./initial-vcpu.ts";
import {
  createControllers,
  type InterruptControllers,
  type IrqchipKind,
  irqchipKind,
} from "./interrupt-controllers.ts";
import { checkMemorySize } from "./memory-size.ts";
import { modelCpuid, shownFeatures } from "./model-cpuid.ts";
import type { Outcome } from "./outcome.ts";
import { SecondaryVcpus, type StartSecondaries, secondarySetup } from "./secondary-vcpus.ts";
import { captureVcpu, restoreVcpu, type VcpuState } from "./vcpu-state.ts";

/** What is loaded instead of firmware; see `BootRequest`. */
export interface BootSource {
  readonly kernel: Uint8Array;
  readonly unpacked?: Uint8Array | undefined;
  /** What messages call the kernel file. */
  readonly kernelName: string;
  readonly commandLine: string;
  readonly initrd?: Uint8Array | undefined;
  readonly modules?: readonly BootModule[] | undefined;
  readonly mode?: BootMode | undefined;
}

/** Firmware that finds something to boot by itself. */
export interface FirmwareSource {
  /** A PC BIOS of 64 to 256 KiB. */
  readonly firmware: Uint8Array;
  /** What messages call its file. */
  readonly firmwareName: string;
}

export interface MachineConfig {
  /** Bytes of RAM: a whole number of MiB from 32 MiB to 3 GiB. */
  readonly memorySize: number;
  /** What CPUID shows; the default model if not given. */
  readonly cpu?: CpuRequest | undefined;
  /** The processor that the model "host" is named after; the engine's own if not given. */
  readonly hostCpu?: CpuIdentity | undefined;
  /** Number of vCPUs; 1 if not given. */
  readonly vcpus?: number | undefined;
  readonly boot: BootSource | FirmwareSource;
  /** Whether a write of V to port 0xf4 ends the machine with status (V << 1) | 1. */
  readonly debugExit?: boolean | undefined;
  /** Whether there is a pc-testdev. */
  readonly testDevice?: boolean | undefined;
  /** Where the interrupt controllers are; all in the engine if it can, if not given. */
  readonly irqchip?: IrqchipKind | undefined;
  /** What a reset does: start the kernel anew, or end the run. "reboot" if not given. */
  readonly onReset?: "reboot" | "end" | undefined;
}

/** Asks for a call of the machine's `kick` after `delayMs`; Infinity calls an earlier request off. */
export interface Alarm {
  set(delayMs: number): void;
}

export interface MachineGlue {
  readonly engine: Engine;
  readonly clock: Clock;
  /** The outside of COM1. After input has come, kick the machine. */
  readonly serial: CharBackend;
  /** The outside of COM2, likewise; without it nothing is connected there. */
  readonly serial2?: CharBackend | undefined;
  readonly debugConsole?: CharBackend | undefined;
  readonly disks?: readonly BoardDisk[] | undefined;
  readonly networks?: readonly BoardNetwork[] | undefined;
  readonly shares?: readonly BoardShare[] | undefined;
  /** The outside of a virtio console. After something was put into it, kick the machine. */
  readonly console?: GuestConsole | undefined;
  /** What the virtio entropy device gives; without it there is no such device. */
  readonly random?: Random | undefined;
  /** Wakes the machine for its devices' timers; without it they are looked at only when something else wakes it. */
  readonly alarm?: Alarm | undefined;
  /** Requests from other threads. */
  readonly control?: MachineControl | undefined;
  /** Runs the vCPUs after the first; needed if there are any. */
  readonly startSecondaries?: StartSecondaries | undefined;
}

/** A PC without a screen: VM, vCPUs, board and kernel. All calls but `kick` come from the thread that runs it. */
export class Machine {
  // config
  private readonly config: MachineConfig;
  // glue
  readonly vm: Vm;
  /** The vCPUs of this thread: the first. */
  readonly vcpus: readonly Vcpu[];
  private readonly others: SecondaryVcpus;
  readonly board: Board;
  readonly control: MachineControl;
  /** Features of the CPU model that was named, which the engine lacks. */
  readonly missingFeatures: readonly string[];
  private readonly engine: Engine;
  private readonly alarm: Alarm | undefined;
  private readonly loop: ExitLoop;
  private readonly longMode: boolean;
  private readonly controllers: InterruptControllers;
  private readonly powerOn: { readonly vcpus: readonly VcpuState[]; readonly restoreIrqchip: () => void };

  /** Builds the machine and loads the kernel. Throws UserError if the configuration or the kernel will not do. */
  constructor(config: MachineConfig, glue: MachineGlue) {
    checkConfig(config);
    this.config = config;
    this.engine = glue.engine;
    this.alarm = glue.alarm;
    this.control = glue.control ?? new MachineControl();
    const { cpuid, missing } = cpuidOf(config, glue.engine);
    this.missingFeatures = missing;
    const kind = irqchipKind(glue.engine, config.irqchip);
    this.vm = createVm(glue.engine, config);
    this.controllers = createControllers(this.vm, kind, glue.clock);
    this.longMode = hasFeature(cpuid, "lm");
    this.vcpus = [createVcpu(this.vm, vcpuCpuid(cpuid, 0, this.processors))];
    this.others = this.startOthers(cpuid, glue.startSecondaries);
    this.powerOn = {
      vcpus: this.vcpus.map((vcpu) => captureVcpu(glue.engine, vcpu)),
      restoreIrqchip: this.controllers.capture(),
    };
    this.board = this.createBoard(glue);
    this.controllers.attach(this.board);
    this.loop = new ExitLoop(this.vcpus[0]!, this.others, this.controllers, this.board, this.vm.memory);
    try {
      this.load();
      this.others.awaitStart();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Runs the machine in this thread until it ends, or is stopped or paused. After "paused", and after an end that the
   * guest asked for and `reset`, it can be called again.
   */
  run(): Outcome {
    this.board.poll();
    for (;;) {
      const outcome = this.answerRequests() ?? this.loop.run();
      if (outcome === undefined) continue;
      if (outcome.kind !== "reset" || this.config.onReset === "end") return outcome;
      this.reset();
    }
  }

  /** From any thread that has this object: makes `run` look at its input, timers and requests soon. */
  kick(): void {
    this.vcpus[0]!.kick();
  }

  /** Starts anew, as the reset button does: devices, processors and interrupt controllers, and the kernel is loaded again. */
  reset(): void {
    this.loop.complete();
    this.others.reset(() => this.loop.complete());
    this.board.reset();
    this.vcpus.forEach((vcpu, index) => {
      restoreVcpu(vcpu, this.powerOn.vcpus[index]!);
    });
    this.powerOn.restoreIrqchip();
    this.load();
  }

  /** The state of all devices, while the machine is not running. */
  snapshotDevices(): BoardState {
    return this.board.snapshot();
  }

  restoreDevices(state: BoardState): void {
    this.board.restore(state);
  }

  /** The state of this thread's vCPUs, whole; while the machine is not running. */
  snapshotVcpus(): VcpuState[] {
    return this.vcpus.map((vcpu) => captureVcpu(this.engine, vcpu));
  }

  /** Gives everything back to the engine. */
  close(): void {
    this.alarm?.set(Number.POSITIVE_INFINITY);
    this.others.close();
    this.vm.close();
  }

  /** How many vCPUs it has, in all threads. */
  get processors(): number {
    return this.config.vcpus ?? 1;
  }

  private startOthers(cpuid: KvmCpuid2, start?: StartSecondaries): SecondaryVcpus {
    const ids = Array.from({ length: this.processors - 1 }, (_, n) => n + 1);
    const setups = ids.map((id) => secondarySetup(id, vcpuCpuid(cpuid, id, this.processors)));
    if (setups.length === 0) return new SecondaryVcpus([], []);
    if (start) return new SecondaryVcpus(start(this.vm, setups), setups);
    throw new UserError(`${this.processors} processors need threads of their own`, "Give the machine one.");
  }

  private createBoard(glue: MachineGlue): Board {
    const { clock, serial, serial2, debugConsole, alarm } = glue;
    const onDeadline = (deadline: number) => alarm?.set((deadline - clock.now()) / 1e6);
    const interruptLine = (irq: number) => this.controllers.line(irq);
    const signalMsi: SignalMsi = (low, high, data) => void this.vm.signalMsi(low, high, data);
    const { disks, networks, shares, console, random } = glue;
    const { memory } = this.vm;
    const config = { ...this.config, firmware: "firmware" in this.config.boot };
    return new Board(config, {
      ...{
        clock,
        serial,
        serial2,
        debugConsole,
        disks,
        networks,
        shares,
        console,
        random,
        onDeadline,
        interruptLine,
        signalMsi,
        memory,
      },
    });
  }

  private load(): void {
    const { memorySize, boot } = this.config;
    // the processor begins in the firmware, in the state after a reset
    if ("firmware" in boot) return writeBios(this.vm.memory, boot.firmware, biosOf(boot));
    const rsdp = writeAcpiTables(this.vm.memory, acpiDescription(this.processors));
    const memoryMap = systemMemoryMap(memorySize);
    const initial = loadKernel(this.vm.memory, { ...boot, memoryMap, rsdp, longMode: this.longMode });
    enterInitialState(this.vcpus[0]!, initial);
  }

  private answerRequests(): Outcome | undefined {
    const requests = this.control.take();
    if (requests === 0) return undefined;
    if ((requests & REQUEST.STOP) !== 0) return { kind: "stopped" };
    if ((requests & REQUEST.POWER_BUTTON) !== 0) this.board.pressPowerButton();
    if ((requests & REQUEST.RESET) !== 0) this.reset();
    if ((requests & REQUEST.PAUSE) === 0) return undefined;
    this.loop.complete();
    return { kind: "paused" };
  }
}

interface ProcessorCpuid {
  readonly cpuid: KvmCpuid2;
  readonly missing: readonly string[];
}

function cpuidOf({ cpu = parseCpu(), hostCpu }: MachineConfig, engine: Engine): ProcessorCpuid {
  const supported = engine.getSupportedCpuid();
  const { features, missing } = requestedFeatures(cpu, shownFeatures(supported), engine.name);
  const { identity = hostCpu, features: fixed } = cpu.model;
  return { cpuid: modelCpuid(supported, { features, identity, fixed: fixed !== undefined }), missing };
}

function checkConfig({ memorySize, vcpus = 1 }: MachineConfig): void {
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > VCPUS_MAXIMUM)
    throw new UserError(`${vcpus} processors are not what the machine takes`, `Give it 1 to ${VCPUS_MAXIMUM}.`);
  checkMemorySize(memorySize);
}

function createVm(engine: Engine, { memorySize, boot }: MachineConfig): Vm {
  const rom = "firmware" in boot ? biosOf(boot) : undefined;
  const vm = engine.createVm({ maxMemory: memorySize + (rom?.size ?? 0) });
  const readOnly = engine.checkExtension(KVM_CAP_READONLY_MEM) > 0 ? KVM_MEM_READONLY : 0;
  const ram = ramRanges(memorySize);
  ram.forEach((range, slot) => {
    addMemory(vm, slot, range, 0);
  });
  if (rom) addMemory(vm, ram.length, rom, readOnly);
  if (engine.checkExtension(KVM_CAP_SET_IDENTITY_MAP_ADDR) > 0) vm.setIdentityMapAddr(IDENTITY_MAP_ADDRESS);
  if (engine.checkExtension(KVM_CAP_SET_TSS_ADDR) > 0) vm.setTssAddr(TSS_ADDRESS);
  return vm;
}

function addMemory(vm: Vm, slot: number, { addr, size }: MemoryRange, flags: number): void {
  const region = { slot, flags, guest_phys_addr: addr, memory_size: size, userspace_addr: vm.mmap(size) };
  vm.setUserMemoryRegion(create(kvm_userspace_memory_region, region));
}

function biosOf({ firmware, firmwareName }: FirmwareSource): MemoryRange {
  return biosRange(firmware, firmwareName);
}

function createVcpu(vm: Vm, cpuid: KvmCpuid2): Vcpu {
  const vcpu = vm.createVcpu(0);
  vcpu.setCpuid2(cpuid);
  if (hasFeature(cpuid, "mtrr")) enableCaching(vcpu);
  return vcpu;
}
