/** The threads of the vCPUs after the first. They block, as the machine's does, which starts them. */

import { Worker } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { WasmEngine } from "../engine/wasm/engine.ts";
import type { WasmModules } from "../engine/wasm/library.ts";
import { kickVcpu } from "../engine/wasm/shared-vcpu.ts";
import { type SharedVm, WasmVm } from "../engine/wasm/vm.ts";
import {
  runSecondary,
  type SecondarySetup,
  type StartSecondaries,
  secondaryFailed,
} from "../machine/secondary-vcpus.ts";
import { HostClock } from "./host-clock.ts";
import { HostRandom } from "./host-random.ts";

/** What a thread finds as its workerData. */
export interface ProcessorSetup {
  readonly vcpu: SecondarySetup;
  readonly vm: SharedVm;
  readonly modules: WasmModules;
  /** HostClock.origin of the machine's thread. */
  readonly clockOrigin: number;
}

/** The threads of one machine's vCPUs. */
export class Processors {
  readonly #script: URL;
  readonly #modules: WasmModules;
  readonly #clock: HostClock;
  readonly #workers: Worker[] = [];

  /** `script` gives its workerData to `runProcessor`. */
  constructor(script: URL, modules: WasmModules, clock: HostClock) {
    this.#script = script;
    this.#modules = modules;
    this.#clock = clock;
  }

  readonly start: StartSecondaries = (vm, setups) => {
    assert(vm instanceof WasmVm, "the engine here is wasm");
    return setups.map((vcpu) => {
      const setup = { vcpu, vm: vm.share(), modules: this.#modules, clockOrigin: this.#clock.origin };
      this.#workers.push(
        new Worker(this.#script, { name: `tskvm processor ${vcpu.id}`, workerData: setup satisfies ProcessorSetup }),
      );
      const shared = vm.sharedVcpu(vcpu.id);
      return { kvmRun: vm.plan.vcpu(vcpu.id).kvmRun, kick: () => kickVcpu(shared) };
    });
  };

  /** Ends all threads. */
  close(): void {
    for (const worker of this.#workers) void worker.terminate();
  }
}

/** The whole life of such a thread. */
export function runProcessor({ vcpu, vm, modules, clockOrigin }: ProcessorSetup): void {
  const engine = new WasmEngine(modules, new HostClock(clockOrigin), new HostRandom());
  const attached = engine.attachVm(vm);
  try {
    runSecondary(engine, attached.createVcpu(vcpu.id), vcpu, () => attached.kickOwner());
  } catch (error) {
    secondaryFailed(vcpu, () => attached.kickOwner());
    throw error;
  }
}
