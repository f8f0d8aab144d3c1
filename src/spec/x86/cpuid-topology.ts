/** What CPUID tells of a processor's place among the others. [SDM 2A CPUID; SDM 3A 9.9.1; AMD APM 3 E.4.7] */

/** Function 01H: EBX bits 31-24 initial APIC ID, 23-16 logical processors in the package; EDX bit 28 HTT. */
export const CPUID_FEATURES = 0x1;
export const INITIAL_APIC_ID_SHIFT = 24;
export const LOGICAL_PROCESSORS_SHIFT = 16;
export const CPUID_1_EDX_HTT = 1 << 28;

/** Functions 0BH and 1FH: EAX bits 4-0 shift to the next level, EBX processors, ECX level and in bits 15-8 its type, EDX x2APIC ID. */
export const CPUID_EXTENDED_TOPOLOGY = 0xb;
export const CPUID_EXTENDED_TOPOLOGY_V2 = 0x1f;
export const LEVEL_TYPE_SHIFT = 8;
export const LEVEL_TYPE_NONE = 0;
export const LEVEL_TYPE_THREAD = 1;
export const LEVEL_TYPE_CORE = 2;

/** Function 80000008H of AMD's processors: ECX bits 7-0 cores less 1, bits 15-12 bits of the core's number. */
export const CPUID_AMD_CORES = 0x8000_0008;
export const CORE_ID_BITS_SHIFT = 12;

/** EBX of function 0: the first characters of "AuthenticAMD". */
export const AMD_EBX = 0x6874_7541;
