import { create, view } from "../../base/struct-layout.ts";
import { CPU, FEATURE } from "../../isa/state.ts";
import { COMPLETE_SETS } from "../../isa/table/facts.ts";
import { compactedSize, standardSize } from "../../kvm/xsave-size.ts";
import { KVM_CPUID_FEATURES, KVM_CPUID_SIGNATURE, KVM_FEATURE, KVM_SIGNATURE } from "../../spec/kvm/paravirt.ts";
import { KVM_CPUID_FLAG_SIGNIFCANT_INDEX, type KvmCpuid2, kvm_cpuid2 } from "../../spec/kvm/vcpu-struct.ts";
import { CR4, XCR0 } from "../../spec/x86/control-register.ts";
import { CPUID_FEATURE } from "../../spec/x86/cpuid.ts";
import {
  CPUID_EXTENDED_TOPOLOGY,
  LEVEL_TYPE_CORE,
  LEVEL_TYPE_SHIFT,
  LEVEL_TYPE_THREAD,
} from "../../spec/x86/cpuid-topology.ts";
import { XSAVE_COMPONENTS } from "../../spec/x86/xsave.ts";
import type { CpuCells } from "./cpu-cells.ts";

/** CPUID.1:ECX bit 27 and CPUID.7:ECX bit 4. */
const OSXSAVE = 1 << 27;
const OSPKE = 1 << 4;
/** CPUID.(EAX=0DH,ECX=1):EAX bits 1 and 3: XSAVEC, XSAVES. */
const COMPACTS = 0xa;
/** Processor extended state enumeration. [SDM 2A CPUID] */
const XSAVE_LEAF = 0xd;

interface Entry {
  function: number;
  index: number;
  flags: number;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** Bits of a guest-physical address. */
export const PHYSICAL_ADDRESS_BITS = 40;
const LINEAR_ADDRESS_BITS = 57;

/** Features of the processor apart from its instructions: paging, interrupts, MSRs. */
const SYSTEM_FEATURES = [
  "fpu",
  "vme",
  "de",
  "pse",
  "tsc",
  "msr",
  "mce",
  "mca",
  "pae",
  "apic",
  "mtrr",
  "pge",
  "pcid",
  "la57",
  "pks",
  "pat",
  "pdpe1gb",
  "pse36",
  "x2apic",
  "tsc_deadline",
  "hypervisor",
  "arat",
  "smep",
  "umip",
  "tsc_adjust",
  "erms",
  "fsrm",
  "zero_fcs_fds",
  "arch_capabilities",
  "nx",
  "lm",
  "lahf_lm",
  "xgetbv1",
  "invtsc",
];

/** What the engine can show: the features above, and the instruction sets of which the table has every instruction. */
export function supportedFeatures(): ReadonlySet<string> {
  return new Set([...SYSTEM_FEATURES, ...COMPLETE_SETS]);
}

/**
 * Family 6 model 28: a processor that executes in order, as this engine does, so that guests need no defence against
 * speculation. Stepping 10 is past that family's early errata. [SDM 4 2.1]
 */
export const PROCESSOR_SIGNATURE = 0x000106ca;
const VENDOR = "GenuineIntel";
const BRAND = "tskvm virtual CPU";
/** EBX of leaf 0 of AMD's processors: "Auth". [AMD APM 3 E.3.1] */
const AMD = 0x6874_7541;

const entry = (leaf: number, registers: Partial<Entry> = {}): Entry => ({
  function: leaf,
  index: 0,
  flags: 0,
  eax: 0,
  ebx: 0,
  ecx: 0,
  edx: 0,
  ...registers,
});

/** Four ASCII characters as a little-endian word. */
function word(text: string, at: number): number {
  let value = 0;
  for (let n = 3; n >= 0; n--) value = (value << 8) | (text.charCodeAt(at + n) || 0);
  return value >>> 0;
}

function brandEntries(): Entry[] {
  return [0, 16, 32].map((at, n) =>
    entry(0x8000_0002 + n, {
      eax: word(BRAND, at),
      ebx: word(BRAND, at + 4),
      ecx: word(BRAND, at + 8),
      edx: word(BRAND, at + 12),
    }),
  );
}

const KVM_FEATURES =
  KVM_FEATURE.CLOCKSOURCE |
  KVM_FEATURE.NOP_IO_DELAY |
  KVM_FEATURE.CLOCKSOURCE2 |
  KVM_FEATURE.PV_EOI |
  KVM_FEATURE.PV_UNHALT |
  KVM_FEATURE.PV_SEND_IPI |
  KVM_FEATURE.CLOCKSOURCE_STABLE;

function baseEntries(): Entry[] {
  const indexed = { flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX };
  return [
    entry(0, { eax: XSAVE_LEAF, ebx: word(VENDOR, 0), edx: word(VENDOR, 4), ecx: word(VENDOR, 8) }),
    // CLFLUSH line of 8 quadwords, one logical processor
    entry(1, { eax: PROCESSOR_SIGNATURE, ebx: 0x0001_0800 }),
    entry(2, { eax: 1 }),
    entry(4, indexed),
    // MONITOR's line, smallest and largest, and no extensions
    entry(5, { eax: 64, ebx: 64 }),
    entry(6),
    entry(7, indexed),
    // threads and cores; who places the vCPU fills in how many
    entry(CPUID_EXTENDED_TOPOLOGY, { ...indexed, ecx: LEVEL_TYPE_THREAD << LEVEL_TYPE_SHIFT }),
    entry(CPUID_EXTENDED_TOPOLOGY, { ...indexed, index: 1, ecx: (LEVEL_TYPE_CORE << LEVEL_TYPE_SHIFT) | 1 }),
    entry(KVM_CPUID_SIGNATURE, {
      eax: KVM_CPUID_FEATURES,
      ebx: KVM_SIGNATURE[0],
      ecx: KVM_SIGNATURE[1],
      edx: KVM_SIGNATURE[2],
    }),
    entry(KVM_CPUID_FEATURES, {
      eax: KVM_FEATURES,
    }),
    entry(0x8000_0000, { eax: 0x8000_0008 }),
    entry(0x8000_0001),
    ...brandEntries(),
    entry(0x8000_0007),
    entry(0x8000_0008, { eax: (LINEAR_ADDRESS_BITS << 8) | PHYSICAL_ADDRESS_BITS }),
  ];
}

/** Sizes for everything that is supported; what a vCPU answers follows XCR0. */
function xsaveEntries(features: ReadonlySet<string>): Entry[] {
  const indexed = { flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX };
  const components = XSAVE_COMPONENTS.filter(({ feature }) => features.has(feature));
  const eax = components.reduce((mask, { number }) => mask | (1 << number), XCR0.X87 | XCR0.SSE);
  const size = standardSize(eax);
  return [
    entry(XSAVE_LEAF, { ...indexed, eax, ebx: size, ecx: size }),
    entry(XSAVE_LEAF, { ...indexed, index: 1, ebx: compactedSize(eax) }),
    ...components.map(({ number, bytes, offset }) =>
      entry(XSAVE_LEAF, { ...indexed, index: number, eax: bytes, ebx: offset }),
    ),
  ];
}

/** The bits of XCR0 that the engine has. */
export function supportedXcr0(): number {
  return xsaveEntries(supportedFeatures())[0]!.eax;
}

/** KVM_GET_SUPPORTED_CPUID. */
export function supportedCpuid(): KvmCpuid2 {
  const features = supportedFeatures();
  const entries = [...baseEntries(), ...xsaveEntries(features)];
  for (const name of features) {
    const feature = CPUID_FEATURE.get(name);
    const home = feature && entries.find((e) => e.function === feature.leaf && e.index === feature.subleaf);
    if (feature && home) home[feature.register] = (home[feature.register] | (1 << feature.bit)) >>> 0;
  }
  const record = create(kvm_cpuid2, { nent: entries.length, entries });
  return record;
}

/** What CPUID answers on one vCPU: the entries of KVM_SET_CPUID2. */
export class CpuidTable {
  #record: KvmCpuid2 = create(kvm_cpuid2, {});
  /** By leaf. */
  readonly #entries = new Map<number, Entry[]>();
  #maxBasic = 0;

  /** A copy of what was set. */
  get record(): KvmCpuid2 {
    return view(kvm_cpuid2, this.#record.bytes.slice());
  }

  set(record: KvmCpuid2): void {
    this.#record = view(kvm_cpuid2, record.bytes.slice());
    this.#entries.clear();
    for (let n = 0; n < record.nent; n++) {
      const { function: leaf, index, flags, eax, ebx, ecx, edx } = record.entries[n]!;
      const entries = this.#entries.get(leaf) ?? [];
      entries.push({ function: leaf, index, flags, eax, ebx, ecx, edx });
      this.#entries.set(leaf, entries);
    }
    this.#maxBasic = this.#find(0, 0)?.eax ?? 0;
  }

  /** Whether a record is what was set. */
  equals(record: KvmCpuid2): boolean {
    const { bytes } = this.#record;
    return bytes.length === record.bytes.length && bytes.every((byte, n) => byte === record.bytes[n]);
  }

  has(feature: string): boolean {
    const place = CPUID_FEATURE.get(feature);
    if (!place) return false;
    const found = this.#find(place.leaf, place.subleaf);
    return found !== undefined && ((found[place.register] >>> place.bit) & 1) === 1;
  }

  /** Writes EAX to EDX of a leaf to CPU.scratch. A leaf beyond its range answers as the highest basic one, as on Intel. */
  answer(leaf: number, subleaf: number, cells: CpuCells): void {
    const known = this.#find(leaf, subleaf) ?? (this.#isBeyond(leaf) ? this.#find(this.#maxBasic, subleaf) : undefined);
    cells.setI32(CPU.scratch, known?.eax ?? 0);
    cells.setI32(CPU.scratch + 4, known === undefined ? 0 : currentEbx(known, cells));
    cells.setI32(CPU.scratch + 8, known === undefined ? 0 : currentEcx(known, cells));
    cells.setI32(CPU.scratch + 12, known?.edx ?? 0);
  }

  /**
   * Bits of FEATURE for CPU.features. Where CPUID tells of several processors MWAIT does not sleep, as under KVM: it would
   * miss their writes.
   */
  get features(): number {
    let bits = 0;
    for (const [name, bit] of Object.entries(FEATURE)) if (this.has(name)) bits |= bit;
    if (this.#find(0, 0)?.ebx === AMD) bits |= FEATURE.amd;
    const processors = ((this.#find(1, 0)?.ebx ?? 0) >>> 16) & 0xff;
    return processors > 1 ? bits & ~FEATURE.monitor : bits;
  }

  /** The bits of XCR0 (its low half) that exist. */
  get xcr0(): number {
    return this.#find(XSAVE_LEAF, 0)?.eax ?? 0;
  }

  /** Whether a leaf is above the highest of its range, which the range's first leaf tells. */
  #isBeyond(leaf: number): boolean {
    const first = this.#find(rangeOf(leaf), 0);
    return first === undefined || leaf > first.eax;
  }

  #find(leaf: number, subleaf: number): Entry | undefined {
    const entries = this.#entries.get(leaf);
    if (entries === undefined) return undefined;
    for (let n = 0; n < entries.length; n++) {
      const entry = entries[n]!;
      if (!(entry.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || entry.index === subleaf) return entry;
    }
    return undefined;
  }
}

/** First leaf of the range of a leaf: basic, hypervisor (in steps of 100H), extended. */
function rangeOf(leaf: number): number {
  if (leaf >= 0x8000_0000) return 0x8000_0000;
  return leaf >= 0x4000_0000 && leaf <= 0x4fff_ffff ? leaf - (leaf & 0xff) : 0;
}

/** The XSAVE area's size follows the components that are enabled. [SDM 2A CPUID] */
function currentEbx({ function: leaf, index, eax, ebx }: Entry, cells: CpuCells): number {
  if (leaf !== XSAVE_LEAF || index > 1) return ebx;
  const xcr0 = cells.lo(CPU.xcr0);
  if (index === 0) return standardSize(xcr0);
  return eax & COMPACTS ? compactedSize(xcr0) : ebx;
}

/** OSXSAVE and OSPKE mirror CR4. [SDM 2A CPUID] */
function currentEcx({ function: leaf, index, ecx }: Entry, cells: CpuCells): number {
  const cr4 = cells.lo(CPU.cr4);
  if (leaf === 1) return cr4 & CR4.OSXSAVE ? ecx | OSXSAVE : ecx;
  return leaf === 7 && index === 0 && cr4 & CR4.PKE ? ecx | OSPKE : ecx;
}
