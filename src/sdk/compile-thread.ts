/** The compiler of regions in a thread of its own, as the machine's thread sees it: that one has no event loop. */

import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { CompiledRegions, RegionCompiler, RegionRequest } from "../engine/wasm/jit/request.ts";

/** What the compiler's thread begins with. */
export interface CompileSetup {
  readonly memory: WebAssembly.Memory;
  readonly port: MessagePort;
}

const WORKER = new URL("./compile-worker.js", import.meta.url);

/** Started by the first request, so that a short run pays nothing. */
export class CompileThread implements RegionCompiler {
  readonly #memory: WebAssembly.Memory;
  #port: MessagePort | undefined;
  /** Requests that were not answered. */
  #open = 0;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
  }

  get idle(): boolean {
    return this.#open === 0;
  }

  request(regions: readonly RegionRequest[]): void {
    this.#open++;
    this.#port ??= this.#start();
    this.#port.postMessage(regions);
  }

  poll(): CompiledRegions | undefined {
    if (this.#port === undefined || this.#open === 0) return undefined;
    const received = receiveMessageOnPort(this.#port);
    if (received === undefined) return undefined;
    this.#open--;
    return received.message as CompiledRegions;
  }

  #start(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    const setup: CompileSetup = { memory: this.#memory, port: port2 };
    const worker = new Worker(WORKER, { workerData: setup, transferList: [port2] });
    worker.unref();
    port1.unref();
    return port1;
  }
}
