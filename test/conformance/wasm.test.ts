import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterAll } from "vitest";
import type { Clock } from "../../src/base/clock.ts";
import { WasmEngine } from "../../src/engine/wasm/engine.ts";
import type { WasmModules } from "../../src/engine/wasm/library.ts";
import { WasmVcpu } from "../../src/engine/wasm/vcpu.ts";
import type { Vcpu } from "../../src/kvm/vcpu.ts";
import { engineSuite } from "./engine.suite.ts";
import type { Subject } from "./guest.ts";

const modules: WasmModules = {
  helpers: compile("../../dist/isa/helpers.wasm"),
  interpreter: compile("../../dist/engine/wasm/interpreter.wasm"),
};

function compile(path: string): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL(path, import.meta.url)));
}

/** A clock that goes on by a microsecond whenever it is looked at, so that nothing depends on the host's speed. */
class CountingClock implements Clock {
  #time = 0;

  now(): number {
    this.#time += 1000;
    return this.#time;
  }

  wallClock(): number {
    return 1_700_000_000_000 + this.#time / 1e6;
  }
}

const THREAD = `
  const { workerData } = require("node:worker_threads");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, workerData.milliseconds);
  if (workerData.event) Atomics.add(workerData.event, 0, 1);
  Atomics.store(workerData.kick, 0, 1);
  Atomics.notify(workerData.kick, 0);
`;

const WATCHDOG = `
  const { parentPort } = require("node:worker_threads");
  let timer;
  parentPort.on("message", (kick) => {
    clearInterval(timer);
    timer = setInterval(() => { Atomics.store(kick, 0, 1); Atomics.notify(kick, 0); }, 5000);
  });
`;

const watchdog = new Worker(WATCHDOG, { eval: true });
afterAll(() => watchdog.terminate());

/** Resolves when the other thread runs; what it does comes later, whatever this one does. */
async function fromThread(vcpu: Vcpu, milliseconds: number, event?: Int32Array): Promise<void> {
  if (!(vcpu instanceof WasmVcpu)) throw new Error("not a vCPU of this engine");
  const worker = new Worker(THREAD, { eval: true, workerData: { kick: vcpu.shared.kick, event, milliseconds } });
  await new Promise((resolve) => worker.once("online", resolve));
}

function makeSubject(): Subject {
  return {
    engine: new WasmEngine(modules, new CountingClock()),
    watch: (vcpu) => watchdog.postMessage(vcpu instanceof WasmVcpu ? vcpu.shared.kick : undefined),
    kickFromThread: (vcpu, milliseconds) => fromThread(vcpu, milliseconds),
    signalFromThread: (vcpu, event, milliseconds) => fromThread(vcpu, milliseconds, event.words),
  };
}

engineSuite("wasm", makeSubject);
