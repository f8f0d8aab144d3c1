/** Processors that a machine can show to its guest, as features by their names in CPUID_FEATURE. */

/** How CPUID names a processor. [SDM 2A CPUID leaves 0, 1, 80000002H] */
export interface CpuIdentity {
  readonly vendor: "GenuineIntel" | "AuthenticAMD";
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  readonly brand: string;
}

export interface CpuModel {
  readonly name: string;
  readonly title: string;
  /** Absent: as the engine, or the host, names itself. */
  readonly identity?: CpuIdentity;
  /** Features that the model has where the engine has them. */
  readonly hints?: readonly string[];
  /** Absent: everything that the engine has but what must be asked for. */
  readonly features?: readonly string[];
}

const words = (text: string): readonly string[] => text.split(" ");

/** What every engine can give on every processor, for it emulates it. */
const EVERYWHERE = words("mce mca mtrr x2apic tsc_deadline tsc_adjust hypervisor arat umip arch_capabilities");

/** What is told of an engine's processor where it holds: what is fast, or constant, or gone. Nothing fails without it. */
const HINTS = words("erms fsrm zero_fcs_fds invtsc");

/** The x86-64 baseline, with what came with it. [System V ABI for AMD64, 3.1.1] */
const BASELINE = words(
  "fpu vme de pse tsc msr pae cx8 apic sep pge cmov pat pse36 clfsh mmx fxsr sse sse2 syscall nx lm",
);

const V2 = [...BASELINE, ...EVERYWHERE, ...words("sse3 ssse3 sse4_1 sse4_2 popcnt cx16 lahf_lm rdtscp pclmulqdq aes")];

/** What Intel's and AMD's first processors of that level have both. */
const V3 = [...V2, ...words("xsave xsaveopt avx avx2 fma f16c bmi1 bmi2 movbe lzcnt prefetchw rdrand fsgsbase smep")];

/**
 * Family 6 model 28 executes in order, so that guests need no defence against speculation. Stepping 10 is past that
 * family's early errata. [SDM 4 2.1]
 */
export const IN_ORDER: CpuIdentity = {
  vendor: "GenuineIntel",
  family: 6,
  model: 28,
  stepping: 10,
  brand: "tskvm virtual CPU",
};

export const CPU_MODELS: readonly CpuModel[] = [
  { name: "x86-64-v2", title: "SSE4.2, AES; every engine and host", identity: IN_ORDER, features: V2, hints: HINTS },
  { name: "x86-64-v3", title: "AVX2, FMA, BMI2, MOVBE", identity: IN_ORDER, features: V3, hints: HINTS },
  {
    name: "qemu64",
    title: "QEMU's default, an AMD processor with SSE3",
    identity: { vendor: "AuthenticAMD", family: 15, model: 107, stepping: 1, brand: "QEMU Virtual CPU version 2.5+" },
    features: [...BASELINE, ...words("mce mca mtrr sse3 cx16 x2apic hypervisor lahf_lm")],
  },
  {
    name: "kvm64",
    title: "a 64-bit Intel processor with SSE3",
    identity: { vendor: "GenuineIntel", family: 15, model: 6, stepping: 1, brand: "Common KVM processor" },
    features: [...BASELINE, ...words("mce mca mtrr sse3 cx16 x2apic hypervisor arch_capabilities")],
  },
  { name: "host", title: "everything the engine has, under the host processor's name" },
];

export const DEFAULT_CPU_MODEL = "x86-64-v2";

/**
 * Features that no model has: MONITOR, as with KVM, because a guest that waits with it never leaves the processor; LA57, because
 * a guest that has it walks through one more table for nothing.
 */
export const ONLY_IF_ASKED: readonly string[] = ["monitor", "la57"];

/** What a feature is nothing without. */
export const FEATURE_NEEDS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    sse: "fxsr",
    sse2: "sse",
    sse3: "sse2",
    ssse3: "sse3",
    sse4_1: "ssse3",
    sse4_2: "sse4_1",
    aes: "sse2",
    pclmulqdq: "sse2",
    sha: "sse2",
    xsaveopt: "xsave",
    xsavec: "xsave",
    xgetbv1: "xsave",
    xsaves: "xsave",
    avx: "xsave",
    avx2: "avx",
    fma: "avx",
    f16c: "avx",
    vaes: "avx aes",
    vpclmulqdq: "avx pclmulqdq",
    pku: "xsave",
    x2apic: "apic",
    tsc_deadline: "apic",
    arat: "apic",
    lm: "pae",
    nx: "pae",
    syscall: "lm",
    lahf_lm: "lm",
    pdpe1gb: "lm",
    fsgsbase: "lm",
    la57: "lm",
    pcid: "lm",
  }).map(([feature, needs]) => [feature, words(needs)]),
);

/** Other systems' names of features. */
export const FEATURE_ALIASES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    abm: "lzcnt",
    pni: "sse3",
    clflush: "clfsh",
    cmpxchg16b: "cx16",
    cmpxchg8b: "cx8",
    "3dnowprefetch": "prefetchw",
    sha_ni: "sha",
    ffxsr: "fxsr",
    mwait: "monitor",
  }),
);
