import { describe, expect, test } from "vitest";
import { HelperMachine } from "../../test/isa/helper-machine.ts";
import { CR4, XCR0 } from "../spec/x86/control-register.ts";
import { XSAVE } from "../spec/x86/xsave.ts";
import { CPU, FEATURE, VECTOR } from "./state.ts";
import { XSAVE_FORM } from "./xsave-form.ts";

const AREA = 0x10_0000;
const COMPACTED = 1n << 63n;
const ALL = XCR0.X87 | XCR0.SSE | XCR0.AVX;
/** The first address that the set-ups do not map. */
const UNMAPPED = 0x20_0000;

/** x87 to AVX, with every instruction; CPUID.(EAX=0DH,ECX=0):EAX is all that is asked. */
function machine(mode: "64" | "32" = "64", level: 0 | 3 = 0): HelperMachine {
  const made: HelperMachine = new HelperMachine({
    cpuid: (_cpu, leaf) => {
      const eax = leaf === 13 ? ALL : 0;
      for (const [at, value] of [eax, 0, 0, 0].entries()) made.set32(CPU.scratch + 4 * at, value);
      return undefined;
    },
  });
  if (mode === "64") made.longMode(level);
  else made.protectedMode(level);
  made.set(CPU.cr4, made.get(CPU.cr4) | BigInt(CR4.OSXSAVE));
  made.set(CPU.xcr0, ALL);
  made.set32(CPU.features, FEATURE.xgetbv1 | FEATURE.xsaves);
  made.set32(CPU.fcw, 0x37f);
  made.set32(CPU.mxcsr, 0x1f80);
  return made;
}

/** All three components in use, distinct in every register. */
function filled(made: HelperMachine): HelperMachine {
  made.set32(CPU.fcw, 0x27f);
  made.set32(CPU.mxcsr, 0x1fa0);
  for (let n = 0; n < 8; n++) made.set(CPU.fpr + 16 * n, 0x100 + n);
  for (let n = 0; n < 16; n++) made.set(CPU.xmm + 32 * n, 0x200 + n);
  for (let n = 0; n < 16; n++) made.set(CPU.xmm + 32 * n + 16, 0x300 + n);
  return made;
}

function request(made: HelperMachine, components: number): void {
  made.setGpr("rax", components);
  made.setGpr("rdx", 0);
}

function save(made: HelperMachine, form: keyof typeof XSAVE_FORM, components = ALL, at = AREA): void {
  request(made, components);
  made.call("xsave", BigInt(at), XSAVE_FORM[form], 1);
}

function restore(made: HelperMachine, form: "plain" | "supervisor" = "plain", components = ALL): void {
  request(made, components);
  made.call("xrstor", BigInt(AREA), XSAVE_FORM[form], 1);
}

const header = (made: HelperMachine): bigint[] => [made.read(AREA + XSAVE.XSTATE_BV), made.read(AREA + XSAVE.XCOMP_BV)];

/** The registers of all components. */
function registers(made: HelperMachine): unknown[] {
  return [
    [CPU.fcw, CPU.fsw, CPU.ftw, CPU.mxcsr].map((at) => made.get32(at)),
    Array.from({ length: 8 }, (_, n) => made.get(CPU.fpr + 16 * n)),
    Array.from({ length: 64 }, (_, n) => made.get(CPU.xmm + 8 * n)),
  ];
}

const GP = { vector: VECTOR.GP, error: 0 };

describe("XSAVE", () => {
  test("writes the standard format [SDM 1 13.4]", () => {
    const made = filled(machine());
    save(made, "plain");
    expect(header(made)).toEqual([7n, 0n]);
    expect(made.read(AREA, 2)).toBe(0x27fn);
    expect(made.read(AREA + 24)).toBe(0xffff_0000_1fa0n);
    expect([0, 15].map((n) => made.read(AREA + 160 + 16 * n))).toEqual([0x200n, 0x20fn]);
    expect([0, 15].map((n) => made.read(AREA + XSAVE.AVX + 16 * n))).toEqual([0x300n, 0x30fn]);
  });

  test("leaves what was not requested, its bit in the header too", () => {
    const made = filled(machine());
    made.write(AREA + XSAVE.XSTATE_BV, 0x8000_0005);
    made.write(AREA + 160, 0xabc);
    save(made, "plain", XCR0.AVX);
    expect(header(made)[0]).toBe(0x8000_0005n);
    expect([made.read(AREA), made.read(AREA + 160)]).toEqual([0n, 0xabcn]);
    expect(made.read(AREA + 24, 4)).toBe(0x1fa0n);
    expect(made.read(AREA + XSAVE.AVX)).toBe(0x300n);
  });

  test("requests beyond XCR0 are nothing", () => {
    const made = filled(machine());
    made.set(CPU.xcr0, XCR0.X87);
    save(made, "plain", 0xffff_ffff);
    expect(header(made)).toEqual([1n, 0n]);
    expect(made.read(AREA + 24)).toBe(0n);
  });

  test("writes components in their initial configuration, and says that they are", () => {
    const made = machine();
    for (let at = 0; at < 832; at += 8) made.write(AREA + at, -1);
    save(made, "plain");
    expect(made.read(AREA + XSAVE.XSTATE_BV)).toBe(0xffff_ffff_ffff_fff8n);
    expect([made.read(AREA + 160), made.read(AREA + XSAVE.AVX)]).toEqual([0n, 0n]);
  });

  test("outside 64-bit mode there are eight vector registers, and the others count for nothing", () => {
    const made = filled(machine("32"));
    save(made, "plain");
    expect([7, 8].map((n) => made.read(AREA + XSAVE.AVX + 16 * n))).toEqual([0x307n, 0n]);
    for (let n = 0; n < 8; n++) made.set(CPU.xmm + 32 * n + 16, 0);
    save(made, "plain");
    expect(header(made)[0]).toBe(3n);
  });

  test("an area that is not all mapped is not begun", () => {
    const made = filled(machine());
    save(made, "plain", ALL, UNMAPPED - 768);
    expect(made.fault()?.vector).toBe(VECTOR.PF);
    expect(made.read(UNMAPPED - 768)).toBe(0n);
    save(made, "plain", ALL, UNMAPPED - 832);
    expect(made.fault()).toBeUndefined();
  });

  test("an area across two pages is whole", () => {
    const made = filled(machine());
    save(made, "plain", ALL, AREA + 0x1000 - 192);
    save(made, "plain");
    for (let at = 0; at < 832; at += 8) expect(made.read(AREA + 0x1000 - 192 + at)).toBe(made.read(AREA + at));
  });
});

describe("XSAVEOPT, XSAVEC and XSAVES", () => {
  test("XSAVEOPT does not write what is initial", () => {
    const made = machine();
    made.set(CPU.xmm + 16, 5);
    for (let at = 0; at < 832; at += 8) made.write(AREA + at, 0x5a);
    save(made, "optimized");
    expect([made.read(AREA), made.read(AREA + 160), made.read(AREA + XSAVE.AVX)]).toEqual([0x5an, 0x5an, 5n]);
    expect(made.read(AREA + XSAVE.XSTATE_BV)).toBe(4n | (0x5an & ~7n));
  });

  test.each(["compacted", "supervisor"] as const)("%s: the header tells format and components", (form) => {
    const made = machine();
    made.set(CPU.xmm + 16, 5);
    made.write(AREA + XSAVE.XSTATE_BV, -1);
    save(made, form);
    expect(header(made)).toEqual([4n, COMPACTED | 7n]);
    expect(made.read(AREA + 24)).toBe(0n);
  });

  test("in compacted format MXCSR is SSE state [SDM 1 13.6]", () => {
    const made = machine();
    made.set32(CPU.mxcsr, 0x1fbf);
    save(made, "compacted");
    expect(header(made)[0]).toBe(2n);
    expect(made.read(AREA + 24, 4)).toBe(0x1fbfn);
    save(made, "plain");
    expect(header(made)[0]).toBe(0n);
  });
});

describe("XRSTOR", () => {
  test.each(["plain", "optimized", "compacted", "supervisor"] as const)("takes back what was saved: %s", (form) => {
    const made = filled(machine());
    const before = registers(made);
    save(made, form);
    for (let at = 0; at < 512; at += 8) made.set(CPU.xmm + at, -1);
    for (let at = 0; at < 128; at += 16) made.set(CPU.fpr + at, -1);
    made.set32(CPU.fcw, 0x40);
    made.set32(CPU.mxcsr, 0x1f80);
    restore(made, form === "supervisor" ? "supervisor" : "plain");
    expect(made.fault()).toBeUndefined();
    expect(registers(made)).toEqual(before);
  });

  test("a component that the area has not becomes initial, one that was not requested stays", () => {
    const made = filled(machine());
    made.write(AREA + 24, 0x1f80);
    restore(made, "plain", XCR0.X87 | XCR0.AVX);
    expect(made.get32(CPU.fcw)).toBe(0x37f);
    expect([made.get(CPU.fpr), made.get(CPU.xmm), made.get(CPU.xmm + 16)]).toEqual([0n, 0x200n, 0n]);
  });

  test("standard format loads MXCSR with SSE or AVX, compacted format makes it initial with SSE", () => {
    const made = machine();
    made.write(AREA + 24, 0x1fbf, 4);
    restore(made, "plain", XCR0.AVX);
    expect(made.get32(CPU.mxcsr)).toBe(0x1fbf);
    made.write(AREA + XSAVE.XCOMP_BV, COMPACTED | 7n);
    restore(made, "plain", XCR0.AVX);
    expect(made.get32(CPU.mxcsr)).toBe(0x1fbf);
    restore(made, "plain", XCR0.SSE);
    expect(made.get32(CPU.mxcsr)).toBe(0x1f80);
  });

  test.each([
    ["a component that is not enabled", 8n, 0n, 0n, "plain"],
    ["XCOMP_BV without its top bit", 0n, 1n, 0n, "plain"],
    ["reserved bytes", 0n, 0n, 1n, "plain"],
    ["a component that the format has not", 4n, COMPACTED | 3n, 0n, "plain"],
    ["a format with a component that is not enabled", 0n, COMPACTED | 8n, 0n, "plain"],
    ["reserved bytes of the compacted format", 0n, COMPACTED, 1n, "plain"],
    ["standard format with XRSTORS", 0n, 0n, 0n, "supervisor"],
  ] as const)("#GP: %s [SDM 1 13.8, 13.12]", (_, present, format, reserved, form) => {
    const made = filled(machine());
    const before = registers(made);
    made.write(AREA + XSAVE.XSTATE_BV, present);
    made.write(AREA + XSAVE.XCOMP_BV, format);
    made.write(AREA + XSAVE.RESERVED, reserved);
    restore(made, form);
    expect(made.fault()).toEqual(GP);
    expect(registers(made)).toEqual(before);
  });

  test("only the compacted format looks at the rest of the header", () => {
    const made = machine();
    made.write(AREA + 24, 0x1f80);
    made.write(AREA + 568, 1);
    restore(made);
    expect(made.fault()).toBeUndefined();
    made.write(AREA + XSAVE.XCOMP_BV, COMPACTED);
    restore(made);
    expect(made.fault()).toEqual(GP);
  });

  test("reserved bits of MXCSR raise #GP and change nothing", () => {
    const made = filled(machine());
    const before = registers(made);
    made.write(AREA + 24, 0x1_1f80, 4);
    restore(made);
    expect(made.fault()).toEqual(GP);
    expect(registers(made)).toEqual(before);
  });
});

describe("XGETBV, XSETBV and the level of XSAVES", () => {
  const xgetbv = (made: HelperMachine, index: number): bigint => {
    made.setGpr("rcx", index);
    made.call("xgetbv");
    return made.gpr("rax");
  };

  test("XGETBV(1) tells what is in use", () => {
    const made = machine();
    expect([xgetbv(made, 0), xgetbv(made, 1)]).toEqual([7n, 0n]);
    made.set32(CPU.mxcsr, 0x1fbf);
    made.set(CPU.xmm + 16, 1);
    expect(xgetbv(made, 1)).toBe(6n);
    xgetbv(made, 2);
    expect(made.fault()).toEqual(GP);
  });

  test.each([
    [7, undefined],
    [3, undefined],
    [1, undefined],
    [6, GP],
    [5, GP],
    [0xf, GP],
  ])("XCR0 := %i", (value, fault) => {
    const made = machine();
    made.setGpr("rcx", 0);
    request(made, value);
    made.call("xsetbv");
    expect(made.fault()).toEqual(fault);
  });

  test("XSAVES is for level 0", () => {
    const user = machine("64", 3);
    user.call("check_xsaves");
    expect(user.fault()).toEqual(GP);
    const supervisor = machine();
    supervisor.call("check_xsaves");
    expect(supervisor.fault()).toBeUndefined();
  });

  test("without their CPUID bits XGETBV(1) is #GP and XSAVES #UD", () => {
    const made = machine();
    made.set32(CPU.features, 0);
    xgetbv(made, 1);
    expect(made.fault()).toEqual(GP);
    made.call("check_xsaves");
    expect(made.fault()).toEqual({ vector: VECTOR.UD, error: 0 });
  });
});
