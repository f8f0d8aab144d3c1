import { describe, expect, test } from "vitest";
import { HelperMachine } from "../../test/isa/helper-machine.ts";
import { FCW, FSW, RC } from "../spec/x86/x87.ts";
import { CPU, VECTOR } from "./state.ts";

/** An 80-bit value: sign and exponent, significand. */
type Real = readonly [number, bigint];

const ONE: Real = [0x3fff, 1n << 63n];
const ALL_EMPTY = 0;
const FINIT_RC = (mode: number): number => FCW.initial | (mode << 10);

/** Low five bits of D9 E0-FF. */
const UNARY: Readonly<Record<string, number>> = {
  f2xm1: 0x10,
  fyl2x: 0x11,
  fptan: 0x12,
  fpatan: 0x13,
  fyl2xp1: 0x19,
  fsin: 0x1e,
  fcos: 0x1f,
};

function machineWith(...stack: Real[]): HelperMachine {
  const machine = new HelperMachine().longMode(0);
  setStack(machine, FCW.initial, stack);
  return machine;
}

/** TOP = 0 and a stack of the given values. */
function setStack(machine: HelperMachine, control: number, stack: readonly Real[]): void {
  machine.set32(CPU.fcw, control);
  machine.set32(CPU.fsw, 0);
  machine.set32(CPU.ftw, (1 << stack.length) - 1);
  stack.forEach(([se, significand], i) => {
    machine.set(CPU.fpr + 16 * i, significand);
    machine.set(CPU.fpr + 16 * i + 8, se);
  });
}

function register(machine: HelperMachine, i: number): Real {
  const at = CPU.fpr + 16 * (((machine.get32(CPU.fsw) >> 11) + i) & 7);
  return [Number(machine.get(at + 8) & 0xffffn), machine.get(at)];
}

/** All of the FPU's state as numbers. */
function snapshot(machine: HelperMachine): bigint[] {
  const words = [CPU.fcw, CPU.fsw, CPU.ftw].map((at) => BigInt(machine.get32(at)));
  for (let at = CPU.fpr; at < CPU.fpr + 128; at += 8) words.push(machine.get(at));
  return words;
}

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

function doubleBits(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

/**
 * Instruction, ST(0), ST(1), the result's magnitude rounded down, 1 if the nearest value is the next one. Computed with 1200
 * bits by an independent library; pi has the 66 bits that the processor's has. [SDM 1 8.3.8]
 */
const TRANSCENDENTAL = `
fsin bfd7a69e0d37f2a74de4 3fff8000000000000000 bfd7a69e0d37f2a74de3 1
fsin bfeb8c5c7fd0a6a3a450 3fff8000000000000000 bfeb8c5c7fd0a6878302 0
fsin 3ffc892f902bd23f0824 3fff8000000000000000 3ffc88c69a3f3bf7f45c 1
fsin 3ffe9531985d5d9dc9f8 3fff8000000000000000 3ffe8ce3fdc9a054d4ac 1
fsin 3fff81e74ef5e8e25d94 3fff8000000000000000 3ffed9731cdecce1d4c5 1
fsin 40009600a35a099950d8 3fff8000000000000000 3ffeb740410ed9c6c703 0
fsin c00291e20b8f6b0d549b 3fff8000000000000000 bffd9ac561ea651f3d27 0
fsin 40138d116ece1738f7d9 3fff8000000000000000 3ffef4f88790f4d77ef4 0
fsin c03dd3ac94af0f21ddb6 3fff8000000000000000 bffee14714cfc772a7bd 0
fsin 4000c90fdaa22168c235 3fff8000000000000000 bfbeffffffffffffffff 1
fcos 3fd7b9263059f28c105d 3fff8000000000000000 3ffeffffffffffffffff 1
fcos 3feb95e60af593bd04cf 3fff8000000000000000 3ffeffffffffff5074d1 0
fcos bffcf9ebdacc0cb1e29c 3fff8000000000000000 3ffef869c633e7158e4d 0
fcos 3ffe8e81973e0becd7b0 3fff8000000000000000 3ffed95980bd0660586d 1
fcos 3fffeb4cb2424a23d596 3fff8000000000000000 bffd8752ccb76fa50d14 0
fcos 40009e27a1c08a6a63ec 3fff8000000000000000 bffec89749bed3c68359 1
fcos c002d0eda82f8f6d0558 3fff8000000000000000 3ffee1ad8ff9387c9c34 1
fcos 401394e3bf911a61dbe2 3fff8000000000000000 3ffed9ee6bc99d30d6ce 0
fcos 403d98f135d25f557203 3fff8000000000000000 bffed475e6af619aec54 1
fcos 4000c90fdaa22168c235 3fff8000000000000000 bffeffffffffffffffff 1
fptan 3fd78f4205b4907a70c3 3fff8000000000000000 3fd78f4205b4907a70c3 0
fptan 3febae2eb1547f150524 3fff8000000000000000 3febae2eb1547f808923 1
fptan bffcd06bf2efc6f87718 3fff8000000000000000 bffcd35929b2ceec44c4 0
fptan bffeec66a78795e761d1 3fff8000000000000000 bfffa94dac6b00f24e95 1
fptan bfffccbd87ad5c90a958 3fff8000000000000000 40048b26dd34d6777f62 0
fptan 4000ae05319acb5c7427 3fff8000000000000000 bffde632aab88cd9689b 1
fptan 4002930d6eaf14f4733f 3fff8000000000000000 bffcf415fcf669322052 1
fptan c013febff20686734721 3fff8000000000000000 bffe9232c8bc7543ae76 1
fptan c03df2e6cc3ababced20 3fff8000000000000000 bffea64df49a9e0f9aee 0
fptan 4000c90fdaa22168c235 3fff8000000000000000 3fbf8000000000000000 0
f2xm1 bfb99e398f1012bd4acf 3fff8000000000000000 bfb8db58a0b8525bd97f 0
f2xm1 3fd7eeeacbe226e87555 3fff8000000000000000 3fd7a59ad1e488b28822 0
f2xm1 bff5f646e1f40a097c97 3fff8000000000000000 bff5aa9852dd3d10f519 1
f2xm1 bffcff26144b98289fcd 3fff8000000000000000 bffca26cfec2de22db24 0
f2xm1 3ffdc51abd81f1d69ed7 3fff8000000000000000 3ffd9c960d4187e5d1ba 1
f2xm1 3ffecf426dcbb394fb37 3fff8000000000000000 3ffec0b3333673e6898b 0
f2xm1 bffee2c33a4fb774eb53 3fff8000000000000000 bffdeae9126597ddafef 1
f2xm1 3ffe8000000000000001 3fff8000000000000000 3ffdd413cccfe7799213 0
fyl2x 017f8f17a3007e62aa0b 402beab477d26415479c c039e533a60c84db3c5f 1
fyl2x 3f9baa96fb1a14a0f9e7 4004b4d66a3a47469a4d c00b8cb1a35a90f90d37 1
fyl2x 3ffde25a7605aec6f025 3fe0ffffffffffffffff bfe196ba8483cc4edd03 1
fyl2x 3ffeffffffffffffffff bff1a54b0c4e010c4759 3fb1ee77b5c279bdcb8a 1
fyl2x 3ffeffffffffffffffff 4007f3aed0b6c7ac1491 bfc8afc7b06aa1a77135 1
fyl2x 3fff9a81682c64e50cad bfd4b571810afc132d0d bfd2c50ed3ade322fda3 1
fyl2x 3fff8000000000000001 3fcda6b94c7f9118bb16 3f8ef08819204291ed5c 0
fyl2x 4000ffffffffffffffff bfe0c093f6dea268aa87 bfe1c093f6dea268aa86 0
fyl2x 4006d953ee261d87cec3 c00a8000000000000000 c00cf870785e4e33af2a 0
fyl2x 7e7fc3c71b9abd87a865 400fb488f87605e999f3 401db04f7d5cc8f3d780 1
fyl2x 3fff8000000000000001 3fff8000000000000000 3fc0b8aa3b295c17f0bb 0
fyl2xp1 3fb98b0d590bb0a844e5 4026ffffffffffffffff 3fe1c89c1e0026d6059b 0
fyl2xp1 bfc0b908f227c59db917 401bffffffffffffffff bfde857978c059410f83 1
fyl2xp1 3febffffffffffffffff 400f8000000000000000 3ffcb8aa2f9eb95b9331 0
fyl2xp1 bffac259405278e4b98d c029d97a1ecffcf00fec 4025f40792028fc5cd8a 1
fyl2xp1 3ffcffffffffffffffff bfe78000000000000000 bfe5a4d3c25e68dc57f1 1
fyl2xp1 bffc8000000000000001 3ffeb30698a1c0093492 bffc89f427b618f8f26c 1
fyl2xp1 3ffb8000000000000001 c008ffffffffffffffff c005b31fb7d64898b3e7 0
fpatan 3fffa6b1cffc070d7109 3ed3faf55496988af3fb 3ed3c0b426d362d1adda 0
fpatan bfff8000000000000000 3fbf8000000000000001 4000c90fdaa22168c234 1
fpatan 3fffffffffffffffffff 3ffaffffffffffffffff 3ff9ffeaaddd4bb12542 0
fpatan bfffffffffffffffffff 3ffde5cfedfa5a9196f1 4000baeeca61dd882d57 0
fpatan bfffffffffffffffffff 3ffedf70301704c9d78d 4000aeba0413c16bf981 0
fpatan 3fffffffffffffffffff 3fff8000000000000001 3ffded63382b0dda7b47 1
fpatan 3fff87ddaeb784b28054 3fffffffffffffffffff 3fff8a9b831480669cc1 0
fpatan bfff81f98b521905d591 3fff9038f0b5e998d0ef 40009379525a01e6c17e 1
fpatan bfffffffffffffffffff c000ceaf4915888564e9 c0008804b302bd84684d 1
fpatan 3fff85f1115bb2fff17b 40018000000000000001 3fffa84f7bcdb85ba489 1
fpatan bfffffffffffffffffff c0048000000000000001 bfffd10d318feca83ca6 0
fpatan 3fffb753a1eef0836085 403ff7b103df23231e1f 3fffc90fdaa22168c234 0
fpatan 3fffe5f4298618189af4 412bffffffffffffffff 3fffc90fdaa22168c234 1
fpatan 3fff8000000000000000 bfff8000000000000000 bffec90fdaa22168c234 1
fpatan bfff8000000000000000 3fff8000000000000000 400096cbe3f9990e91a7 1
`;

const parseReal = (text: string): Real => [Number.parseInt(text.slice(0, 4), 16), BigInt(`0x${text.slice(4)}`)];
const vectors = TRANSCENDENTAL.trim()
  .split("\n")
  .map((line) => {
    const [name, x, y, down, up] = line.split(" ") as [string, string, string, string, string];
    return { name, x: parseReal(x), y: parseReal(y), down: parseReal(down), nearestIsNext: up === "1" };
  });

/** The next significand away from zero. */
function next([se, significand]: Real): Real {
  const sum = significand + 1n;
  return sum >> 64n ? [se + 1, sum >> 1n] : [se, sum];
}

describe("transcendental instructions are correctly rounded", () => {
  const machine = new HelperMachine().longMode(0);
  const run = (name: string, x: Real, y: Real, mode: number): Real => {
    setStack(machine, FINIT_RC(mode), [x, y]);
    machine.call("x87_unary", UNARY[name]!);
    expect(machine.get32(CPU.fsw) & FSW.exceptions, name).toBe(FSW.PE);
    return register(machine, name === "fptan" ? 1 : 0);
  };

  test.each(["fsin", "fcos", "fptan", "f2xm1", "fyl2x", "fyl2xp1", "fpatan"])("%s", (name) => {
    const own = vectors.filter((vector) => vector.name === name);
    expect(own.length).toBeGreaterThan(5);
    for (const { x, y, down, nearestIsNext } of own) {
      const negative = (down[0] & 0x8000) !== 0;
      expect(run(name, x, y, RC.nearest), "nearest").toEqual(nearestIsNext ? next(down) : down);
      expect(run(name, x, y, RC.zero), "zero").toEqual(down);
      expect(run(name, x, y, RC.down), "down").toEqual(negative ? next(down) : down);
      expect(run(name, x, y, RC.up), "up").toEqual(negative ? down : next(down));
    }
  });
});

test("doubles agree with the host's arithmetic under 53-bit precision", () => {
  const seed = 20;
  const random = generator(seed);
  const machine = machineWith();
  const value = (): number => {
    const exponent = 1023 - 200 + random(400);
    const high = ((random(2) << 31) | (exponent << 20) | random(1 << 20)) >>> 0;
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, high);
    view.setUint32(4, random(3) ? random(0x1_0000_0000) : 0);
    return view.getFloat64(0);
  };
  const operations: readonly (readonly [number, (a: number, b: number) => number])[] = [
    [0, (a, b) => a + b],
    [1, (a, b) => a * b],
    [4, (a, b) => a - b],
    [5, (a, b) => b - a],
    [6, (a, b) => a / b],
    [7, (a, b) => b / a],
  ];
  for (let n = 0; n < 3000; n++) {
    const [a, b] = [value(), value()];
    const [operation, compute] = operations[random(operations.length)]!;
    setStack(machine, 0x27f, []);
    machine.call("x87_load_double", doubleBits(a));
    machine.call("x87_arithmetic_double", operation, doubleBits(b));
    machine.call("x87_store", 0x10_0000n, 1, 1);
    expect(machine.read(0x10_0000), `seed ${seed}: ${a} ${operation} ${b}`).toBe(doubleBits(compute(a, b)));
    expect(machine.get32(CPU.ftw)).toBe(ALL_EMPTY);
  }
});

test("a partial remainder, repeated, is the remainder of integers", () => {
  const seed = 21;
  const random = generator(seed);
  const machine = machineWith();
  for (let n = 0; n < 300; n++) {
    const b = BigInt(1 + random(0x7fff_ffff));
    const shift = BigInt(random(300));
    const a = BigInt(1 + random(0x7fff_ffff));
    setStack(machine, FCW.initial, []);
    machine.call("x87_load_integer", b);
    machine.call("x87_load_integer", a);
    machine.set(CPU.fpr + 16 * 6 + 8, machine.get(CPU.fpr + 16 * 6 + 8) + shift);
    do machine.call("x87_unary", 0x18);
    while (machine.get32(CPU.fsw) & FSW.C2);
    machine.call("x87_store", 0x10_0000n, 64, 1);
    const value = a << shift;
    expect(machine.read(0x10_0000), `seed ${seed}: ${a} << ${shift} by ${b}`).toBe(value % b);
  }
});

describe("a page fault leaves the FPU as it was", () => {
  const UNMAPPED = 0x20_0000n;
  const stack: Real[] = [ONE, [0x4000, 0xc90f_daa2_2168_c235n], [0xbffe, 0xb504_f333_f9de_6484n]];
  const formats = [0, 1, 2, 3, 16, 32, 64, -16, -32, -64];

  test.each([0n, 2n])("stores, %i bytes before the page", (before) => {
    for (const format of formats.filter((f) => before === 0n || Math.abs(f) !== 16)) {
      const machine = machineWith(...stack);
      const state = snapshot(machine);
      machine.call("x87_store", UNMAPPED - before, format, 1);
      expect(machine.fault()?.vector, `format ${format}`).toBe(VECTOR.PF);
      expect(snapshot(machine)).toEqual(state);
      expect(machine.read(Number(UNMAPPED) - 8)).toBe(0n);
    }
  });

  test.each(["x87_save", "x87_restore", "x87_store_environment", "x87_load_environment"])("%s", (helper) => {
    const machine = machineWith(...stack);
    const state = snapshot(machine);
    machine.call(helper, UNMAPPED - 10n, 4);
    expect(machine.fault()?.vector).toBe(VECTOR.PF);
    expect(snapshot(machine)).toEqual(state);
    expect(machine.read(Number(UNMAPPED) - 8)).toBe(0n);
  });
});

describe("images of the state", () => {
  const AT = 0x10_0000;
  const fill = (machine: HelperMachine): void => {
    setStack(machine, 0xf7f, [ONE, [0x0000, 0n], [0x7fff, 1n << 63n], [0x0000, 1n]]);
    machine.set32(CPU.fsw, (5 << 11) | FSW.C3 | FSW.PE);
    machine.set32(CPU.ftw, 0b1001_1011);
    machine.set(CPU.fip, 0x12_3456);
    machine.set(CPU.fdp, 0xa_bcde);
  };

  test.each([
    ["64-bit mode, 32-bit fields", (m: HelperMachine) => m.longMode(0), 4],
    ["protected mode, 16-bit fields", (m: HelperMachine) => m.protectedMode(0), 2],
    ["real-address mode, 32-bit fields", (m: HelperMachine) => m.realMode(), 4],
    ["real-address mode, 16-bit fields", (m: HelperMachine) => m.realMode(), 2],
  ] as const)("%s: a saved state is restored", (_name, enter, size) => {
    const machine = enter(new HelperMachine());
    fill(machine);
    const state = snapshot(machine);
    machine.call("x87_save", BigInt(AT), size);
    expect([CPU.fcw, CPU.fsw, CPU.ftw].map((at) => machine.get32(at))).toEqual([FCW.initial, 0, 0]);
    machine.call("x87_restore", BigInt(AT), size);
    expect(snapshot(machine)).toEqual(state);
    const bits = size === 4 ? 32n : 16n;
    const kept = size === 2 && _name.startsWith("real") ? 20n : bits;
    expect(machine.get(CPU.fip)).toBe(BigInt.asUintN(Number(kept), 0x12_3456n));
    expect(machine.get(CPU.fdp)).toBe(BigInt.asUintN(Number(kept), 0xa_bcden));
  });

  test("tags, pointers and masks of the 32-bit protected-mode environment", () => {
    const machine = new HelperMachine().longMode(0);
    fill(machine);
    machine.set32(CPU.fcw, 0xf40);
    machine.call("x87_store_environment", BigInt(AT), 4);
    const field = (n: number): number => Number(machine.read(AT + 4 * n, 4));
    expect(field(0)).toBe(0xffff_0f40);
    expect(field(1) & 0xffff).toBe((5 << 11) | FSW.C3 | FSW.PE);
    // register 0 is valid, 1 zero, 3 denormal; 4 and 7 were never written, so zero; 2, 5 and 6 are empty
    expect(field(2)).toBe(0xffff_0000 + 0b01_11_11_01_10_11_01_00);
    expect([field(3), field(5)]).toEqual([0x12_3456, 0xa_bcde]);
    expect(machine.get32(CPU.fcw)).toBe(0xf7f);
  });

  test("pointers of the real-address environment are linear", () => {
    const machine = new HelperMachine().realMode();
    fill(machine);
    machine.set32(CPU.fop, 0x5d9);
    machine.call("x87_store_environment", BigInt(AT), 2);
    const field = (n: number): number => Number(machine.read(AT + 2 * n, 2));
    expect([field(3), field(4), field(5), field(6)]).toEqual([0x3456, 0x25d9, 0xbcde, 0xa000]);
  });
});

test("unmasking an exception that is pending sets ES and B, masking it clears them", () => {
  const machine = machineWith(ONE);
  machine.set32(CPU.fsw, FSW.ZE);
  machine.call("x87_set_control", FCW.initial & ~FSW.ZE);
  expect(machine.get32(CPU.fsw)).toBe(FSW.ZE | FSW.ES | FSW.B);
  machine.call("x87_set_control", FCW.initial);
  expect(machine.get32(CPU.fsw)).toBe(FSW.ZE);
});

test("FOP is found behind prefixes", () => {
  const machine = new HelperMachine().longMode(0);
  for (const [n, byte] of [0x2e, 0x66, 0x41, 0xdc, 0x74, 0x24].entries()) machine.write(0x7000 + n, byte, 1);
  expect(machine.call("x87_opcode", 0x7000n)).toBe(0x474);
});
