import { create } from "../base/struct-layout.ts";
import { type KvmCpuid2, type KvmCpuidEntry2, kvm_cpuid2 } from "../spec/kvm/vcpu-struct.ts";
import { CPUID_FEATURE } from "../spec/x86/cpuid.ts";
import * as spec from "../spec/x86/cpuid-topology.ts";

/** What CPUID says on vCPU `id` of `vcpus`, cores of one package, on an engine that supports `supported`. */
export function vcpuCpuid(supported: KvmCpuid2, id: number, vcpus: number): KvmCpuid2 {
  const cpuid = create(kvm_cpuid2, undefined, supported.nent);
  cpuid.bytes.set(supported.bytes.subarray(0, cpuid.bytes.length));
  for (let index = 0; index < cpuid.nent; index++) placeEntry(cpuid.entries[index]!, id, vcpus);
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

function placeEntry(entry: KvmCpuidEntry2, id: number, vcpus: number): void {
  if (entry.function === spec.CPUID_FEATURES) {
    const place = (id << spec.INITIAL_APIC_ID_SHIFT) | (vcpus << spec.LOGICAL_PROCESSORS_SHIFT);
    entry.ebx = ((entry.ebx & 0xffff) | place) >>> 0;
    if (vcpus > 1) entry.edx = (entry.edx | spec.CPUID_1_EDX_HTT) >>> 0;
  }
  const topology =
    entry.function === spec.CPUID_EXTENDED_TOPOLOGY || entry.function === spec.CPUID_EXTENDED_TOPOLOGY_V2;
  if (topology) placeTopology(entry, id, vcpus);
}

/** One thread a core; all cores in the package. */
function placeTopology(entry: KvmCpuidEntry2, id: number, vcpus: number): void {
  const type = (entry.ecx >>> spec.LEVEL_TYPE_SHIFT) & 0xff;
  const core = type === spec.LEVEL_TYPE_CORE;
  if (type !== 0) {
    entry.eax = core ? Math.ceil(Math.log2(vcpus)) : 0;
    entry.ebx = core ? vcpus : 1;
  }
  entry.edx = id;
}
