import { CPU, MODE } from "../../../isa/state.ts";
import type { Block, BlockWatcher, CodeCache } from "../code-cache.ts";
import type { CpuCells } from "../cpu-cells.ts";
import { REGION_SLOTS } from "../interpreter/record.ts";
import type { Library } from "../library.ts";
import type { CompiledRegions, RegionCompiler, RegionRequest } from "./request.ts";

/** What a region cache needs of its vCPU. */
export interface RegionGlue {
  readonly cells: CpuCells;
  readonly library: Library;
  readonly code: CodeCache;
  readonly memory: WebAssembly.Memory;
  readonly compiler: RegionCompiler;
  /** Looks, between two slices of the interpreter, that find a block before it is compiled; 0 compiles it when it is decoded. */
  readonly threshold: number;
  /** With a threshold of 0, how often the code of a page may change until it is compiled no more; 8 if not given. */
  readonly patience?: number;
}

/** Code of a page that changes is looked at twice as often before it is compiled again, this often. */
const MAX_PATIENCE = 8;

/** A request and a module cost much whatever is in them: so many regions, or looks at a queue that stays shorter, make one. */
const BATCH = 16;
const PATIENCE = 30;

/** What is known of regions, as numbers that only grow. */
export interface RegionCounts {
  requested: number;
  installed: number;
  /** Regions whose code had changed when they were ready. */
  late: number;
  refused: number;
  dropped: number;
  bytes: number;
  milliseconds: number;
  modules: number;
}

/** The compiled regions of one vCPU: finds hot blocks, has them compiled, enters them in place of the blocks. */
export class RegionCache {
  readonly #glue: RegionGlue;
  readonly #imports: WebAssembly.Imports;
  /** Blocks that were found at work, with how often. */
  readonly #heat = new Map<Block, number>();
  /** How often compiled code of a host page was lost. */
  readonly #churn = new Map<number, number>();
  /** Requests under way by id. */
  readonly #waiting = new Map<number, Block>();
  #queue: Block[] = [];
  /** Looks since something is in the queue. */
  #waited = 0;
  readonly #free: number[] = [];
  #nextId = 0;
  readonly counts: RegionCounts = {
    requested: 0,
    installed: 0,
    late: 0,
    refused: 0,
    dropped: 0,
    bytes: 0,
    milliseconds: 0,
    modules: 0,
  };

  /** What the code cache tells of its blocks. */
  readonly watcher: BlockWatcher = {
    decoded: (block) => this.#decoded(block),
    dropped: (block) => this.#dropped(block),
  };

  constructor(glue: RegionGlue) {
    this.#glue = glue;
    const { library, memory, code } = glue;
    const { handlers, dispatch, enter } = library;
    this.#imports = {
      env: { memory, dispatch, enter },
      helpers: library as unknown as WebAssembly.Imports[string],
    };
    for (let slot = handlers.length - REGION_SLOTS; slot < handlers.length; slot++) this.#free.push(slot);
    code.watcher = this.watcher;
  }

  /** Between slices: looks where the vCPU is, asks for what is hot, enters what is ready. */
  look(): void {
    this.#sample();
    this.#installReady();
    if (this.#queue.length === 0) return;
    this.#waited++;
    if ((this.#queue.length >= BATCH || this.#waited >= PATIENCE) && this.#glue.compiler.idle) this.#ask();
  }

  #sample(): void {
    const { cells, library, code, threshold } = this.#glue;
    const mode = cells.i32(CPU.mode);
    if ((mode & MODE.sizeMask) === MODE.code16 || mode & MODE.single || this.#free.length === 0) return;
    const host = library.code_at_rip(cells.base) >>> 0;
    const block = host === 0 ? undefined : code.find(host, mode);
    if (block === undefined || block.region !== undefined) return;
    const heat = (this.#heat.get(block) ?? 0) + 1;
    this.#heat.set(block, heat);
    if (heat === threshold << Math.min(this.#churnOf(block), MAX_PATIENCE)) this.#queue.push(block);
  }

  #decoded(block: Block): void {
    if (this.#churnOf(block) > (this.#glue.patience ?? MAX_PATIENCE)) return;
    if (this.#glue.threshold > 0 || (block.mode & MODE.sizeMask) === MODE.code16 || block.mode & MODE.single) return;
    this.compile([block]);
  }

  /** Has blocks compiled, whatever their heat, and enters what is ready. */
  compile(blocks: readonly Block[]): void {
    this.#queue.push(...blocks);
    this.#ask();
    this.#installReady();
  }

  #installReady(): void {
    const { compiler } = this.#glue;
    for (let done = compiler.poll(); done !== undefined; done = compiler.poll()) this.#install(done);
  }

  #churnOf(block: Block): number {
    return this.#churn.get(block.host >>> 12) ?? 0;
  }

  #ask(): void {
    const requests = this.#queue.map((block) => this.#requestOf(block));
    this.#queue = [];
    this.#waited = 0;
    this.counts.requested += requests.length;
    this.#glue.compiler.request(requests);
  }

  #requestOf(block: Block): RegionRequest {
    const id = this.#nextId++;
    this.#waiting.set(id, block);
    const blocks = [...this.#glue.code.neighbours(block)].flatMap(({ host, first, count }) => [
      host & 0xfff,
      first,
      count,
    ]);
    return {
      id,
      page: block.host - (block.host & 0xfff),
      codeSize: (block.mode & MODE.sizeMask) === MODE.code64 ? 64 : 32,
      root: block.host & 0xfff,
      blocks: Int32Array.from(blocks),
    };
  }

  #install({ module, ids, refused, bytes, milliseconds }: CompiledRegions): void {
    const { code, library } = this.#glue;
    this.counts.bytes += bytes;
    this.counts.milliseconds += milliseconds;
    this.counts.refused += refused.length;
    for (const id of refused) this.#waiting.delete(id);
    const blocks = ids.map((id) => this.#waiting.get(id)!);
    for (const id of ids) this.#waiting.delete(id);
    const current = blocks.map((block) => code.find(block.host, block.mode) === block && block.region === undefined);
    this.counts.late += current.filter((is) => !is).length;
    if (!current.includes(true) || this.#free.length < ids.length) return;
    this.counts.modules++;
    const { exports } = new WebAssembly.Instance(module, this.#imports);
    ids.forEach((id, n) => {
      if (!current[n]) return;
      const slot = this.#free.pop()!;
      library.handlers.set(slot, exports[`${id}`] as () => void);
      code.setRegion(blocks[n]!, slot);
      this.counts.installed++;
    });
  }

  #dropped(block: Block): void {
    this.counts.dropped++;
    this.#churn.set(block.host >>> 12, this.#churnOf(block) + 1);
    this.#glue.library.handlers.set(block.region!, null);
    this.#free.push(block.region!);
    delete block.region;
    this.#heat.delete(block);
  }
}
