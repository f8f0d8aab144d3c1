import { describe, expect, test } from "vitest";
import { create } from "../base/struct-layout.ts";
import { kvm_cpuid2 } from "../spec/kvm/vcpu-struct.ts";
import { CPU_MODELS, IN_ORDER } from "../spec/x86/cpu-model.ts";
import { modelCpuid, type Processor, shownFeatures } from "./model-cpuid.ts";

/** What an engine might support: leaves with features, state components, and some that no model has. */
const SUPPORTED = create(kvm_cpuid2, {
  nent: 14,
  entries: [
    { function: 0, eax: 0x1f, ebx: 1, ecx: 2, edx: 3 },
    { function: 1, eax: 0x1234, ebx: 0x0001_0800, ecx: -1 >>> 0, edx: -1 >>> 0 },
    { function: 5, eax: 64, ebx: 64 },
    { function: 7, eax: 2, ebx: -1 >>> 0, ecx: -1 >>> 0, edx: -1 >>> 0 },
    { function: 7, index: 1, eax: -1 >>> 0 },
    { function: 0xd, eax: 0x227, ebx: 2696, ecx: 2696 },
    { function: 0xd, index: 1, eax: 15 },
    { function: 0xd, index: 2, eax: 256, ebx: 576 },
    { function: 0x1f, eax: 5 },
    { function: 0x4000_0001, eax: 0x0100_000b },
    { function: 0x8000_0000, eax: 0x8000_0022 },
    { function: 0x8000_0001, ecx: -1 >>> 0, edx: -1 >>> 0 },
    { function: 0x8000_0002, eax: 5 },
    { function: 0x8000_0022, eax: 5 },
  ],
});

const processor = (features: readonly string[], rest: Partial<Processor> = {}): Processor => ({
  features: new Set(features),
  identity: IN_ORDER,
  fixed: true,
  ...rest,
});

function leaves(made: ReturnType<typeof modelCpuid>) {
  return Array.from({ length: made.nent }, (_, n) => {
    const { function: leaf, index, eax, ebx, ecx, edx } = made.entries[n]!;
    return { leaf, index, eax, ebx, ecx, edx };
  });
}

const leaf = (made: ReturnType<typeof modelCpuid>, number: number, index = 0) =>
  leaves(made).find((entry) => entry.leaf === number && entry.index === index);

describe("a fixed model", () => {
  test("shows its features and no others, whatever else the engine has", () => {
    const features = ["sse2", "cx16", "bmi2", "umip", "nx", "lahf_lm", "xsave", "xsaveopt"];
    const made = modelCpuid(SUPPORTED, processor(features));
    expect([...shownFeatures(made)].sort()).toEqual([...features].sort());
    expect(leaf(made, 1)).toMatchObject({ ecx: (1 << 13) | (1 << 26), edx: 1 << 26 });
    expect(leaf(made, 7)).toMatchObject({ eax: 0, ebx: 1 << 8, ecx: 4, edx: 0 });
    expect(leaf(made, 7, 1)).toBeUndefined();
  });

  test("has the leaves that go with them", () => {
    const made = modelCpuid(SUPPORTED, processor(["sse2"]));
    expect(leaf(made, 0)).toMatchObject({ eax: 0xb });
    expect(leaf(made, 0x8000_0000)).toMatchObject({ eax: 0x8000_0008 });
    expect([leaf(made, 0xd), leaf(made, 0x1f), leaf(made, 0x8000_0022)]).toEqual([undefined, undefined, undefined]);
    expect(leaf(made, 0x4000_0001)).toMatchObject({ eax: 0x0100_000b });
    expect(leaf(made, 5)).toMatchObject({ eax: 0, ebx: 0 });
    expect(leaf(modelCpuid(SUPPORTED, processor(["monitor"])), 5)).toMatchObject({ eax: 64 });
  });

  test("has the state components of its features [SDM 2A CPUID leaf 0DH]", () => {
    const without = modelCpuid(SUPPORTED, processor(["xsave"]));
    expect(leaf(without, 0xd)).toMatchObject({ eax: 3, ebx: 576, ecx: 576 });
    expect(leaf(without, 0xd, 2)).toBeUndefined();
    const made = modelCpuid(SUPPORTED, processor(["xsave", "avx"]));
    expect(leaf(made, 0xd)).toMatchObject({ eax: 7, ebx: 832, ecx: 832 });
    expect(leaf(made, 0xd, 2)).toMatchObject({ eax: 256, ebx: 576 });
  });

  test("is named as its data say", () => {
    const text = (...registers: number[]) => Buffer.from(Uint32Array.from(registers).buffer).toString("latin1");
    const made = modelCpuid(SUPPORTED, processor([]));
    const first = leaf(made, 0)!;
    expect(text(first.ebx, first.edx, first.ecx)).toBe("GenuineIntel");
    expect(leaf(made, 1)!.eax).toBe(0x0001_06ca);
    const brand = leaf(made, 0x8000_0002)!;
    expect(text(brand.eax, brand.ebx, brand.ecx, brand.edx)).toBe("tskvm virtual CP");
  });

  test("of AMD repeats its features and its name, and continues the family [AMD APM 3 E.4.2]", () => {
    const identity = { ...CPU_MODELS.find(({ name }) => name === "qemu64")!.identity!, family: 0x17 };
    const made = modelCpuid(SUPPORTED, processor(["fpu", "sep", "sse"], { identity }));
    expect(leaf(made, 0x8000_0001)).toMatchObject({ edx: 1 });
    expect(leaf(made, 0x8000_0000)!.ebx).toBe(leaf(made, 0)!.ebx);
    expect(leaf(made, 1)!.eax).toBe(0x0086_0fb1);
  });
});

describe("host", () => {
  const open = (features: readonly string[]) =>
    modelCpuid(SUPPORTED, processor(features, { identity: undefined, fixed: false }));

  test("keeps what has no name here", () => {
    const made = open(["avx2", "xsave", "avx"]);
    // AVX512F, which has no name here; AVX2; BMI2, which was not asked for
    expect([16, 5, 8].map((bit) => (leaf(made, 7)!.ebx >>> bit) & 1)).toEqual([1, 1, 0]);
    expect(leaf(made, 7, 1)).toMatchObject({ eax: 0xffff_ffff });
    expect(leaf(made, 1)!.eax).toBe(0x1234);
  });

  test("loses the components whose features are switched off", () => {
    expect(leaf(open(["xsave"]), 0xd)).toMatchObject({ eax: 0x23, ecx: 2696 });
    expect(leaf(open(["xsave"]), 0xd, 2)).toBeUndefined();
  });
});
