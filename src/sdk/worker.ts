/** The thread of a machine: its vCPU and all its devices. It blocks, so nothing here waits for events. */

import { parentPort } from "node:worker_threads";
import { SharedAlarm } from "../backend/alarm.ts";
import { RingBackend } from "../backend/chardev/ring-backend.ts";
import { assert, UserError } from "../base/assert.ts";
import { WasmEngine } from "../engine/wasm/engine.ts";
import { WasmVcpu } from "../engine/wasm/vcpu.ts";
import { KvmError } from "../kvm/errno.ts";
import { MachineControl } from "../machine/control.ts";
import { Machine } from "../machine/machine.ts";
import { ENOMEM } from "../spec/kvm/errno.ts";
import { HostClock } from "./host-clock.ts";
import { HostRandom } from "./host-random.ts";
import type { WorkerError, WorkerMessage, WorkerSetup } from "./worker-protocol.ts";

interface Consoles {
  readonly serial: RingBackend;
  readonly serial2: RingBackend | undefined;
}

function post(message: WorkerMessage): void {
  parentPort!.postMessage(message);
}

function createMachine(setup: WorkerSetup, consoles: Consoles): Machine {
  const clock = new HostClock();
  return new Machine(setup.config, {
    engine: new WasmEngine(setup.modules, clock, new HostRandom()),
    clock,
    ...consoles,
    alarm: new SharedAlarm(setup.alarm),
    control: new MachineControl(setup.control),
  });
}

function run(setup: WorkerSetup, consoles: Consoles): void {
  const machine = createMachine(setup, consoles);
  const vcpu = machine.vcpus[0];
  assert(vcpu instanceof WasmVcpu, "the engine here is wasm");
  post({ type: "started", vcpu: vcpu.shared });
  post({ type: "ended", outcome: machine.run() });
  machine.close();
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

parentPort!.once("message", start);
