import { describe, expect, test } from "vitest";
import { AT, HelperMachine } from "../../test/isa/helper-machine.ts";
import { CR4 } from "../spec/x86/control-register.ts";
import { CPU } from "./state.ts";

const P = 1;
const RW = 2;
const US = 4;
const GLOBAL = 0x100;
const TABLE = [0x2_0000, 0x2_1000, 0x2_2000] as const;
const CODE = 0x3_0000;
const LINEAR = 0x180_0000_0000n;
const RECORD = 0x1234;
const FLAT = CPU.segments + 8 * 32;

/** 64-bit mode at a level that has found the code of a page, whose entry has `bits`; `decoded` counts how often it was decoded. */
function ran(level: 0 | 3, bits: number) {
  const decoded = { count: 0 };
  const decode = () => {
    decoded.count++;
    return RECORD;
  };
  const machine = new HelperMachine({ decode_block: decode }).longMode(level);
  machine.set(CPU.cr4, CR4.PAE | CR4.PGE);
  machine.write(AT.pageTables + 8 * Number((LINEAR >> 39n) & 511n), TABLE[0] | P | RW | US);
  machine.write(TABLE[0] + 8 * Number((LINEAR >> 30n) & 511n), TABLE[1] | P | RW | US);
  machine.write(TABLE[1], TABLE[2] | P | RW | US);
  machine.write(TABLE[2], CODE | P | RW | US | bits);
  machine.set32(CPU.codeMap, machine.get32(CPU.pageFlags) + 0x4000);
  machine.set32(CPU.codeMapMask, 15);
  machine.call("tlb_flush");
  machine.set(CPU.rip, LINEAR);
  expect(machine.call("find_block")).toBe(RECORD);
  return { machine, decoded, key: machine.get32(CPU.jumpKey) };
}

/** Whether what was in the jump cache is there no more. */
const dropped = ({ machine, key }: ReturnType<typeof ran>) => machine.get32(CPU.jumpKey) !== key;

function writeCr3(machine: HelperMachine) {
  machine.setGpr("rax", 0);
  machine.set32(CPU.cpl, 0);
  machine.call("write_control", 3, BigInt(AT.pageTables));
}

describe("the jump cache", () => {
  test("keeps the supervisor's code in global pages when CR3 changes", () => {
    const guest = ran(0, GLOBAL);
    writeCr3(guest.machine);
    expect(dropped(guest)).toBe(false);
  });

  test("drops the supervisor's code in other pages", () => {
    const guest = ran(0, 0);
    writeCr3(guest.machine);
    expect(dropped(guest)).toBe(true);
  });

  test.each([0, GLOBAL])("drops the user's code, whose entry has the bits %i, when CR3 changes", (bits) => {
    const guest = ran(3, bits);
    writeCr3(guest.machine);
    expect(dropped(guest)).toBe(true);
  });

  test("keeps everything when a page without code is invalidated", () => {
    const guest = ran(0, 0);
    guest.machine.call("invlpg", FLAT, LINEAR + 0x1000n);
    expect(dropped(guest)).toBe(false);
  });

  test("drops the code of a page that is invalidated", () => {
    const guest = ran(0, GLOBAL);
    guest.machine.call("invlpg", FLAT, LINEAR + 0xfffn);
    expect(dropped(guest)).toBe(true);
  });
});

describe("an instruction across two pages", () => {
  test("is decoded again only if its second page is another one", () => {
    const { machine, decoded } = ran(0, 0);
    machine.write(TABLE[2] + 8, (CODE + 0x1000) | P | RW | US);
    const host = Number(
      machine.call("translate_halves", Number(LINEAR & 0xffff_ffffn) + 0xffe, Number(LINEAR >> 32n), 8),
    );
    machine.call("code_map_set", host, machine.get32(CPU.mode), RECORD + 4, (host >>> 12) + 1);
    machine.set(CPU.rip, LINEAR + 0xffen);
    expect(machine.call("find_block")).toBe(RECORD + 4);
    expect(decoded.count).toBe(1);
    machine.write(TABLE[2] + 8, (CODE + 0x5000) | P | RW | US);
    machine.call("invlpg", FLAT, LINEAR + 0x1000n);
    expect(machine.call("find_block")).toBe(RECORD);
    expect(decoded.count).toBe(2);
  });
});
