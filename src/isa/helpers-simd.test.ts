import { describe, expect, test } from "vitest";
import { HelperMachine } from "../../test/isa/helper-machine.ts";
import { CPU, segmentOffset, VECTOR } from "./state.ts";

const IMAGE = 0x10_0000;
const FLAT = segmentOffset("flat");
/** The first address that the set-ups do not map. */
const UNMAPPED = 0x20_0000;

/** A machine whose x87 and SSE state is distinct in every field; TOP is 3. */
function filled(machine: HelperMachine): HelperMachine {
  machine.set32(CPU.fcw, 0x37f);
  machine.set32(CPU.fsw, 3 << 11);
  machine.set32(CPU.ftw, 0x5a);
  machine.set32(CPU.fop, 0x123);
  machine.set(CPU.fip, 0x0000_1111_2222_3333n);
  machine.set(CPU.fdp, 0x4444_5555_6666_7777n);
  machine.set32(CPU.fcs, 0x8888);
  machine.set32(CPU.fds, 0x9999);
  machine.set32(CPU.mxcsr, 0x1fa0);
  for (let n = 0; n < 8; n++) machine.set(CPU.fpr + 16 * n, 0x100 + n);
  for (let n = 0; n < 16; n++) machine.set(CPU.xmm + 32 * n + 8, 0x200 + n);
  return machine;
}

describe("FXSAVE and FXRSTOR", () => {
  test("the 64-bit image has ST0 first and all pointers [SDM 1 10.5.1]", () => {
    const machine = filled(new HelperMachine().longMode(0));
    machine.call("fxsave", BigInt(IMAGE), 1);
    expect(machine.fault()).toBeUndefined();
    expect(machine.read(IMAGE)).toBe(0x0123_005a_1800_037fn);
    expect(machine.read(IMAGE + 8)).toBe(0x1111_2222_3333n);
    expect(machine.read(IMAGE + 16)).toBe(0x4444_5555_6666_7777n);
    expect(machine.read(IMAGE + 24)).toBe(0x0000_ffff_0000_1fa0n);
    expect([0, 4, 5].map((n) => machine.read(IMAGE + 32 + 16 * n))).toEqual([0x103n, 0x107n, 0x100n]);
    expect([0, 15].map((n) => machine.read(IMAGE + 168 + 16 * n))).toEqual([0x200n, 0x20fn]);
  });

  test("the 32-bit image has selectors, and only eight XMM registers outside 64-bit mode", () => {
    const machine = filled(new HelperMachine().protectedMode(0));
    machine.write(IMAGE + 168 + 16 * 8, 0xabc);
    machine.call("fxsave", BigInt(IMAGE), 0);
    expect(machine.read(IMAGE + 8)).toBe(0x8888_2222_3333n);
    expect(machine.read(IMAGE + 16)).toBe(0x9999_6666_7777n);
    expect([7, 8].map((n) => machine.read(IMAGE + 168 + 16 * n))).toEqual([0x207n, 0xabcn]);
  });

  test("FXRSTOR takes back what FXSAVE wrote", () => {
    const machine = filled(new HelperMachine().longMode(0));
    machine.call("fxsave", BigInt(IMAGE), 1);
    const other = new HelperMachine().longMode(0);
    for (let n = 0; n < 512; n += 8) other.write(IMAGE + n, machine.read(IMAGE + n));
    other.call("fxrstor", BigInt(IMAGE), 1);
    for (const at of [CPU.fcw, CPU.fsw, CPU.ftw, CPU.fop, CPU.mxcsr]) expect(other.get32(at)).toBe(machine.get32(at));
    for (const at of [CPU.fip, CPU.fdp, CPU.fpr + 48, CPU.xmm + 32 * 15 + 8])
      expect(other.get(at)).toBe(machine.get(at));
  });

  test("reserved bits of MXCSR raise #GP and change nothing", () => {
    const machine = filled(new HelperMachine().longMode(0));
    machine.write(IMAGE + 24, 0x1_1f80, 4);
    machine.call("fxrstor", BigInt(IMAGE), 1);
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: 0 });
    expect([machine.get32(CPU.fcw), machine.get32(CPU.mxcsr)]).toEqual([0x37f, 0x1fa0]);
  });

  test("an image that is not all mapped is not begun", () => {
    const machine = filled(new HelperMachine().longMode(0));
    machine.write(UNMAPPED - 256, 0x1234);
    machine.call("fxsave", BigInt(UNMAPPED - 256), 1);
    expect(machine.fault()?.vector).toBe(VECTOR.PF);
    expect(machine.read(UNMAPPED - 256)).toBe(0x1234n);
  });
});

describe("MASKMOVDQU", () => {
  const move = (machine: HelperMachine, at: number, maskLow: bigint, maskHigh: bigint): void => {
    machine.call("mask_move", FLAT, BigInt(at), 0x0807_0605_0403_0201n, 0x100f_0e0d_0c0b_0a09n, maskLow, maskHigh);
  };

  test("stores the bytes whose mask has the top bit set", () => {
    const machine = new HelperMachine().longMode(0);
    move(machine, IMAGE, 0x80_0000_007f_0080n, 0xff00_0000_0000_0000n);
    expect(machine.read(IMAGE)).toBe(0x07_0000_0000_0001n);
    expect(machine.read(IMAGE + 8)).toBe(0x1000_0000_0000_0000n);
  });

  test("bytes without a mask do not fault, and a fault leaves memory as it was", () => {
    const machine = new HelperMachine().longMode(0);
    move(machine, UNMAPPED - 8, 0x80n, 0n);
    expect(machine.fault()).toBeUndefined();
    expect(machine.read(UNMAPPED - 8)).toBe(1n);
    move(machine, UNMAPPED - 8, 0x8000n, 0x80n);
    expect(machine.fault()?.vector).toBe(VECTOR.PF);
    expect(machine.read(UNMAPPED - 8)).toBe(1n);
  });
});
