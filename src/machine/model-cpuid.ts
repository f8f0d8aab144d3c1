import { create } from "../base/struct-layout.ts";
import { standardSize } from "../kvm/xsave-size.ts";
import { type KvmCpuid2, kvm_cpuid2 } from "../spec/kvm/vcpu-struct.ts";
import { XCR0 } from "../spec/x86/control-register.ts";
import type { CpuIdentity } from "../spec/x86/cpu-model.ts";
import { AMD_ALIASES, CPUID_FEATURE, type CpuidRegister } from "../spec/x86/cpuid.ts";
import { XSAVE_COMPONENTS } from "../spec/x86/xsave.ts";

interface Entry {
  function: number;
  index: number;
  flags: number;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** What CPUID is to show. */
export interface Processor {
  readonly features: ReadonlySet<string>;
  readonly identity: CpuIdentity | undefined;
  /** Nothing is shown that is not among the features: what else the engine has stays hidden. */
  readonly fixed: boolean;
}

const BASIC_LEAF = 0;
const MONITOR_LEAF = 5;
const FEATURE_LEAF = 7;
const TOPOLOGY_LEAF = 0xb;
const XSAVE_LEAF = 0xd;
const EXTENDED_LEAF = 0x8000_0000;
const BRAND_LEAF = 0x8000_0002;
/** EAX bits 15-8: how wide linear addresses are; 48 bits take four levels of tables. */
const ADDRESS_LEAF = 0x8000_0008;
const LINEAR_BITS = 0xff00;
const FOUR_LEVELS = 48 << 8;
/** The last leaves of their ranges in a fixed model. */
const LAST_EXTENDED = 0x8000_0008;

const REGISTERS: readonly CpuidRegister[] = ["eax", "ebx", "ecx", "edx"];

/** The features, by their names in CPUID_FEATURE, that a CPUID table shows. */
export function shownFeatures(cpuid: KvmCpuid2): Set<string> {
  const entries = entriesOf(cpuid);
  const shown = [...CPUID_FEATURE].filter(([, place]) => {
    const home = entries.find((e) => e.function === place.leaf && e.index === place.subleaf);
    return home !== undefined && ((home[place.register] >>> place.bit) & 1) === 1;
  });
  return new Set(shown.map(([name]) => name));
}

/** The CPUID table of a processor on an engine that supports `supported`. */
export function modelCpuid(supported: KvmCpuid2, processor: Processor): KvmCpuid2 {
  const entries = entriesOf(supported).filter((entry) => isShown(entry, processor));
  for (const entry of entries) {
    for (const register of REGISTERS) showFeatures(entry, register, processor);
    if (processor.identity) identify(entry, processor.identity);
    if (processor.fixed) limitLeaves(entry, processor);
    if (entry.function === ADDRESS_LEAF && !processor.features.has("la57"))
      entry.eax = (entry.eax & ~LINEAR_BITS) | FOUR_LEVELS;
    if (entry.function === XSAVE_LEAF && entry.index === 0) showComponents(entry, processor);
    if (entry.function === MONITOR_LEAF && !processor.features.has("monitor"))
      for (const register of REGISTERS) entry[register] = 0;
  }
  if (processor.identity?.vendor === "AuthenticAMD") repeatFeatures(entries);
  return create(kvm_cpuid2, { nent: entries.length, entries });
}

function entriesOf(cpuid: KvmCpuid2): Entry[] {
  return Array.from({ length: cpuid.nent }, (_, n) => {
    const { function: leaf, index, flags, eax, ebx, ecx, edx } = cpuid.entries[n]!;
    return { function: leaf, index, flags, eax, ebx, ecx, edx };
  });
}

/** Whether a processor has a leaf at all; sub-leaves of state components come with their features. */
function isShown({ function: leaf, index }: Entry, { features, fixed }: Processor): boolean {
  if (leaf === XSAVE_LEAF) {
    if (!features.has("xsave")) return false;
    const component = XSAVE_COMPONENTS.find(({ number }) => number === index);
    return index < 2 || (component ? features.has(component.feature) : !fixed);
  }
  if (!fixed) return true;
  if (leaf === FEATURE_LEAF) return index === 0;
  return leaf < XSAVE_LEAF || (leaf >= 0x4000_0000 && leaf <= LAST_EXTENDED);
}

/** Replaces the bits of features in a register; in a fixed model a register of features has no others. */
function showFeatures(entry: Entry, register: CpuidRegister, { features, fixed }: Processor): void {
  let known = 0;
  let shown = 0;
  for (const [name, place] of CPUID_FEATURE) {
    if (place.leaf !== entry.function || place.subleaf !== entry.index || place.register !== register) continue;
    known |= 1 << place.bit;
    if (features.has(name)) shown |= 1 << place.bit;
  }
  if (known !== 0) entry[register] = ((fixed ? 0 : entry[register] & ~known) | shown) >>> 0;
}

function limitLeaves(entry: Entry, { features }: Processor): void {
  const last = features.has("xsave") ? XSAVE_LEAF : TOPOLOGY_LEAF;
  if (entry.function === BASIC_LEAF) entry.eax = Math.min(entry.eax, last);
  if (entry.function === FEATURE_LEAF) entry.eax = 0;
  if (entry.function === EXTENDED_LEAF) entry.eax = Math.min(entry.eax, LAST_EXTENDED);
}

/** The bits of XCR0, and the size of an area with all of them. */
function showComponents(entry: Entry, { features, fixed }: Processor): void {
  const known = XSAVE_COMPONENTS.reduce((mask, { number }) => mask | (1 << number), XCR0.X87 | XCR0.SSE);
  const shown = XSAVE_COMPONENTS.filter(({ feature }) => features.has(feature));
  const mask = shown.reduce((all, { number }) => all | (1 << number), XCR0.X87 | XCR0.SSE);
  const others = fixed ? 0 : entry.eax & ~known;
  entry.eax = (mask | others) >>> 0;
  if (others === 0) entry.ebx = entry.ecx = standardSize(mask);
  if (fixed) entry.edx = 0;
}

function identify(entry: Entry, { vendor, brand, ...numbers }: CpuIdentity): void {
  const leaf = entry.function;
  if (leaf === BASIC_LEAF || (leaf === EXTENDED_LEAF && vendor === "AuthenticAMD"))
    [entry.ebx, entry.edx, entry.ecx] = [word(vendor, 0), word(vendor, 4), word(vendor, 8)];
  if (leaf === 1) entry.eax = signature(numbers);
  if (leaf < BRAND_LEAF || leaf > BRAND_LEAF + 2) return;
  for (const [n, register] of REGISTERS.entries()) entry[register] = word(brand, 16 * (leaf - BRAND_LEAF) + 4 * n);
}

/** CPUID.1:EAX. Families from 15 on continue in the extended family. */
function signature({ family, model, stepping }: Omit<CpuIdentity, "vendor" | "brand">): number {
  const extended = Math.max(0, family - 15);
  return (stepping | ((model & 15) << 4) | (Math.min(family, 15) << 8) | ((model >> 4) << 16) | (extended << 20)) >>> 0;
}

/** Four ASCII characters as a little-endian word. */
function word(text: string, at: number): number {
  let value = 0;
  for (let n = 3; n >= 0; n--) value = (value << 8) | (text.charCodeAt(at + n) || 0);
  return value >>> 0;
}

/** AMD's processors show the features of function 1 in 80000001H once more. */
function repeatFeatures(entries: readonly Entry[]): void {
  const first = entries.find((entry) => entry.function === 1);
  const extended = entries.find((entry) => entry.function === EXTENDED_LEAF + 1);
  if (first && extended) extended.edx = (extended.edx | (first.edx & AMD_ALIASES)) >>> 0;
}
