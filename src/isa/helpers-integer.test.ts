import { describe, expect, test } from "vitest";
import { HelperMachine } from "../../test/isa/helper-machine.ts";
import { CPU, EFLAGS, EXIT, segmentOffset, TRAP, VECTOR } from "./state.ts";

const ALL = 0xffff_ffff_ffff_ffffn;
const FLAT = segmentOffset("flat");
const DATA = 0x10_0000;
const MAPPED = 0x20_0000;

/** A small generator of repeatable numbers (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

interface StringCase {
  readonly helper: "movs" | "stos" | "lods" | "cmps" | "scas";
  readonly width: 1 | 2 | 4 | 8;
  readonly repeat: 0 | 1 | 2;
  readonly backward: boolean;
  readonly rsi: number;
  readonly rdi: number;
  readonly rcx: number;
  readonly rax: bigint;
}

interface Registers {
  rsi: number;
  rdi: number;
  rcx: number;
  rax: bigint;
}

/** One element after the other, as the manual's Operation says. */
function model(machine: HelperMachine, c: StringCase): Registers {
  const r: Registers = { rsi: c.rsi, rdi: c.rdi, rcx: c.rcx, rax: c.rax };
  const mask = ALL >> BigInt(64 - c.width * 8);
  const step = c.backward ? -c.width : c.width;
  while (c.repeat === 0 || r.rcx > 0) {
    const source = c.helper === "scas" || c.helper === "stos" ? r.rax & mask : machine.read(r.rsi, c.width);
    let equal: boolean | undefined;
    if (c.helper === "cmps" || c.helper === "scas") equal = source === machine.read(r.rdi, c.width);
    else if (c.helper === "lods") r.rax = c.width >= 4 ? source : (r.rax & ~mask) | source;
    else machine.write(r.rdi, source, c.width);
    if (c.helper !== "scas" && c.helper !== "stos") r.rsi += step;
    if (c.helper !== "lods") r.rdi += step;
    if (c.repeat === 0) break;
    r.rcx--;
    if (equal !== undefined && equal === (c.repeat === 2)) break;
  }
  return r;
}

function load(machine: HelperMachine, c: StringCase): void {
  machine.setGpr("rsi", c.rsi);
  machine.setGpr("rdi", c.rdi);
  machine.setGpr("rcx", c.rcx);
  machine.setGpr("rax", c.rax);
  machine.set32(CPU.eflags, EFLAGS.fixed | (c.backward ? EFLAGS.DF : 0));
}

function runString(machine: HelperMachine, c: StringCase): void {
  load(machine, c);
  for (let calls = 0; calls < 100; calls++) if (machine.call(c.helper, c.width, FLAT, ALL, c.repeat) === 1) return;
  throw new Error("never done");
}

function randomCase(pick: (below: number) => number): StringCase {
  const helper = (["movs", "stos", "lods", "cmps", "scas"] as const)[pick(5)]!;
  const width = ([1, 2, 4, 8] as const)[pick(4)]!;
  const rsi = DATA + 0x3000 + pick(0x800);
  const rdi = pick(2) ? rsi + pick(64) - 32 : DATA + 0x6000 + pick(0x800);
  const repeat = pick(helper === "cmps" || helper === "scas" ? 3 : 2) as 0 | 1 | 2;
  const rcx = pick(3) ? pick(40) : pick(0x2000 / width);
  return {
    helper,
    width,
    repeat,
    backward: pick(4) === 0,
    rsi,
    rdi,
    rcx,
    rax: pick(2) ? 0x0101010101010101n : BigInt(pick(2 ** 32)),
  };
}

function fill(machine: HelperMachine, pick: (below: number) => number): void {
  for (let at = DATA; at < DATA + 0x9000; at += 4) machine.write(at, pick(4) ? 0x01010101 : pick(2 ** 32), 4);
}

describe("string instructions", () => {
  const seed = 20;

  test(`do the same as one element after the other (seed ${seed})`, () => {
    const pick = generator(seed);
    const machine = new HelperMachine().longMode(0);
    const reference = new HelperMachine().longMode(0);
    for (let n = 0; n < 60; n++) {
      const c = randomCase(pick);
      const state = pick(2 ** 31);
      fill(machine, generator(state));
      fill(reference, generator(state));
      const expected = model(reference, c);
      runString(machine, c);
      const found = {
        rsi: machine.gpr("rsi"),
        rdi: machine.gpr("rdi"),
        rcx: machine.gpr("rcx"),
        rax: machine.gpr("rax"),
      };
      const wanted = {
        rsi: BigInt(expected.rsi),
        rdi: BigInt(expected.rdi),
        rcx: BigInt(expected.rcx),
        rax: expected.rax,
      };
      expect(found, JSON.stringify({ ...c, rax: String(c.rax) })).toEqual(wanted);
      for (let at = DATA; at < DATA + 0x9000; at += 8) {
        if (machine.read(at) !== reference.read(at))
          expect(machine.read(at), `at ${at.toString(16)}`).toBe(reference.read(at));
      }
    }
  });

  test("a fault in the middle leaves the registers at the element that faulted", () => {
    const machine = new HelperMachine().longMode(0);
    load(machine, { helper: "stos", width: 8, repeat: 1, backward: false, rsi: 0, rdi: MAPPED - 20, rcx: 9, rax: 1n });
    expect(machine.call("stos", 8, FLAT, ALL, 1)).toBe(0);
    expect(machine.fault()).toMatchObject({ vector: VECTOR.PF });
    expect(machine.gpr("rdi")).toBe(BigInt(MAPPED - 4));
    expect(machine.gpr("rcx")).toBe(7n);
  });

  test("a count of 0 does nothing, not even to upper halves", () => {
    const machine = new HelperMachine().longMode(0);
    const c: StringCase = {
      helper: "movs",
      width: 1,
      repeat: 1,
      backward: false,
      rsi: -1,
      rdi: -1,
      rcx: 2 ** 32,
      rax: 0n,
    };
    load(machine, c);
    expect(machine.call("movs", 1, FLAT, 0xffff_ffffn, 1)).toBe(1);
    expect(machine.gpr("rcx")).toBe(0x1_0000_0000n);
    expect(machine.gpr("rdi")).toBe(ALL);
    expect(machine.fault()).toBeUndefined();
  });

  test("an access without memory leaves to user space with the elements before it done", () => {
    const machine = new HelperMachine().protectedMode(0);
    load(machine, {
      helper: "movs",
      width: 1,
      repeat: 1,
      backward: false,
      rsi: MAPPED - 2,
      rdi: DATA,
      rcx: 4,
      rax: 0n,
    });
    expect(machine.call("movs", 1, segmentOffset("ds"), 0xffff_ffffn, 1)).toBe(0);
    expect(machine.get32(CPU.trap)).toBe(TRAP.exit);
    expect(machine.get32(CPU.exitReason)).toBe(EXIT.mmioRead);
    expect(machine.get(CPU.exitAddress)).toBe(BigInt(MAPPED));
    expect(machine.gpr("rcx")).toBe(2n);
  });

  test("16-bit addresses wrap and keep the upper bits", () => {
    const machine = new HelperMachine().longMode(0);
    machine.setGpr("rdi", 0x7_fffe);
    machine.setGpr("rcx", 0x5_0004);
    machine.setGpr("rax", 0xab);
    machine.set32(CPU.eflags, EFLAGS.fixed);
    while (machine.call("stos", 1, FLAT, 0xffffn, 1) !== 1);
    expect(machine.gpr("rdi")).toBe(0x7_0002n);
    expect(machine.gpr("rcx")).toBe(0x5_0000n);
    expect(machine.read(0, 2)).toBe(0xababn);
    expect(machine.read(0xfffe, 2)).toBe(0xababn);
  });
});

test("128-bit division", () => {
  const machine = new HelperMachine();
  const pick = generator(7);
  const number = (): bigint => ((BigInt(pick(2 ** 32)) << 32n) | BigInt(pick(2 ** 32))) >> BigInt(pick(64));
  for (let n = 0; n < 2000; n++) {
    const divisor = number() || 1n;
    const [high, low] = [number() % divisor, number()];
    const quotient = BigInt.asUintN(64, BigInt(machine.call("udiv128", high, low, divisor)));
    expect(quotient, `${high}:${low} / ${divisor}`).toBe(((high << 64n) | low) / divisor);
  }
});

test("CRC-32C of the digits 1 to 9", () => {
  const machine = new HelperMachine();
  const first = Number(machine.call("crc32c", -1, 0x3837363534333231n, 8));
  expect(~Number(machine.call("crc32c", first, 0x39n, 1)) >>> 0).toBe(0xe3069283);
});

describe("ENTER", () => {
  test("pushes the frame pointer and makes room", () => {
    const machine = new HelperMachine().longMode(0);
    machine.setGpr("rsp", 0x8000);
    machine.setGpr("rbp", 0x1234);
    machine.call("enter", 0x20, 8);
    expect(machine.read(0x7ff8)).toBe(0x1234n);
    expect(machine.gpr("rbp")).toBe(0x7ff8n);
    expect(machine.gpr("rsp")).toBe(0x7fd8n);
  });

  test("copies the display of the enclosing levels", () => {
    const machine = new HelperMachine().longMode(0);
    machine.setGpr("rsp", 0x8000);
    machine.setGpr("rbp", 0x9000);
    machine.write(0x8ff8, 0x77);
    machine.call("enter", 2 << 16, 8);
    expect([0x7ff8, 0x7ff0, 0x7fe8].map((at) => machine.read(at))).toEqual([0x9000n, 0x77n, 0x7ff8n]);
    expect(machine.gpr("rsp")).toBe(0x7fe8n);
  });

  test("changes nothing when the stack faults", () => {
    const machine = new HelperMachine().longMode(0);
    machine.setGpr("rsp", MAPPED + 0x1008);
    machine.setGpr("rbp", 1);
    machine.call("enter", 0, 8);
    expect(machine.fault()).toMatchObject({ vector: VECTOR.PF });
    expect(machine.gpr("rsp")).toBe(BigInt(MAPPED + 0x1008));
    expect(machine.gpr("rbp")).toBe(1n);
  });
});

describe("POPF", () => {
  const everything = EFLAGS.IF | EFLAGS.IOPL | EFLAGS.DF | EFLAGS.NT | EFLAGS.AC | EFLAGS.ID;

  test("at level 0 changes IF and IOPL, at level 3 neither", () => {
    const kernel = new HelperMachine().longMode(0);
    kernel.call("pop_flags", everything, 64);
    expect(kernel.get32(CPU.eflags) & everything).toBe(everything);
    const user = new HelperMachine().longMode(3);
    user.call("pop_flags", everything, 64);
    expect(user.get32(CPU.eflags) & everything).toBe(everything & ~(EFLAGS.IF | EFLAGS.IOPL));
  });

  test("of 16 bits leaves the upper half", () => {
    const machine = new HelperMachine().longMode(0);
    machine.call("pop_flags", everything, 16);
    expect(machine.get32(CPU.eflags) & (EFLAGS.AC | EFLAGS.ID)).toBe(0);
  });
});
