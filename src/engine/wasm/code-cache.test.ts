import { describe, expect, test } from "vitest";
import { MODE, PAGE_FLAG } from "../../isa/state.ts";
import { CodeCache, type CodeMap } from "./code-cache.ts";
import { HANDLER, RECORD, RECORD_SIZE } from "./interpreter/record.ts";

const FLAGS = 0x100;
const ARENA = 0x1_0000;
const ARENA_SIZE = 70 * RECORD_SIZE + 80 * RECORD_SIZE;
const CODE = 0x4_0000;
const SIZE = 0x5_0000;
const NOP = 0x90;
const RET = 0xc3;

/** A code cache over a small memory, with a map that remembers. */
class Machine {
  readonly bytes = new Uint8Array(SIZE);
  readonly view = new DataView(this.bytes.buffer);
  readonly entries = new Map<string, number>();
  readonly seconds: number[] = [];
  readonly protectedPages: number[] = [];
  flushes = 0;
  /** Where the page after the first is; 0: it faults. */
  second = CODE + 0x1000;
  readonly fetched: number[][] = [];
  readonly map: CodeMap = {
    fetchTranslate: (low, high) => {
      this.fetched.push([low >>> 0, high >>> 0]);
      return this.second;
    },
    set: (host, mode, record, second) => {
      this.entries.set(`${host}/${mode}`, record);
      if (second !== 0) this.seconds.push(second);
    },
    clear: () => this.entries.clear(),
    flushJumpCache: () => this.flushes++,
    protect: (page) => this.protectedPages.push(page),
  };
  readonly cache: CodeCache;

  constructor(maxBlocks = 1000) {
    const arena = { start: ARENA, end: ARENA + ARENA_SIZE, pageFlags: FLAGS, maxBlocks };
    this.cache = new CodeCache(this.bytes.buffer, arena, this.map);
  }

  put(at: number, ...code: number[]): this {
    this.bytes.set(code, at);
    return this;
  }

  decode(host: number, mode: number = MODE.code64, linear = host): number {
    return this.cache.decodeBlock(host, mode, linear, 0);
  }

  field(record: number, field: number): number {
    return this.view.getUint32(record + field, true);
  }

  handler(record: number): number {
    return this.field(record, RECORD.handler);
  }

  flags(page: number): number {
    return this.bytes[FLAGS + page]!;
  }
}

describe("a block", () => {
  test("ends at a jump, and its page is watched", () => {
    const machine = new Machine().put(CODE, NOP, NOP, RET, NOP);
    const first = machine.decode(CODE);
    expect(machine.entries.get(`${CODE}/${MODE.code64}`)).toBe(first);
    const last = first + 2 * RECORD_SIZE;
    expect([
      machine.field(last, RECORD.delta),
      machine.field(last, RECORD.next),
      machine.field(last, RECORD.count),
    ]).toEqual([2, 3, 3]);
    expect(machine.handler(first)).not.toBe(HANDLER.leave);
    expect(machine.flags(CODE >> 12)).toBe(PAGE_FLAG.code);
    expect(machine.protectedPages).toEqual([CODE >> 12]);
    machine.decode(CODE + 1);
    expect(machine.protectedPages.length).toBe(1);
  });

  test("ends at the end of the page", () => {
    const machine = new Machine().put(CODE + 0xffe, NOP, NOP);
    const first = machine.decode(CODE + 0xffe);
    expect([machine.handler(first + 2 * RECORD_SIZE), machine.field(first + 2 * RECORD_SIZE, RECORD.delta)]).toEqual([
      HANDLER.leave,
      2,
    ]);
  });

  test("ends after 64 instructions", () => {
    const machine = new Machine();
    machine.bytes.fill(NOP, CODE, CODE + 100);
    const leave = machine.decode(CODE) + 64 * RECORD_SIZE;
    expect([machine.handler(leave), machine.field(leave, RECORD.delta), machine.field(leave, RECORD.count)]).toEqual([
      HANDLER.leave,
      64,
      64,
    ]);
  });

  test("has one instruction when it is to be stepped", () => {
    const machine = new Machine().put(CODE, NOP, NOP, RET);
    const first = machine.decode(CODE, MODE.code64 | MODE.single);
    expect(machine.handler(first + RECORD_SIZE)).toBe(HANDLER.leave);
  });

  test("ends at what is no instruction", () => {
    const machine = new Machine().put(CODE, NOP, 0x06, NOP);
    const first = machine.decode(CODE);
    expect(machine.handler(first + RECORD_SIZE)).toBe(HANDLER.undefinedOpcode);
  });
});

describe("an instruction across two pages", () => {
  // mov eax, imm32
  const crossing = (): Machine => new Machine().put(CODE + 0xffe, 0xb8, 1, 2, 3, 4, NOP);

  test("is a block of its own, which the map has with its second page, and both pages are watched", () => {
    const machine = crossing();
    const first = machine.decode(CODE + 0xffe, MODE.code64, 0x7fff_ffe);
    expect(machine.fetched).toEqual([[0x8000_000, 0]]);
    expect(machine.field(first, RECORD.imm)).toBe(0x04030201);
    expect(machine.handler(first + RECORD_SIZE)).toBe(HANDLER.leave);
    expect(machine.entries.get(`${CODE + 0xffe}/${MODE.code64}`)).toBe(first);
    expect(machine.seconds).toEqual([(CODE >> 12) + 1]);
    expect(machine.protectedPages).toEqual([CODE >> 12, (CODE >> 12) + 1]);
  });

  test("its linear address carries and wraps", () => {
    const machine = crossing();
    machine.cache.decodeBlock(CODE + 0xffe, MODE.code64, 0xffff_fffe | 0, 5);
    expect(machine.fetched).toEqual([[0, 6]]);
  });

  test("may come from any page", () => {
    const machine = crossing().put(CODE + 0x3000, 9, 9, 9);
    machine.second = CODE + 0x3000;
    expect(machine.field(machine.decode(CODE + 0xffe), RECORD.imm)).toBe(0x09090901);
  });

  test("is not there when the second page faults", () => {
    const machine = crossing();
    machine.second = 0;
    expect(machine.decode(CODE + 0xffe)).toBe(0);
  });

  test("ends the block before it", () => {
    const machine = crossing().put(CODE + 0xffd, NOP);
    const first = machine.decode(CODE + 0xffd);
    expect([machine.handler(first + RECORD_SIZE), machine.field(first + RECORD_SIZE, RECORD.delta)]).toEqual([
      HANDLER.leave,
      1,
    ]);
    expect(machine.fetched).toEqual([]);
  });

  test.each([0, 1])("goes when page %i of it changes", (page) => {
    const machine = crossing();
    const first = machine.decode(CODE + 0xffe);
    const flushes = machine.flushes;
    machine.cache.invalidate((CODE >> 12) + page);
    expect(machine.handler(first)).toBe(HANDLER.leave);
    expect(machine.flushes).toBe(flushes + 1);
  });
});

describe("changed code", () => {
  test("records of a running block leave where they stand", () => {
    const machine = new Machine().put(CODE, NOP, NOP, RET).put(CODE + 0x1000, RET);
    const first = machine.decode(CODE);
    const other = machine.decode(CODE + 0x1000);
    machine.cache.invalidate(CODE >> 12);
    for (const n of [0, 1, 2]) {
      const record = first + n * RECORD_SIZE;
      expect([machine.handler(record), machine.field(record, RECORD.delta)]).toEqual([HANDLER.leave, n]);
    }
    expect(machine.handler(other)).not.toBe(HANDLER.leave);
    expect(machine.entries.get(`${CODE}/${MODE.code64}`)).toBe(0);
  });

  test("is decoded again where there is room", () => {
    const machine = new Machine().put(CODE, NOP, RET);
    const first = machine.decode(CODE);
    machine.cache.invalidate(CODE >> 12);
    machine.put(CODE, RET);
    const second = machine.decode(CODE);
    expect(second).toBeGreaterThan(first);
    expect(machine.entries.get(`${CODE}/${MODE.code64}`)).toBe(second);
  });

  test("a page without code is no matter", () => {
    const machine = new Machine();
    machine.cache.invalidate(3);
    expect(machine.flushes).toBe(0);
  });
});

describe("a full cache begins anew", () => {
  test("when the arena is full", () => {
    const machine = new Machine();
    machine.bytes.fill(NOP, CODE, CODE + 0x1000);
    const first = machine.decode(CODE);
    machine.decode(CODE + 0x100);
    expect(machine.entries.size).toBe(2);
    expect(machine.decode(CODE + 0x200)).toBe(first);
    expect(machine.entries.size).toBe(1);
  });

  test("when the map is full", () => {
    const machine = new Machine(2)
      .put(CODE, RET)
      .put(CODE + 0x1000, RET)
      .put(CODE + 0x2000, RET);
    for (const page of [0, 1, 2]) machine.decode(CODE + 0x1000 * page);
    expect(machine.entries.size).toBe(1);
  });
});

describe("links of relative jumps", () => {
  const links = (machine: Machine, record: number) => [
    machine.field(record, RECORD.takenLink),
    machine.field(record, RECORD.nextLink),
  ];

  test("reach blocks of the page, decoded before or after", () => {
    // 0: nop; 1: jz 0; 3: ret
    const machine = new Machine().put(CODE, NOP, 0x74, 0xfd, RET);
    const first = machine.decode(CODE);
    const jump = first + RECORD_SIZE;
    expect(links(machine, jump)).toEqual([first, 0]);
    const after = machine.decode(CODE + 3);
    expect(links(machine, jump)).toEqual([first, after]);
  });

  test("reach no other page, no other mode and no stepped code", () => {
    const machine = new Machine()
      .put(CODE, 0xe9, 0xfb, 0x0f, 0, 0)
      .put(CODE + 0x1000, RET)
      .put(CODE + 0x100, 0xeb, 0xfe);
    machine.decode(CODE + 0x1000);
    expect(links(machine, machine.decode(CODE))).toEqual([0, 0]);
    machine.decode(CODE + 0x100, MODE.code32);
    const stepped = machine.decode(CODE + 0x100, MODE.code64 | MODE.single);
    expect(links(machine, stepped)).toEqual([0, 0]);
    const looped = machine.decode(CODE + 0x100);
    expect(links(machine, looped)).toEqual([looped, 0]);
  });

  test("end in a block that leaves when its code has changed", () => {
    const machine = new Machine().put(CODE, NOP, 0x74, 0xfd, RET);
    const first = machine.decode(CODE);
    machine.cache.invalidate(CODE >> 12);
    expect(machine.handler(links(machine, first + RECORD_SIZE)[0]!)).toBe(HANDLER.leave);
    const again = machine.decode(CODE);
    expect(links(machine, again + RECORD_SIZE)[0]).toBe(again);
  });
});
