import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterAll } from "vitest";
import type { Clock } from "../../src/base/clock.ts";
import { SeededRandom } from "../../src/base/random.ts";
import { WasmEngine } from "../../src/engine/wasm/engine.ts";
import { InlineCompiler } from "../../src/engine/wasm/jit/inline-compiler.ts";
import type { WasmModules } from "../../src/engine/wasm/library.ts";
import { WasmVcpu } from "../../src/engine/wasm/vcpu.ts";
import type { JitOptions } from "../../src/engine/wasm/vcpu-host.ts";
import { SharedEventFd } from "../../src/kvm/eventfd.ts";
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

/** The other thread: kicks and signals after some time, and regularly while a test runs too long. */
const THREAD = `
  const { parentPort } = require("node:worker_threads");
  const kick = (word) => { Atomics.store(word, 0, 1); Atomics.notify(word, 0); };
  let watchdog;
  parentPort.on("message", ({ vcpu, event, milliseconds }) => {
    if (milliseconds !== undefined) return setTimeout(() => { if (event) Atomics.add(event, 0, 1); kick(vcpu); }, milliseconds);
    clearInterval(watchdog);
    watchdog = setInterval(() => kick(vcpu), 5000);
  });
`;
const thread = new Worker(THREAD, { eval: true });
afterAll(() => thread.terminate());

function tell(vcpu: Vcpu, milliseconds?: number, event?: Int32Array): void {
  if (!(vcpu instanceof WasmVcpu)) throw new Error("not a vCPU of this engine");
  thread.postMessage({ vcpu: vcpu.shared.kick, event, milliseconds });
}

function makeSubject(jit?: JitOptions): Subject {
  return {
    engine: new WasmEngine(modules, new CountingClock(), new SeededRandom(1), jit),
    watch: (vcpu) => tell(vcpu),
    kickFromThread: (vcpu, milliseconds) => tell(vcpu, milliseconds),
    signalFromThread: (vcpu, event, milliseconds) => {
      if (!(event instanceof SharedEventFd)) throw new Error("not an eventfd of this engine");
      tell(vcpu, milliseconds, event.words);
    },
  };
}

engineSuite("wasm", makeSubject);
engineSuite("wasm, every block compiled", () =>
  makeSubject((memory) => ({ compiler: new InlineCompiler(memory), threshold: 0 })),
);
