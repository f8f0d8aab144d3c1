/** The threads of the vCPUs after the first. They block, as the machine's does, which starts them. */

import { Worker } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { HostEngine } from "../engine/host/engine.ts";
import { stayInterruptible } from "../engine/host/interruptible.ts";
import { HostKicker, type SharedHostVcpu } from "../engine/host/shared-vcpu.ts";
import { openVcpu } from "../engine/host/vcpu.ts";
import { HostVm } from "../engine/host/vm.ts";
import { WasmEngine } from "../engine/wasm/engine.ts";
import type { WasmModules } from "../engine/wasm/library.ts";
import { kickVcpu } from "../engine/wasm/shared-vcpu.ts";
import { type SharedVm, WasmVm } from "../engine/wasm/vm.ts";
import type { Vm } from "../kvm/engine.ts";
import {
  runSecondary,
  type SecondarySetup,
  type SecondaryVcpu,
  type StartSecondaries,
  secondaryFailed,
} from "../machine/secondary-vcpus.ts";
import { HostClock } from "./host-clock.ts";
import { HostRandom } from "./host-random.ts";

/** What a thread of the wasm engine is given. */
interface SoftwareProcessor {
  readonly engine: "wasm";
  readonly vm: SharedVm;
  readonly modules: WasmModules;
  /** HostClock.origin of the machine's thread. */
  readonly clockOrigin: number;
}

/** What a thread of the host engine is given: its vCPU, and the machine's first. */
interface HostProcessor {
  readonly engine: "host";
  readonly shared: SharedHostVcpu;
  readonly first: SharedHostVcpu;
}

/** What a thread finds as its workerData. */
export type ProcessorSetup = { readonly vcpu: SecondarySetup } & (SoftwareProcessor | HostProcessor);

/** The threads of one machine's vCPUs. */
export class Processors {
  readonly #script: URL;
  readonly #modules: WasmModules | undefined;
  readonly #clock: HostClock;
  readonly #threads: { readonly worker: Worker; readonly vcpu: SecondaryVcpu }[] = [];

  /** `script` gives its workerData to `runProcessor`. `modules`: as WorkerSetup's. */
  constructor(script: URL, modules: WasmModules | undefined, clock: HostClock) {
    this.#script = script;
    this.#modules = modules;
    this.#clock = clock;
  }

  readonly start: StartSecondaries = (vm, setups) => setups.map((setup) => this.#start(vm, setup));

  /** Ends all threads; one that is in KVM_RUN has to come out for that. */
  close(): void {
    for (const { worker, vcpu } of this.#threads) {
      void worker.terminate();
      vcpu.kick();
    }
  }

  #start(vm: Vm, setup: SecondarySetup): SecondaryVcpu {
    return vm instanceof HostVm ? this.#startHost(vm, setup) : this.#startSoftware(vm, setup);
  }

  #startSoftware(vm: Vm, vcpu: SecondarySetup): SecondaryVcpu {
    assert(vm instanceof WasmVm && this.#modules !== undefined, "there are two engines");
    const shared = vm.sharedVcpu(vcpu.id);
    return this.#startThread(
      { vcpu, engine: "wasm", vm: vm.share(), modules: this.#modules, clockOrigin: this.#clock.origin },
      { kvmRun: vm.plan.vcpu(vcpu.id).kvmRun, kick: () => kickVcpu(shared) },
    );
  }

  #startHost(vm: HostVm, setup: SecondarySetup): SecondaryVcpu {
    const vcpu = vm.createVcpu(setup.id);
    return this.#startThread({ vcpu: setup, engine: "host", shared: vcpu.shared, first: vm.vcpus[0]!.shared }, vcpu);
  }

  #startThread(setup: ProcessorSetup, vcpu: SecondaryVcpu): SecondaryVcpu {
    const worker = new Worker(this.#script, { name: `tskvm processor ${setup.vcpu.id}`, workerData: setup });
    this.#threads.push({ worker, vcpu });
    return vcpu;
  }
}

/** The whole life of such a thread. */
export function runProcessor(setup: ProcessorSetup): void {
  if (setup.engine === "host") runOnHost(setup, setup.vcpu);
  else runInSoftware(setup, setup.vcpu);
}

function runInSoftware({ vm, modules, clockOrigin }: SoftwareProcessor, setup: SecondarySetup): void {
  const engine = new WasmEngine(modules, new HostClock(clockOrigin), new HostRandom());
  const attached = engine.attachVm(vm);
  const kickMachine = () => attached.kickOwner();
  orTell(setup, kickMachine, () => runSecondary(engine, attached.createVcpu(setup.id), setup, kickMachine));
}

function runOnHost({ shared, first }: HostProcessor, setup: SecondarySetup): void {
  const kicker = HostKicker.of(first);
  const kickMachine = () => kicker.kick();
  orTell(setup, kickMachine, () => {
    const engine = new HostEngine();
    const stop = stayInterruptible();
    try {
      runSecondary(engine, openVcpu(shared), setup, kickMachine);
    } finally {
      stop();
      engine.close();
    }
  });
}

function orTell(setup: SecondarySetup, kickMachine: () => void, live: () => void): void {
  try {
    live();
  } catch (error) {
    secondaryFailed(setup, kickMachine);
    throw error;
  }
}
