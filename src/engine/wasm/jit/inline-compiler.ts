import { compileRegions } from "./compile.ts";
import type { CompiledRegions, RegionCompiler, RegionRequest } from "./request.ts";

/** Compiles at once, in the thread that asks. */
export class InlineCompiler implements RegionCompiler {
  readonly idle = true;
  readonly #bytes: Uint8Array;
  readonly #done: CompiledRegions[] = [];

  constructor(memory: WebAssembly.Memory) {
    this.#bytes = new Uint8Array(memory.buffer);
  }

  request(regions: readonly RegionRequest[]): void {
    this.#done.push(compileRegions(this.#bytes, regions));
  }

  poll(): CompiledRegions | undefined {
    return this.#done.shift();
  }
}
