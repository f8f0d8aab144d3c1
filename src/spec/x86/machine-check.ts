/** Machine-check banks: four MSRs each from IA32_MC0_CTL on. [SDM 3B 16.3] */
export const MC_BANK_MSRS = 4;
/** Place of a bank's MSR among its four. */
export const MC = { CTL: 0, STATUS: 1, ADDR: 2, MISC: 3 } as const;
/** Bit of IA32_MCi_CTL that guests leave clear in bank 4 of AMD's processors (the GART's errors), and one they may clear as well. */
export const MC_CTL_MAY_BE_CLEAR = (1 << 10) | 1;
/** AMD's HWCR bit with which IA32_MCi_STATUS can be written. */
export const HWCR_MC_STATUS_WRITE = 1 << 18;
