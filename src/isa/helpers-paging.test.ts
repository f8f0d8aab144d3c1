import { describe, expect, test } from "vitest";
import { AT, HelperMachine, SELECTOR } from "../../test/isa/helper-machine.ts";
import { CR0, CR4, EFER } from "../spec/x86/control-register.ts";
import { MSR } from "../spec/x86/msr.ts";
import { CPU, FEATURE, VECTOR } from "./state.ts";

const READ = 0;
const WRITE = 1;
const USER = 2;
const FETCH = 8;
const P = 1;
const RW = 2;
const US = 4;
const PS = 0x80;
const GLOBAL = 0x100;
/** Tables and pages that the tests map. */
const TABLE = [0x2_0000, 0x2_1000, 0x2_2000, 0x2_3000, 0x2_4000] as const;
const PAGE_A = 0x3_0000;
const PAGE_B = 0x3_1000;
const LINEAR = 0x180_0000_0000n;
const NO_FLUSH = 1n << 63n;

const GP = { vector: VECTOR.GP, error: 0 };
const fault = (error: number) => ({ vector: VECTOR.PF, error });

/** What an access finds: the guest-physical address, or the fault. */
function access(machine: HelperMachine, linear: bigint, kind: number) {
  const low = Number(BigInt.asIntN(32, linear));
  const host = Number(machine.call("translate_halves", low, Number(BigInt.asIntN(32, linear >> 32n)), kind));
  return machine.fault() ?? (host >>> 0) - ramOf(machine);
}

/** Where RAM is in linear memory: by way of a page that is mapped to itself. */
function ramOf(machine: HelperMachine): number {
  return Number(machine.call("translate_halves", 0x7000, 0, 4)) - 0x7000;
}

/** 64-bit mode at a level, with one more page: entries of all levels have `bits`. */
function long(level: 0 | 3, leaf: number | bigint, cr4 = 0, features = 0): HelperMachine {
  const machine = new HelperMachine().longMode(level);
  machine.set32(CPU.features, features);
  machine.set(CPU.cr4, CR4.PAE | cr4);
  machine.write(AT.pageTables + 8 * Number((LINEAR >> 39n) & 511n), TABLE[0] | P | RW | US);
  machine.write(TABLE[0] + 8 * Number((LINEAR >> 30n) & 511n), TABLE[1] | P | RW | US);
  machine.write(TABLE[1], TABLE[2] | P | RW | US);
  machine.write(TABLE[2], leaf);
  machine.call("tlb_flush");
  return machine;
}

function writeCr3(machine: HelperMachine, value: bigint) {
  machine.call("write_control", 3, value);
  return machine.fault();
}

describe("5-level paging", () => {
  test("walks through one more table, and 57 bits are canonical", () => {
    const machine = long(0, PAGE_A | P | RW | US, CR4.LA57);
    const high = 0x00ab_0000_0000_0000n;
    machine.write(TABLE[4] + 8 * Number(high >> 48n), AT.pageTables | P | RW | US);
    machine.write(TABLE[4], AT.pageTables | P | RW | US);
    machine.set(CPU.cr3, TABLE[4]);
    machine.call("tlb_flush");
    expect(access(machine, high + LINEAR, READ)).toBe(PAGE_A);
    expect(access(machine, 0x0100_0000_0000_0000n, READ)).toEqual(GP);
    machine.call("check_canonical", high);
    expect(machine.fault()).toBeUndefined();
  });

  test("with 4 levels they are not, but registers take them if the processor has LA57", () => {
    const machine = long(0, 0, 0, FEATURE.la57);
    const high = 0x00ab_0000_0000_0000n;
    expect(access(machine, high, READ)).toEqual(GP);
    machine.call("check_canonical", high);
    expect(machine.fault()).toEqual(GP);
    machine.setGpr("rcx", 0xc000_0100);
    machine.setGpr("rax", 0);
    machine.setGpr("rdx", high >> 32n);
    machine.call("wrmsr");
    expect(machine.fault()).toBeUndefined();
  });
});

describe("process-context identifiers", () => {
  /** An address space in which LINEAR is the page, as CR3 with an identifier. */
  function withSpaces(): HelperMachine {
    const machine = long(0, PAGE_A | P | RW, CR4.PCIDE | CR4.PGE);
    expect(access(machine, LINEAR, READ)).toBe(PAGE_A);
    // from now on only what is cached says so
    machine.write(TABLE[2], PAGE_B | P | RW);
    return machine;
  }
  const space = (pcid: number): bigint => BigInt(AT.pageTables | pcid);

  test("CR3 bit 63 keeps what is known of an address space, without it that is dropped", () => {
    const machine = withSpaces();
    expect(writeCr3(machine, space(1) | NO_FLUSH)).toBeUndefined();
    expect(machine.get(CPU.cr3)).toBe(space(1));
    expect(access(machine, LINEAR, READ)).toBe(PAGE_B);
    writeCr3(machine, space(0) | NO_FLUSH);
    expect(access(machine, LINEAR, READ)).toBe(PAGE_A);
    writeCr3(machine, space(0));
    expect(access(machine, LINEAR, READ)).toBe(PAGE_B);
  });

  test("more of them than are kept", () => {
    const machine = withSpaces();
    for (let pcid = 1; pcid < 12; pcid++) {
      writeCr3(machine, space(pcid) | NO_FLUSH);
      expect(access(machine, LINEAR, READ)).toBe(PAGE_B);
    }
  });

  test("without CR4.PCIDE bit 63 is reserved", () => {
    expect(writeCr3(long(0, 0), space(0) | NO_FLUSH)).toEqual(GP);
  });

  test.each([
    ["an address of an identifier", 0n, 0n, LINEAR, PAGE_B],
    ["all of an identifier", 1n, 0n, 0n, PAGE_B],
    ["all of another", 1n, 7n, 0n, PAGE_A],
    ["everything", 2n, 0n, 0n, PAGE_B],
    ["everything that is not global", 3n, 0n, 0n, PAGE_B],
  ])("INVPCID: %s", (_, kind, context, linear, found) => {
    const machine = withSpaces();
    writeCr3(machine, space(5) | NO_FLUSH);
    machine.call("invpcid", kind, context, linear);
    expect(machine.fault()).toBeUndefined();
    writeCr3(machine, space(0) | NO_FLUSH);
    expect(access(machine, LINEAR, READ)).toBe(found);
  });

  test.each([
    ["an unknown kind", 4n, 0n, 0n],
    ["an identifier of more than 12 bits", 1n, 0x1000n, 0n],
    ["an address that is not canonical", 0n, 0n, 1n << 50n],
  ])("INVPCID with %s is #GP", (_, kind, context, linear) => {
    const machine = withSpaces();
    machine.call("invpcid", kind, context, linear);
    expect(machine.fault()).toEqual(GP);
  });

  test("global pages stay but for INVPCID of everything", () => {
    const machine = long(0, PAGE_A | P | RW | GLOBAL, CR4.PCIDE | CR4.PGE);
    access(machine, LINEAR, READ);
    machine.write(TABLE[2], PAGE_B | P | RW);
    for (const kind of [1n, 3n]) machine.call("invpcid", kind, 0n, 0n);
    writeCr3(machine, space(0));
    expect(access(machine, LINEAR, READ)).toBe(PAGE_A);
    machine.call("invpcid", 2n, 0n, 0n);
    expect(access(machine, LINEAR, READ)).toBe(PAGE_B);
  });
});

describe("a change of CR3 without identifiers", () => {
  test.each([0, 600])("drops what is known, and %i accesses of other pages since", (accesses) => {
    const machine = long(0, PAGE_A | P | RW, CR4.PGE);
    machine.write(TABLE[2] + 8, PAGE_A | P | RW);
    expect(access(machine, LINEAR, READ)).toBe(PAGE_A);
    for (let n = 0; n < accesses; n++) {
      machine.call("invlpg", CPU.segments + 8 * 32, LINEAR + 0x1000n);
      expect(access(machine, LINEAR + 0x1000n, READ)).toBe(PAGE_A);
    }
    machine.write(TABLE[2], PAGE_B | P | RW);
    expect(access(machine, LINEAR, READ)).toBe(PAGE_A);
    writeCr3(machine, BigInt(AT.pageTables));
    expect(access(machine, LINEAR, READ)).toBe(PAGE_B);
  });

  test("keeps global pages", () => {
    const machine = long(0, PAGE_A | P | RW | GLOBAL, CR4.PGE);
    expect(access(machine, LINEAR, READ)).toBe(PAGE_A);
    machine.write(TABLE[2], PAGE_B | P | RW);
    writeCr3(machine, BigInt(AT.pageTables));
    expect(access(machine, LINEAR, READ)).toBe(PAGE_A);
  });
});

describe("INVLPG", () => {
  function large(level: 1 | 0): HelperMachine {
    const machine = long(0, 0, 0, FEATURE.pdpe1gb);
    machine.write(level ? TABLE[1] : TABLE[0] + 8 * Number((LINEAR >> 30n) & 511n), P | RW | PS);
    return machine;
  }

  test.each([
    ["2 MiB", 1, 0x1f_f000n],
    ["1 GiB", 0, 0x0000_f000n],
  ] as const)("of an address in a page of %s drops all of it", (_, level, offset) => {
    const machine = large(level);
    expect(access(machine, LINEAR + 0x5000n, READ)).toBe(0x5000);
    machine.write(level ? TABLE[1] : TABLE[0] + 8 * Number((LINEAR >> 30n) & 511n), 0);
    expect(access(machine, LINEAR + 0x5000n, READ)).toBe(0x5000);
    machine.call("invlpg", CPU.segments + 8 * 32, LINEAR + offset);
    expect(access(machine, LINEAR + 0x5000n, READ)).toEqual(fault(0));
  });

  test("of another page drops nothing", () => {
    const machine = large(1);
    access(machine, LINEAR + 0x5000n, READ);
    machine.write(TABLE[1], 0);
    machine.call("invlpg", CPU.segments + 8 * 32, LINEAR + 0x20_0000n);
    expect(access(machine, LINEAR + 0x5000n, READ)).toBe(0x5000);
  });
});

describe("protection keys", () => {
  const KEY = 3n;
  const AD = 1 << 6;
  const WD = 2 << 6;
  const page = (bits: number): bigint => (KEY << 59n) | BigInt(PAGE_A | P | bits);

  function keyed(level: 0 | 3, bits: number, pkru: number): HelperMachine {
    const machine = long(level, page(bits), CR4.PKE);
    machine.call("set_pkru", pkru);
    return machine;
  }

  test.each([
    ["no rights are withdrawn", 3, 0, WRITE, PAGE_A],
    ["access is withdrawn from the user", 3, AD, READ, fault(0x25)],
    ["and from the supervisor", 0, AD, READ, fault(0x21)],
    ["writes are withdrawn: reads go on", 3, WD, READ, PAGE_A],
    ["writes do not", 3, WD, WRITE, fault(0x27)],
    ["nor the supervisor's under CR0.WP", 0, WD, WRITE, fault(0x23)],
    ["fetches are not concerned", 3, AD, FETCH, PAGE_A],
    ["nor are other keys", 3, 0xffff_ff00 | 0, READ, PAGE_A],
  ] as const)("%s", (_, level, pkru, kind, found) => {
    expect(access(keyed(level, RW | US, pkru), LINEAR, kind)).toEqual(found);
  });

  test("without CR0.WP the supervisor writes", () => {
    const machine = keyed(0, RW | US, WD);
    machine.set(CPU.cr0, machine.get(CPU.cr0) & ~BigInt(CR0.WP));
    expect(access(machine, LINEAR, WRITE)).toBe(PAGE_A);
  });

  test("a fetch does not open the page for reading", () => {
    const machine = keyed(3, RW | US, AD);
    expect(access(machine, LINEAR, FETCH)).toBe(PAGE_A);
    expect(access(machine, LINEAR, READ)).toEqual(fault(0x25));
  });

  test("PKRU is not asked for supervisor pages, nor IA32_PKRS for user pages", () => {
    expect(access(keyed(0, RW, AD), LINEAR, READ)).toBe(PAGE_A);
    expect(access(supervisorKeyed(RW | US, AD), LINEAR, READ)).toBe(PAGE_A);
  });

  function supervisorKeyed(bits: number, pkrs: number): HelperMachine {
    const machine = long(0, page(bits), CR4.PKS, FEATURE.pks);
    machine.setGpr("rcx", MSR.PKRS);
    machine.setGpr("rax", pkrs);
    machine.setGpr("rdx", 0);
    machine.call("wrmsr");
    expect(machine.fault()).toBeUndefined();
    return machine;
  }

  test.each([
    ["access", AD, READ, fault(0x21)],
    ["reads of other keys", 0xffff_ff00 | 0, READ, PAGE_A],
    ["reads under withdrawn writes", WD, READ, PAGE_A],
    ["writes under CR0.WP", WD, WRITE, fault(0x23)],
    ["fetches", AD, FETCH, PAGE_A],
  ] as const)("IA32_PKRS and supervisor pages: %s", (_, pkrs, kind, found) => {
    expect(access(supervisorKeyed(RW, pkrs), LINEAR, kind)).toEqual(found);
  });

  test("a write of IA32_PKRS takes effect on translations that are cached; its upper half is reserved", () => {
    const machine = supervisorKeyed(RW, 0);
    expect(access(machine, LINEAR, READ)).toBe(PAGE_A);
    machine.setGpr("rax", AD);
    machine.call("wrmsr");
    expect(access(machine, LINEAR, READ)).toEqual(fault(0x21));
    machine.setGpr("rdx", 1);
    machine.call("wrmsr");
    expect(machine.fault()).toEqual(GP);
  });

  test("WRPKRU takes effect on translations that are cached; registers that must be 0", () => {
    const machine = keyed(3, RW | US, 0);
    expect(access(machine, LINEAR, USER)).toBe(PAGE_A);
    machine.setGpr("rax", AD);
    machine.call("wrpkru");
    expect(machine.fault()).toBeUndefined();
    expect(access(machine, LINEAR, USER)).toEqual(fault(0x25));
    machine.call("rdpkru");
    expect(machine.gpr("rax")).toBe(BigInt(AD));
    machine.setGpr("rcx", 1);
    machine.call("rdpkru");
    expect(machine.fault()).toEqual(GP);
    machine.set(CPU.cr4, CR4.PAE);
    machine.call("wrpkru");
    expect(machine.fault()).toEqual({ vector: VECTOR.UD, error: 0 });
  });
});

describe("reserved bits", () => {
  test("a page of 1 GiB without the feature", () => {
    const machine = long(0, 0);
    machine.write(TABLE[0] + 8 * Number((LINEAR >> 30n) & 511n), P | RW | PS);
    expect(access(machine, LINEAR, READ)).toEqual(fault(9));
  });

  test.each([
    ["without PSE-36 no address bits are above 32", 0, 40, 1 << 13, fault(9)],
    ["with it they are", FEATURE.pse36, 40, 0, 0],
    ["up to the physical address width", FEATURE.pse36, 36, 1 << 17, fault(9)],
    ["bit 21 is none", FEATURE.pse36, 40, 1 << 21, fault(9)],
  ] as const)("pages of 4 MiB: %s", (_, features, width, bits, found) => {
    const machine = new HelperMachine().protectedMode(0);
    machine.set32(CPU.features, features);
    machine.set32(CPU.maxPhyAddr, width);
    machine.write(TABLE[0], P | RW | PS, 4);
    machine.write(TABLE[0] + 4, P | RW | PS | bits, 4);
    machine.set(CPU.cr3, TABLE[0]);
    machine.set(CPU.cr4, CR4.PSE);
    machine.set(CPU.cr0, BigInt(CR0.PG) | BigInt(CR0.PE));
    machine.call("tlb_flush");
    expect(access(machine, 0x40_0000n, READ)).toEqual(found);
  });

  test("NX without EFER.NXE", () => {
    const machine = long(0, (1n << 63n) | BigInt(PAGE_A | P));
    expect(access(machine, LINEAR, READ)).toEqual(fault(9));
    machine.set(CPU.efer, machine.get(CPU.efer) | BigInt(EFER.NXE));
    expect(access(machine, LINEAR, READ)).toBe(PAGE_A);
    expect(access(machine, LINEAR, FETCH)).toEqual(fault(0x11));
  });
});

test("an entry is marked when it is used, upper ones even if the walk ends in a fault", () => {
  const machine = long(0, 0);
  expect(access(machine, LINEAR, READ)).toEqual(fault(0));
  expect(machine.read(TABLE[1]) & 0x60n).toBe(0x20n);
  machine.write(TABLE[2], PAGE_A | P | RW);
  access(machine, LINEAR, READ);
  expect(machine.read(TABLE[2]) & 0x60n).toBe(0x20n);
  access(machine, LINEAR, WRITE);
  expect(machine.read(TABLE[2]) & 0x60n).toBe(0x60n);
});

test("LTR refuses a descriptor whose upper half has a type", () => {
  const machine = new HelperMachine().longMode(0);
  machine.writeDescriptor(SELECTOR.free, 0x0000_8900_a000_0067n);
  machine.write(AT.gdt + SELECTOR.free + 8, 0x100n << 32n);
  machine.call("ltr", SELECTOR.free);
  expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: SELECTOR.free });
});
