/** How KVM keeps the MSRs that are nothing but values, by default (ignore_msrs=0). [linux/arch/x86/kvm] */
import { MC_BANK_MSRS } from "../x86/machine-check.ts";
import { ARCH_CAPABILITIES, FEATURE_CONTROL_LOCKED, MISC_ENABLE, MSR } from "../x86/msr.ts";
import { MTRR_VARIABLE_RANGES, MTRRCAP } from "../x86/mtrr.ts";

/** What a guest's WRMSR does; all but "refused" and "dropped" may be set by the host. */
export type MsrWrite =
  | "stored"
  /** #GP for the guest; "host": only for the guest. */
  | "refused"
  | "host"
  /** Goes on as if it were stored. */
  | "dropped"
  | "mtrr-default"
  | "mtrr-fixed"
  | "mtrr-base"
  | "mtrr-mask"
  | "feature-control"
  | "misc-enable"
  | "mc-control"
  | "mc-status";

export interface MsrRule {
  readonly index: number;
  readonly write: MsrWrite;
  /** Halves of its value after power-up; 0 if left out. */
  readonly lo?: number;
  readonly hi?: number;
  /** Bits of the low half that are not reserved (#GP), where not all of the 64 are. */
  readonly bits?: number;
  /** Bits that a write has no effect on. */
  readonly ignored?: number;
  /** The CPUID feature that the guest needs to see. */
  readonly feature?: string;
  /** RDMSR raises #GP. */
  readonly unreadable?: true;
  /** It is not for KVM_GET_MSR_INDEX_LIST: a constant. */
  readonly constant?: true;
}

export const KVM_MAX_MCE_BANKS = 32;

const constants = (indices: readonly number[], write: "refused" | "dropped"): MsrRule[] =>
  indices.map((index) => ({ index, write, constant: true }));

const range = (first: number, count: number, step = 1): number[] =>
  Array.from({ length: count }, (_, n) => first + step * n);

const stored = (indices: readonly number[], write: MsrWrite): MsrRule[] => indices.map((index) => ({ index, write }));

const NO_DEFECTS = Object.values(ARCH_CAPABILITIES).reduce((all, bit) => all | bit, 0);

const MTRRS: readonly MsrRule[] = [
  { index: MSR.MTRRCAP, write: "refused", lo: MTRRCAP, constant: true },
  { index: MSR.MTRR_DEF_TYPE, write: "mtrr-default" },
  ...stored(
    [MSR.MTRR_FIX64K_00000, MSR.MTRR_FIX16K_80000, MSR.MTRR_FIX16K_A0000, ...range(MSR.MTRR_FIX4K_C0000, 8)],
    "mtrr-fixed",
  ),
  ...stored(range(MSR.MTRR_PHYSBASE0, MTRR_VARIABLE_RANGES, 2), "mtrr-base"),
  ...stored(range(MSR.MTRR_PHYSMASK0, MTRR_VARIABLE_RANGES, 2), "mtrr-mask"),
];

const MACHINE_CHECK: readonly MsrRule[] = [
  ...constants([MSR.P5_MC_ADDR, MSR.P5_MC_TYPE], "refused"),
  { index: MSR.MCG_CAP, write: "refused", lo: KVM_MAX_MCE_BANKS, constant: true },
  { index: MSR.MCG_STATUS, write: "stored" },
  ...range(MSR.MC0_CTL, KVM_MAX_MCE_BANKS, MC_BANK_MSRS).flatMap((index): MsrRule[] => [
    { index, write: "mc-control" },
    { index: index + 1, write: "mc-status" },
    { index: index + 2, write: "stored" },
    { index: index + 3, write: "stored" },
  ]),
];

const AMD: readonly MsrRule[] = [
  // Linux expects TscFreqSel, bit 24, to be set
  { index: MSR.AMD_HWCR, write: "stored", lo: 0x0100_0000, bits: 0x0104_0000, ignored: 0x148 },
  { index: MSR.K7_CLK_CTL, write: "dropped", lo: 0x2000_0000, constant: true },
  { index: MSR.AMD_MMIO_CONF_BASE, write: "stored", bits: 0 },
  { index: MSR.AMD_DE_CFG, write: "stored", bits: 2, lo: 2 },
  ...constants(
    [
      ...range(MSR.K7_EVNTSEL0, 4),
      ...range(MSR.K7_PERFCTR0, 4),
      MSR.AMD_NB_CFG,
      MSR.AMD_PATCH_LOADER,
      MSR.VM_HSAVE_PA,
      MSR.AMD_DC_CFG,
      MSR.AMD_TW_CFG,
      MSR.AMD_BU_CFG2,
      MSR.F15H_EX_CFG,
    ],
    "dropped",
  ),
  ...constants([MSR.AMD_SYSCFG, MSR.K8_INT_PENDING, MSR.K8_TSEG_ADDR, MSR.K8_TSEG_MASK], "refused"),
];

const MODEL: readonly MsrRule[] = [
  { index: MSR.EBC_FREQUENCY_ID, write: "refused", lo: 1 << 24, constant: true },
  { index: MSR.FSB_FREQ, write: "refused", lo: 3, constant: true },
  { index: MSR.PERF_STATUS, write: "refused", lo: 1000, hi: 0x400, constant: true },
  { index: MSR.BBL_CR_CTL3, write: "dropped", lo: 0xbe70_2111, constant: true },
  { index: MSR.BIOS_UPDT_TRIG, write: "dropped", unreadable: true, constant: true },
  ...constants([MSR.PMC0, MSR.PMC1, MSR.PERFEVTSEL0, MSR.PERFEVTSEL1], "dropped"),
  ...constants(
    [
      MSR.PLATFORM_ID,
      MSR.PERF_CTL,
      ...range(MSR.LASTBRANCH_FROM, 4),
      MSR.RAPL_POWER_UNIT,
      MSR.PKG_ENERGY_STATUS,
      MSR.DRAM_ENERGY_STATUS,
      MSR.PP0_ENERGY_STATUS,
      MSR.PP1_ENERGY_STATUS,
    ],
    "refused",
  ),
];

export const MSR_RULES: readonly MsrRule[] = [
  ...MTRRS,
  ...MACHINE_CHECK,
  ...MODEL,
  ...AMD,
  { index: MSR.SMI_COUNT, write: "host" },
  { index: MSR.FEATURE_CONTROL, write: "feature-control", bits: FEATURE_CONTROL_LOCKED },
  { index: MSR.BIOS_SIGN_ID, write: "dropped", hi: 1 },
  // CPUID can be kept from programs
  { index: MSR.PLATFORM_INFO, write: "host", lo: 0x8000_0000 },
  { index: MSR.ARCH_CAPABILITIES, write: "host", lo: NO_DEFECTS, feature: "arch_capabilities" },
  {
    index: MSR.MISC_ENABLE,
    write: "misc-enable",
    lo: MISC_ENABLE.FAST_STRING | MISC_ENABLE.BTS_UNAVAILABLE | MISC_ENABLE.PEBS_UNAVAILABLE,
    ignored: MISC_ENABLE.EMON,
  },
  { index: MSR.POWER_CTL, write: "stored" },
  { index: MSR.XSS, write: "stored", bits: 0, feature: "xsaves" },
];

/** MSRs that describe the processor, for KVM_GET_MSR_FEATURE_INDEX_LIST. */
export const FEATURE_MSRS: readonly number[] = [MSR.ARCH_CAPABILITIES, MSR.BIOS_SIGN_ID, MSR.PLATFORM_INFO];
