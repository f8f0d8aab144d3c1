import { describe, expect, test } from "vitest";
import { UserError } from "../base/assert.ts";
import { CPU_MODELS, FEATURE_ALIASES, FEATURE_NEEDS, ONLY_IF_ASKED } from "../spec/x86/cpu-model.ts";
import { CPUID_FEATURE } from "../spec/x86/cpuid.ts";
import { parseCpu, requestedFeatures } from "./cpu-model.ts";

const ALL = new Set(CPUID_FEATURE.keys());

function errorOf(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const features = (text: string, supported: ReadonlySet<string> = ALL) =>
  requestedFeatures(parseCpu(text), supported, "wasm").features;

describe("what the models' data name", () => {
  test("are features of CPUID", () => {
    const named = [
      ...CPU_MODELS.flatMap(({ features = [], hints = [] }) => [...features, ...hints]),
      ...ONLY_IF_ASKED,
      ...[...FEATURE_NEEDS].flatMap(([feature, needs]) => [feature, ...needs]),
      ...FEATURE_ALIASES.values(),
    ];
    expect(named.filter((name) => !CPUID_FEATURE.has(name))).toEqual([]);
  });

  test("a model has what its features need", () => {
    for (const model of CPU_MODELS) {
      const given = model.features ?? [];
      const missing = given.flatMap((name) => (FEATURE_NEEDS.get(name) ?? []).filter((need) => !given.includes(need)));
      expect([model.name, missing]).toEqual([model.name, []]);
    }
  });

  test("the levels of the x86-64 ABI are whole [System V ABI for AMD64, 3.1.1]", () => {
    const v2 = "cmov cx8 fpu fxsr mmx syscall sse sse2 cx16 lahf_lm popcnt sse3 sse4_1 sse4_2 ssse3".split(" ");
    const v3 = [...v2, ..."avx avx2 bmi1 bmi2 f16c fma lzcnt movbe xsave".split(" ")];
    expect(v2.filter((name) => !features("x86-64-v2").has(name))).toEqual([]);
    expect(v3.filter((name) => !features("x86-64-v3").has(name))).toEqual([]);
    expect(features("x86-64-v2").has("avx")).toBe(false);
  });
});

describe("a request", () => {
  test("names a model, features, or both", () => {
    expect(parseCpu("").model.name).toBe("x86-64-v2");
    expect(parseCpu("+avx")).toMatchObject({ model: { name: "x86-64-v2" }, changes: [{ feature: "avx", on: true }] });
    expect(parseCpu("kvm64,-SSE4.1,+abm").changes).toEqual([
      { feature: "sse4_1", on: false },
      { feature: "lzcnt", on: true },
    ]);
  });

  test("what is switched on brings what it needs, what is switched off takes what needs it", () => {
    expect([...features("kvm64,+fma")]).toEqual(expect.arrayContaining(["fma", "avx", "xsave"]));
    const without = features("x86-64-v3,-xsave");
    expect(["avx", "avx2", "fma", "xsaveopt"].filter((name) => without.has(name))).toEqual([]);
    expect(features("x86-64-v3,-avx2,+avx2").has("avx2")).toBe(true);
  });

  test("hints are left out where the engine has them not", () => {
    const supported = new Set([...ALL].filter((name) => name !== "erms"));
    const found = features("x86-64-v2", supported);
    expect([found.has("fsrm"), found.has("erms")]).toEqual([true, false]);
    expect(errorOf(() => features("x86-64-v2,+erms", supported)).message).toMatch(/erms/);
  });

  test("host is everything that the engine has but what must be asked for", () => {
    const supported = new Set(["sse", "monitor", "rdrand"]);
    expect([...features("host", supported)]).toEqual(["sse", "rdrand"]);
    expect(features("host,+monitor", supported).has("monitor")).toBe(true);
  });

  test.each([
    ["x86-64-v22", /no CPU model "x86-64-v22"/, /Did you mean x86-64-v2\?.*kvm64/],
    ["quemu64", /no CPU model/, /Did you mean qemu64\?/],
    ["kvm64,+rdrnd", /no CPU feature "rdrnd"/, /Did you mean rdrand\?/],
    ["kvm64,avx", /"avx" switches no CPU feature/, /\+FEATURE/],
    ["kvm64,", /"" switches no CPU feature/, /\+FEATURE/],
  ])("%s is refused", (text, message, remedy) => {
    const error = errorOf(() => parseCpu(text));
    expect(error.message).toMatch(message);
    expect(error.remedy).toMatch(remedy);
  });

  const withoutAvx = new Set([...ALL].filter((name) => !/^avx|^fma$|^f16c$|^vaes$/.test(name)));

  test("what the engine lacks of a named model is left out and told, with what needs it", () => {
    const granted = (text: string) => requestedFeatures(parseCpu(text), withoutAvx, "host");
    expect(granted("x86-64-v3").missing).toEqual(expect.arrayContaining(["avx", "avx2", "fma", "f16c"]));
    expect(granted("x86-64-v3").features.has("avx")).toBe(false);
    expect(granted("x86-64-v3").features.has("bmi2")).toBe(true);
    expect(granted("x86-64-v3,-avx").missing).toEqual([]);
    expect(granted("").missing).toEqual([]);
  });

  test("what is switched on and the engine lacks is refused, with what would do", () => {
    const supported = withoutAvx;
    const error = errorOf(() => features("x86-64-v3,+sha,+vaes", supported));
    expect(error.message).toMatch(/"wasm" lacks .*: .*vaes/);
    const [, advised] = /--cpu (\S+)/.exec(error.remedy)!;
    expect(features(advised!, supported).has("sha")).toBe(true);
  });
});
