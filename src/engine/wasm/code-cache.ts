import { DECODE, decode } from "../../isa/decoder/decode.ts";
import { Instruction } from "../../isa/decoder/instruction.ts";
import { MODE, PAGE_FLAG } from "../../isa/state.ts";
import { FORM_ENDS, FORM_RELATIVE } from "../../isa/table/facts.ts";
import { HANDLER, RECORD, RECORD_SIZE, RecordWriter } from "./interpreter/record.ts";

const PAGE_SIZE = 0x1000;
/** Longest block, in instructions. */
const MAX_BLOCK = 64;

/** What the cache needs of the helper library. */
export interface CodeMap {
  /** Host address of the code at a linear address, or 0 with CPU.trap set. */
  fetchTranslate(linearLow: number, linearHigh: number): number;
  /** `second` is the host page of what is in the next page, or 0. */
  set(host: number, mode: number, record: number, second: number): void;
  clear(): void;
  flushJumpCache(): void;
  /** Takes away fast writes to a host page. */
  protect(hostPage: number): void;
}

/** Where the cache keeps its records, in linear memory. */
export interface CodeArena {
  readonly start: number;
  readonly end: number;
  /** The table of page flags. */
  readonly pageFlags: number;
  /** Blocks the code map may hold. */
  readonly maxBlocks: number;
}

/** One decoded block: its records, and where it is entered in the code map. */
export interface Block {
  readonly first: number;
  readonly end: number;
  /** Instructions of it that have records. */
  readonly count: number;
  readonly host: number;
  readonly mode: number;
  /** What the compiler made of it, and the handler that it replaced. */
  region?: number;
  handler?: number;
}

/** Who compiles blocks. */
export interface BlockWatcher {
  decoded(block: Block): void;
  /** The block's region is no more. */
  dropped(block: Block): void;
}

/** What is decoded of one host page. */
class Page {
  readonly blocks: Block[] = [];
  /** Blocks that may be linked by placeKey. */
  readonly entries = new Map<number, Block>();
  /** Link fields that wait for the block of a placeKey. */
  readonly waiting = new Map<number, number[]>();
}

/** A vCPU's decoded code: turns guest bytes into records, a block at a time, and drops them when the bytes change. */
export class CodeCache {
  readonly #arena: CodeArena;
  readonly #map: CodeMap;
  readonly #writer: RecordWriter;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #insn = new Instruction();
  /** Bytes of an instruction that crosses a page. */
  readonly #joined = new Uint8Array(16);
  /** What is decoded by the host pages the bytes are on. */
  readonly #pages = new Map<number, Page>();
  #next: number;
  #blocks = 0;
  /** Instructions of the block that is being decoded. */
  #count = 0;
  /** Whether the record written last is of a relative jump. */
  #endsRelative = false;
  watcher: BlockWatcher | undefined;

  constructor(buffer: SharedArrayBuffer | ArrayBuffer, arena: CodeArena, map: CodeMap) {
    this.#arena = arena;
    this.#map = map;
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
    this.#writer = new RecordWriter(this.#view);
    this.#next = arena.start;
  }

  /**
   * Decodes the block at a host address, whose linear address is given too, and enters it in the code map.
   * Returns its first record, or 0 if fetching its second page trapped.
   */
  decodeBlock(host: number, mode: number, linearLow: number, linearHigh: number): number {
    if (this.#next + (MAX_BLOCK + 2) * RECORD_SIZE > this.#arena.end || this.#blocks >= this.#arena.maxBlocks)
      this.reset();
    this.#watch(host >>> 12);
    const first = this.#next;
    const delta = this.#decodePage(host, mode);
    if (this.#next > first) {
      const block: Block = { first, end: this.#next, count: this.#count, host, mode };
      const page = this.#enter(block, host >>> 12);
      this.#map.set(host, mode, first, 0);
      this.#link(page, block);
      this.watcher?.decoded(block);
      return first;
    }
    return delta < 0 ? this.#decodeCrossing(host, mode, linearLow, linearHigh) : first;
  }

  /** The instruction at a linear address, if it can be fetched; valid until the next one is decoded. */
  instructionAt(linearLow: number, linearHigh: number, mode: number): Instruction | undefined {
    const host = this.#map.fetchTranslate(linearLow, linearHigh) >>> 0;
    if (host === 0) return undefined;
    const here = PAGE_SIZE - (host & (PAGE_SIZE - 1));
    let status = decode(this.#bytes, host, here, codeSize(mode), this.#insn);
    if (status === DECODE.more && this.#join(host, linearLow, linearHigh) !== 0)
      status = decode(this.#joined, 0, 16, codeSize(mode), this.#insn);
    return status === DECODE.ok ? this.#insn : undefined;
  }

  /** Forgets everything. Only between blocks. Pages stay marked as code, which others may have decoded too. */
  reset(): void {
    for (const page of this.#pages.values())
      for (const block of page.blocks) if (block.region !== undefined) this.#forget(block);
    this.#pages.clear();
    this.#map.clear();
    this.#map.flushJumpCache();
    this.#next = this.#arena.start;
    this.#blocks = 0;
  }

  /** The bytes of a host page changed: its blocks are decoded again when they are next entered. */
  invalidate(hostPage: number): void {
    const page = this.#pages.get(hostPage);
    if (page === undefined) return;
    this.#pages.delete(hostPage);
    for (const block of page.blocks) this.#drop(block);
    this.#map.flushJumpCache();
  }

  /** Records of a block that may be running become exits to the dispatcher. */
  #drop(block: Block): void {
    for (let at = block.first; at < block.end; at += RECORD_SIZE)
      this.#view.setUint32(at + RECORD.handler, HANDLER.leave, true);
    this.#map.set(block.host, block.mode, 0, 0);
    if (block.region !== undefined) this.watcher?.dropped(block);
  }

  /** The block that begins at a host address, if one is decoded there that may be linked to. */
  find(host: number, mode: number): Block | undefined {
    return this.#pages.get(host >>> 12)?.entries.get(placeKey(host, mode & MODE.sizeMask));
  }

  /** Blocks of the same page and code size as a block that may be linked. */
  *neighbours(of: Block): Generator<Block> {
    for (const block of this.#pages.get(of.host >>> 12)?.entries.values() ?? [])
      if ((block.mode & MODE.sizeMask) === (of.mode & MODE.sizeMask)) yield block;
  }

  /** The block's region goes; its records, which a region that is running may go to, are as before. */
  #forget(block: Block): void {
    this.watcher?.dropped(block);
    this.setRegion(block, undefined);
  }

  /** Enters a region instead of the block, or the block again. */
  setRegion(block: Block, slot: number | undefined): void {
    block.handler ??= this.#view.getUint32(block.first + RECORD.handler, true);
    if (slot === undefined) delete block.region;
    else block.region = slot;
    this.#view.setUint32(block.first + RECORD.handler, slot ?? block.handler, true);
  }

  #enter(block: Block, hostPage: number): Page {
    this.#blocks++;
    let page = this.#pages.get(hostPage);
    if (page === undefined) {
      page = new Page();
      this.#pages.set(hostPage, page);
    }
    page.blocks.push(block);
    return page;
  }

  /** Has writes to a page noticed, before its bytes are decoded. */
  #watch(hostPage: number): void {
    const before = Atomics.or(this.#bytes, this.#arena.pageFlags + hostPage, PAGE_FLAG.code);
    if (!(before & PAGE_FLAG.code && this.#pages.has(hostPage))) this.#map.protect(hostPage);
  }

  /** Ties relative jumps to blocks of the same page and code size, both ways. Code of 16 bits wraps where a page does not end. */
  #link(page: Page, block: Block): void {
    const size = block.mode & MODE.sizeMask;
    if (block.mode & MODE.single || size === MODE.code16) return;
    const key = placeKey(block.host, size);
    page.entries.set(key, block);
    for (const field of page.waiting.get(key) ?? []) this.#view.setUint32(field, block.first, true);
    page.waiting.delete(key);
    if (!this.#endsRelative || FORM_RELATIVE[this.#insn.form] === 16) return;
    const last = block.end - RECORD_SIZE;
    const next = block.host + this.#view.getUint32(last + RECORD.next, true);
    this.#linkTo(page, block, last + RECORD.nextLink, next);
    this.#linkTo(page, block, last + RECORD.takenLink, next + this.#insn.immLow);
  }

  #linkTo(page: Page, from: Block, field: number, host: number): void {
    if (Math.floor(host / PAGE_SIZE) !== Math.floor(from.host / PAGE_SIZE)) return;
    const key = placeKey(host, from.mode & MODE.sizeMask);
    const target = page.entries.get(key);
    if (target !== undefined) return this.#view.setUint32(field, target.first, true);
    const waiting = page.waiting.get(key);
    if (waiting) waiting.push(field);
    else page.waiting.set(key, [field]);
  }

  /** Puts bytes from a host address on, and those of the next linear page, together: the host address there, or 0. */
  #join(host: number, linearLow: number, linearHigh: number): number {
    const here = PAGE_SIZE - (host & (PAGE_SIZE - 1));
    const low = (linearLow >>> 0) + here;
    const second = this.#map.fetchTranslate(low | 0, (linearHigh + (low > 0xffffffff ? 1 : 0)) | 0) >>> 0;
    if (second === 0) return 0;
    this.#joined.set(this.#bytes.subarray(host, host + here));
    this.#joined.set(this.#bytes.subarray(second, second + 16 - here), here);
    return second;
  }

  /** Decodes up to the end of the block or page; returns -1 if the very first instruction crosses the page. */
  #decodePage(host: number, mode: number): number {
    this.#count = 0;
    const pageEnd = host - (host & (PAGE_SIZE - 1)) + PAGE_SIZE;
    const limit = mode & MODE.single ? 1 : MAX_BLOCK;
    let at = host;
    for (let count = 1; count <= limit && at < pageEnd; count++) {
      const status = decode(this.#bytes, at, pageEnd - at, codeSize(mode), this.#insn);
      if (status === DECODE.more) return count === 1 ? -1 : this.#leave(at - host, count - 1);
      if (this.#append(status, at - host, count)) return 0;
      at += this.#insn.length;
    }
    return this.#leave(at - host, Math.min(limit, MAX_BLOCK));
  }

  /** Writes the record of what was decoded; true if it ends the block. */
  #append(status: number, delta: number, count: number): boolean {
    const at = this.#next;
    this.#next += RECORD_SIZE;
    this.#count = count;
    this.#endsRelative = false;
    if (status === DECODE.ok) {
      this.#writer.instruction(at, this.#insn, delta, count);
      this.#endsRelative = FORM_RELATIVE[this.#insn.form] !== 0;
      return FORM_ENDS[this.#insn.form] !== 0;
    }
    this.#writer.special(at, status === DECODE.tooLong ? HANDLER.tooLong : HANDLER.undefinedOpcode, delta, count);
    return true;
  }

  #leave(delta: number, count: number): number {
    this.#writer.special(this.#next, HANDLER.leave, delta, count);
    this.#next += RECORD_SIZE;
    return 0;
  }

  /** An instruction that crosses a page is a block of its own, without links to it: its second page may be remapped. */
  #decodeCrossing(host: number, mode: number, linearLow: number, linearHigh: number): number {
    const second = this.#join(host, linearLow, linearHigh);
    if (second === 0) return 0;
    this.#watch(second >>> 12);
    const first = this.#next;
    const status = decode(this.#joined, 0, 16, codeSize(mode), this.#insn);
    if (!this.#append(status, 0, 1)) this.#leave(this.#insn.length, 1);
    const block: Block = { first, end: this.#next, count: 1, host, mode };
    this.#map.set(host, mode, first, second >>> 12);
    this.#enter(block, host >>> 12);
    this.#enter(block, second >>> 12);
    return first;
  }
}

/** A host address and a code size in one number. */
function placeKey(host: number, size: number): number {
  return host * 4 + size;
}

function codeSize(mode: number): 16 | 32 | 64 {
  const size = mode & MODE.sizeMask;
  return size === MODE.code64 ? 64 : size === MODE.code32 ? 32 : 16;
}
