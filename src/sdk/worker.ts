/** The thread of a machine: vCPU 0 and all devices; and those of its other vCPUs. They block, so nothing here waits for events. */

import { parentPort, workerData } from "node:worker_threads";
import { SharedAlarm } from "../backend/alarm.ts";
import { openDisk } from "../backend/block/open.ts";
import { RingBackend } from "../backend/chardev/ring-backend.ts";
import { GuestConsole } from "../backend/console/console-link.ts";
import { GuestLink } from "../backend/net/ring-link.ts";
import { P9Server } from "../backend/share/p9-server.ts";
import { openFolder } from "../backend/share/shared-folder.ts";
import { assert, UserError } from "../base/assert.ts";
import { HostEngine } from "../engine/host/engine.ts";
import { stayInterruptible } from "../engine/host/interruptible.ts";
import { HostVcpu } from "../engine/host/vcpu.ts";
import { WasmEngine } from "../engine/wasm/engine.ts";
import { WasmVcpu } from "../engine/wasm/vcpu.ts";
import type { JitOptions } from "../engine/wasm/vcpu-host.ts";
import { WasmVm } from "../engine/wasm/vm.ts";
import { shareTag } from "../image/guest-shares.ts";
import { KvmError } from "../kvm/errno.ts";
import type { BoardDisk, BoardShare } from "../machine/board.ts";
import { MachineControl } from "../machine/control.ts";
import { Machine } from "../machine/machine.ts";
import { ENOMEM } from "../spec/kvm/errno.ts";
import { CompileThread } from "./compile-thread.ts";
import { HostClock } from "./host-clock.ts";
import { HostRandom } from "./host-random.ts";
import type { DiskOptions, ShareOptions } from "./options.ts";
import { type ProcessorSetup, Processors, runProcessor } from "./processors.ts";
import type { RunningVcpu } from "./running-vcpu.ts";
import type { WorkerError, WorkerMessage, WorkerSetup } from "./worker-protocol.ts";

interface Consoles {
  readonly serial: RingBackend;
  readonly serial2: RingBackend | undefined;
}

/** Looks that find a block at work before it is compiled: see RegionGlue. */
const THRESHOLD = 16;

const compileInThread: JitOptions = (memory) => ({ compiler: new CompileThread(memory), threshold: THRESHOLD });

function jitOf({ jit }: WorkerSetup): JitOptions | undefined {
  return jit === "off" ? undefined : compileInThread;
}

function post(message: WorkerMessage): void {
  parentPort!.postMessage(message);
}

interface MachineParts {
  readonly engine: WasmEngine | HostEngine;
  readonly consoles: Consoles;
  readonly disks: readonly BoardDisk[];
  readonly shares: readonly BoardShare[];
  readonly clock: HostClock;
  readonly random: HostRandom;
  readonly processors: Processors;
}

function createMachine(setup: WorkerSetup, { consoles, disks, shares, processors, ...parts }: MachineParts): Machine {
  return new Machine(setup.config, {
    ...parts,
    ...consoles,
    disks,
    shares,
    console: setup.agent && new GuestConsole(setup.agent),
    networks: setup.network ? [{ ...setup.network, backend: new GuestLink(setup.network.link) }] : [],
    startSecondaries: processors.start,
    alarm: new SharedAlarm(setup.alarm),
    control: new MachineControl(setup.control),
  });
}

function run(setup: WorkerSetup, consoles: Consoles): void {
  const disks = setup.disks.map(openBoardDisk);
  const shares = setup.shares.map(openShare);
  const [clock, random] = [new HostClock(), new HostRandom()];
  const { modules } = setup;
  const processors = new Processors(new URL(import.meta.url), modules, clock);
  const engine = modules ? new WasmEngine(modules, clock, random, jitOf(setup)) : new HostEngine();
  const stop = modules ? undefined : stayInterruptible();
  try {
    runMachine(createMachine(setup, { engine, consoles, disks, shares, clock, random, processors }));
  } finally {
    stop?.();
    processors.close();
    if (engine instanceof HostEngine) engine.close();
    for (const { disk } of disks) disk.close();
    for (const { server } of shares) server.close();
  }
}

function openBoardDisk({ file, format, readOnly = false, serial }: DiskOptions, index: number): BoardDisk {
  const disk = openDisk(file, { format, readOnly, lock: false });
  return { disk, serial: serial ?? `tskvm-${index}` };
}

function openShare({ hostPath, readOnly = false }: ShareOptions, index: number) {
  return { server: new P9Server(openFolder(hostPath), readOnly), tag: shareTag(index) };
}

function runMachine(machine: Machine): void {
  post({ type: "started", vcpu: runningVcpu(machine), missingFeatures: machine.missingFeatures });
  const outcome = machine.run();
  const vcpu = machine.vcpus[0];
  post({ type: "ended", outcome, regions: vcpu instanceof WasmVcpu ? vcpu.regions?.counts : undefined });
  machine.close();
}

function runningVcpu(machine: Machine): RunningVcpu {
  const { vm } = machine;
  const vcpu = machine.vcpus[0];
  if (vcpu instanceof HostVcpu) return { engine: "host", vcpu: vcpu.shared };
  assert(vm instanceof WasmVm, "there are two engines");
  return { engine: "wasm", vcpus: Array.from({ length: machine.processors }, (_, id) => vm.sharedVcpu(id)) };
}

function asWorkerError(error: unknown): WorkerError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  if (error instanceof UserError) return { message, stack, remedy: error.remedy };
  if (error instanceof KvmError && error.errno === ENOMEM)
    return {
      message: "this system does not give the machine its memory",
      stack,
      remedy: "Ask for less with --memory.",
    };
  return { message, stack, remedy: undefined };
}

/** The whole life of the thread. */
function start(setup: WorkerSetup): void {
  const serial = new RingBackend(setup.console);
  const serial2 = setup.command && new RingBackend(setup.command);
  try {
    run(setup, { serial, serial2 });
  } catch (error) {
    post({ type: "failed", error: asWorkerError(error) });
  } finally {
    serial.close();
    serial2?.close();
  }
}

if (workerData) runProcessor(workerData as ProcessorSetup);
else parentPort!.once("message", start);
