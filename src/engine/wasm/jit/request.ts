/** What the vCPU's thread asks of the compiler and gets back; plain data that can be posted to another thread. */

/** One decoded block of the page: numbers in this order, one block after another. */
export const BLOCK_FIELDS = ["offset", "record", "count"] as const;

/** A region to compile: the blocks of one page that are reached from its root. */
export interface RegionRequest {
  /** Chosen by who asks. */
  readonly id: number;
  /** Host address of the page. */
  readonly page: number;
  readonly codeSize: 32 | 64;
  /** Offset of the region's entry in the page. */
  readonly root: number;
  /** BLOCK_FIELDS of every decoded block: its offset in the page, the address of its first record, how many instructions. */
  readonly blocks: Int32Array;
}

/** Regions compiled together: the module exports each under its id. */
export interface CompiledRegions {
  readonly module: WebAssembly.Module;
  readonly ids: readonly number[];
  /** Requests that cannot be compiled. */
  readonly refused: readonly number[];
  readonly bytes: number;
  readonly milliseconds: number;
}

/** Compiles regions, here or in a thread of its own. */
export interface RegionCompiler {
  /** Whether a request would be worked on soon. */
  readonly idle: boolean;
  request(regions: readonly RegionRequest[]): void;
  /** What is ready, if something is. Never waits. */
  poll(): CompiledRegions | undefined;
}
