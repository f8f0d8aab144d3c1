import { assign, create, type StructInit } from "../base/struct-layout.ts";
import {
  KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
  type KvmCpuid2,
  type KvmCpuidEntry2,
  kvm_cpuid_entry2,
  kvm_cpuid2,
} from "../spec/kvm/vcpu-struct.ts";
import { CPUID_FEATURE } from "../spec/x86/cpuid.ts";
import * as spec from "../spec/x86/cpuid-topology.ts";

/** What CPUID says on vCPU `id` of `vcpus`, cores of one package with a thread each, where all of them say `common`. */
export function vcpuCpuid(common: KvmCpuid2, id: number, vcpus: number): KvmCpuid2 {
  const kept = Array.from({ length: common.nent }, (_, n) => common.entries[n]!).filter((e) => !isTopology(e.function));
  const levels = topologyLevels(id, vcpus);
  const cpuid = create(kvm_cpuid2, { nent: kept.length + levels.length }, kept.length + levels.length);
  const amd = kept.some((entry) => entry.function === 0 && entry.ebx === spec.AMD_EBX);
  for (const [n, entry] of kept.entries()) {
    cpuid.entries[n]!.bytes.set(entry.bytes);
    placeEntry(cpuid.entries[n]!, id, vcpus, amd);
  }
  for (const [n, level] of levels.entries()) assign(kvm_cpuid_entry2, cpuid.entries[kept.length + n]!, level);
  return cpuid;
}

/** Whether CPUID shows the feature of this name in `CPUID_FEATURE`. */
export function hasFeature(cpuid: KvmCpuid2, name: string): boolean {
  const feature = CPUID_FEATURE.get(name);
  if (feature === undefined) return false;
  for (let index = 0; index < cpuid.nent; index++) {
    const entry = cpuid.entries[index]!;
    if (entry.function === feature.leaf && entry.index === feature.subleaf)
      return ((entry[feature.register] >>> feature.bit) & 1) !== 0;
  }
  return false;
}

function isTopology(leaf: number): boolean {
  return leaf === spec.CPUID_EXTENDED_TOPOLOGY || leaf === spec.CPUID_EXTENDED_TOPOLOGY_V2;
}

function placeEntry(entry: KvmCpuidEntry2, id: number, vcpus: number, amd: boolean): void {
  if (entry.function === spec.CPUID_FEATURES) {
    const place = (id << spec.INITIAL_APIC_ID_SHIFT) | (vcpus << spec.LOGICAL_PROCESSORS_SHIFT);
    entry.ebx = ((entry.ebx & 0xffff) | place) >>> 0;
    if (vcpus > 1) entry.edx = (entry.edx | spec.CPUID_1_EDX_HTT) >>> 0;
  }
  if (entry.function === spec.CPUID_AMD_CORES)
    entry.ecx = amd ? (vcpus - 1) | (idBits(vcpus) << spec.CORE_ID_BITS_SHIFT) : 0;
}

/** Bits that tell the cores apart. */
function idBits(vcpus: number): number {
  return Math.ceil(Math.log2(vcpus));
}

/** The threads of a core, the cores of the package, and the end of the list. */
function topologyLevels(id: number, vcpus: number): StructInit<typeof kvm_cpuid_entry2>[] {
  const level = (index: number, type: number, eax: number, ebx: number) => ({
    function: spec.CPUID_EXTENDED_TOPOLOGY,
    flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
    ...{ index, eax, ebx, ecx: index | (type << spec.LEVEL_TYPE_SHIFT), edx: id },
  });
  return [
    level(0, spec.LEVEL_TYPE_THREAD, 0, 1),
    level(1, spec.LEVEL_TYPE_CORE, idBits(vcpus), vcpus),
    level(2, spec.LEVEL_TYPE_NONE, 0, 0),
  ];
}
