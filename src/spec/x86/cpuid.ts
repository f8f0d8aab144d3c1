/** Where CPUID shows each feature: function, sub-function, register, bit. [SDM 2A CPUID, AMD APM 3 E.4] */
export type CpuidRegister = "eax" | "ebx" | "ecx" | "edx";

export interface CpuidFeature {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: CpuidRegister;
  readonly bit: number;
}

const bits = (
  leaf: number,
  subleaf: number,
  register: CpuidRegister,
  names: Readonly<Record<string, number>>,
): [string, CpuidFeature][] => Object.entries(names).map(([name, bit]) => [name, { leaf, subleaf, register, bit }]);

// biome-ignore format: table
export const CPUID_FEATURE: ReadonlyMap<string, CpuidFeature> = new Map([
  ...bits(1, 0, "edx", {
    fpu: 0,
    vme: 1,
    de: 2,
    pse: 3,
    tsc: 4,
    msr: 5,
    pae: 6,
    mce: 7,
    cx8: 8,
    apic: 9,
    sep: 11,
    mtrr: 12,
    pge: 13,
    mca: 14,
    cmov: 15,
    pat: 16,
    pse36: 17,
    clfsh: 19,
    mmx: 23,
    fxsr: 24,
    sse: 25,
    sse2: 26,
  }),
  ...bits(1, 0, "ecx", {
    sse3: 0,
    pclmulqdq: 1,
    monitor: 3,
    ssse3: 9,
    fma: 12,
    cx16: 13,
    pcid: 17,
    sse4_1: 19,
    sse4_2: 20,
    x2apic: 21,
    movbe: 22,
    popcnt: 23,
    tsc_deadline: 24,
    aes: 25,
    xsave: 26,
    avx: 28,
    f16c: 29,
    rdrand: 30,
    hypervisor: 31,
  }),
  ...bits(6, 0, "eax", { arat: 2 }),
  ...bits(7, 0, "ebx", {
    fsgsbase: 0,
    tsc_adjust: 1,
    bmi1: 3,
    avx2: 5,
    smep: 7,
    bmi2: 8,
    erms: 9,
    invpcid: 10,
    zero_fcs_fds: 13,
    rdseed: 18,
    adx: 19,
    smap: 20,
    clflushopt: 23,
    clwb: 24,
    sha: 29,
  }),
  ...bits(7, 0, "ecx", { umip: 2, pku: 3, vaes: 9, vpclmulqdq: 10, la57: 16, rdpid: 22, pks: 31 }),
  ...bits(7, 0, "edx", { fsrm: 4, serialize: 14, arch_capabilities: 29 }),
  ...bits(0xd, 1, "eax", { xsaveopt: 0, xsavec: 1, xgetbv1: 2, xsaves: 3 }),
  ...bits(0x8000_0001, 0, "ecx", { lahf_lm: 0, lzcnt: 5, prefetchw: 8 }),
  ...bits(0x8000_0001, 0, "edx", { syscall: 11, nx: 20, pdpe1gb: 26, rdtscp: 27, lm: 29 }),
  ...bits(0x8000_0007, 0, "edx", { invtsc: 8 }),
  ...bits(0x8000_0008, 0, "ebx", { wbnoinvd: 9 }),
]);

/** Bits of CPUID.1:EDX that AMD's processors repeat in CPUID.80000001H:EDX. [AMD APM 3 E.4.2] */
export const AMD_ALIASES = 0x0183_f3ff;
