/** What CPUID tells of a processor's place among the others. [SDM 2A CPUID; SDM 3A 9.9.1] */

/** Function 01H: EBX bits 31-24 initial APIC ID, 23-16 logical processors in the package; EDX bit 28 HTT. */
export const CPUID_FEATURES = 0x1;
export const INITIAL_APIC_ID_SHIFT = 24;
export const LOGICAL_PROCESSORS_SHIFT = 16;
export const CPUID_1_EDX_HTT = 1 << 28;

/** Functions 0BH and 1FH: EAX bits 4-0 shift to the next level, EBX processors, ECX bits 15-8 level type, EDX x2APIC ID. */
export const CPUID_EXTENDED_TOPOLOGY = 0xb;
export const CPUID_EXTENDED_TOPOLOGY_V2 = 0x1f;
export const LEVEL_TYPE_SHIFT = 8;
export const LEVEL_TYPE_THREAD = 1;
export const LEVEL_TYPE_CORE = 2;
