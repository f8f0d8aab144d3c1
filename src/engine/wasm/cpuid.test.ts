import { describe, expect, test } from "vitest";
import { create } from "../../base/struct-layout.ts";
import { CPU, CPU_SIZE } from "../../isa/state.ts";
import { KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid2 } from "../../spec/kvm/vcpu-struct.ts";
import { CPUID_FEATURE } from "../../spec/x86/cpuid.ts";
import { CpuCells } from "./cpu-cells.ts";
import { CpuidTable, supportedCpuid, supportedFeatures } from "./cpuid.ts";

function answers(table: CpuidTable, leaf: number, subleaf = 0, cr4 = 0): number[] {
  const cells = new CpuCells(new ArrayBuffer(CPU_SIZE), 0);
  cells.setNumber(CPU.cr4, cr4);
  table.answer(leaf, subleaf, cells);
  return [0, 4, 8, 12].map((at) => cells.lo(CPU.scratch + at));
}

describe("supported CPUID", () => {
  const table = new CpuidTable();
  table.set(supportedCpuid());

  test("has every supported feature and no other", () => {
    const supported = supportedFeatures();
    for (const name of CPUID_FEATURE.keys()) expect([name, table.has(name)]).toEqual([name, supported.has(name)]);
    expect(["lm", "sse2", "nx", "apic"].filter((name) => !supported.has(name))).toEqual([]);
    expect([...supported].filter((name) => !CPUID_FEATURE.has(name))).toEqual([]);
  });

  test("names its vendor, brand and widths", () => {
    const text = (words: readonly number[]) => String.fromCharCode(...new Uint8Array(Uint32Array.from(words).buffer));
    const [, ebx, ecx, edx] = answers(table, 0);
    expect(text([ebx!, edx!, ecx!])).toBe("GenuineIntel");
    const brand = text([2, 3, 4].flatMap((n) => answers(table, 0x8000_0000 + n)));
    expect(brand.replace(/\0+$/, "")).toBe("tskvm virtual CPU");
    expect(answers(table, 0x8000_0008)[0]).toBe(0x3928);
  });

  test("OSXSAVE follows CR4", () => {
    expect(answers(table, 1, 0, 0x4_0000)[2]! >>> 27).not.toBe(answers(table, 1)[2]! >>> 27);
  });
});

describe("a table that was set", () => {
  const indexed = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
  const entries = [
    { function: 0, eax: 8 },
    { function: 7, index: 0, flags: indexed, eax: 1 },
    { function: 7, index: 3, flags: indexed, eax: 2 },
    { function: 8, eax: 3 },
    { function: 0x8000_0000, eax: 0x8000_0001 },
    { function: 0x8000_0001, edx: 0xffff_ffff },
  ];
  const table = new CpuidTable();
  const record = create(kvm_cpuid2, { nent: entries.length, entries });
  table.set(record);

  test.each([
    [7, 0, 1],
    [7, 3, 2],
    [7, 1, 0],
    [7, 0xffff, 0],
    [7, 0xffff_ffff, 0],
    [8, 0, 3],
    [8, 1, 3],
    [9, 0, 3],
    [6, 0, 0],
    [0x7fff_ffff, 0, 3],
    [0x8000_0002, 0, 3],
    [0x4000_0000, 0, 3],
    [0xffff_ffff, 0xffff_ffff, 3],
  ])("leaf %i, subleaf %i: EAX %i", (leaf, subleaf, eax) => {
    expect(answers(table, leaf, subleaf)[0]).toBe(eax);
  });

  test("32 bits come through, and the record is nobody else's", () => {
    expect(answers(table, 0x8000_0001)[3]).toBe(0xffff_ffff);
    expect(table.equals(record)).toBe(true);
    table.record.entries[0]!.eax = 77;
    record.entries[0]!.eax = 78;
    expect(table.record.entries[0]!.eax).toBe(8);
    expect(table.equals(record)).toBe(false);
  });

  test("without entries everything is 0", () => {
    expect(answers(new CpuidTable(), 1)).toEqual([0, 0, 0, 0]);
  });
});
