import type { Random } from "../../base/random.ts";
import { isHardwareEnabled } from "../../irqchip/apic-page.ts";
import type { ChipAccess } from "../../irqchip/irqchip.ts";
import { CPU, MODE } from "../../isa/state.ts";
import type { CoalescedRing } from "../../kvm/coalesced-ring.ts";
import type { CoalescedZones } from "../../kvm/coalesced-zones.ts";
import type { MsrPolicy } from "../../kvm/msr-policy.ts";
import {
  KVM_MSR_EXIT_REASON_FILTER,
  KVM_MSR_EXIT_REASON_INVAL,
  KVM_MSR_EXIT_REASON_UNKNOWN,
} from "../../spec/kvm/exit.ts";
import { KVM_MSR_FILTER_READ, KVM_MSR_FILTER_WRITE } from "../../spec/kvm/vm-struct.ts";
import type { CodeCache } from "./code-cache.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { CpuidTable } from "./cpuid.ts";
import type { Hypercalls } from "./hypercalls.ts";
import type { LapicSync } from "./lapic-sync.ts";
import type { Environment } from "./library.ts";
import type { Msrs } from "./msrs.ts";
import { usesStack } from "./stack-use.ts";
import type { TimeStampCounter } from "./time-stamp-counter.ts";
import type { EventWrites } from "./vcpu-host.ts";

const TWO_32 = 0x1_0000_0000;
/** CPUID.1:EDX bit 9, clear while IA32_APIC_BASE has the APIC off. [SDM 3A 11.4.3] */
const APIC = 1 << 9;
/** Answers of mmio_write; see isa/helpers/env.ts. */
const MMIO = { nobody: 0, taken: 1, alone: 2 } as const;

/** What the helpers of one vCPU reach in the engine. */
export interface EnvironmentParts {
  readonly vcpu: number;
  readonly cells: CpuCells;
  irqchip(): ChipAccess | undefined;
  readonly ioeventfds: EventWrites;
  /** Writes that wait, if this thread has zones for them, and where. */
  readonly coalesced: CoalescedZones | undefined;
  readonly ring: CoalescedRing;
  code(): CodeCache;
  readonly cpuid: CpuidTable;
  readonly msrs: Msrs;
  readonly msrPolicy: MsrPolicy;
  readonly tsc: TimeStampCounter;
  readonly random: Random;
  readonly lapicSync: LapicSync;
  readonly hypercalls: Hypercalls;
  /** Whether the guest's instructions are being executed, not an event delivered. */
  executing(): boolean;
  /** A host page with decoded code was written. */
  codeWritten(hostPage: number): void;
}

/** The helper library's imports for one vCPU: its own chips answer here, everything else is an exit. */
export function makeEnvironment(parts: EnvironmentParts): Environment {
  const { cells, vcpu, lapicSync } = parts;
  const answer = (lo: number, hi = 0): void => cells.setWide(CPU.exitData, lo, hi);
  const gpa = (low: number, high: number): number => (high >>> 0) * TWO_32 + (low >>> 0);
  const writeChip = chipWriter(parts);
  return {
    mmio_read: (_cpu, low, high, width) => {
      lapicSync.toLapic();
      const value = parts.irqchip()?.mmioRead(vcpu, gpa(low!, high!), width!) ?? -1;
      if (value < 0) return 0;
      answer(value);
      return 1;
    },
    mmio_write: (_cpu, low, high, width) => {
      const at = gpa(low!, high!);
      const lo = cells.lo(CPU.exitData);
      const taken = writeChip(at, width!, lo);
      if (taken !== MMIO.nobody) return taken;
      const hi = cells.hi(CPU.exitData);
      if (parts.ioeventfds.writeMmio(at, width!, lo, hi)) return MMIO.taken;
      return parts.coalesced?.write(parts.ring, at, width!, lo, hi, false) ? MMIO.taken : MMIO.nobody;
    },
    io_in: (_cpu, port, size) => {
      const value = parts.irqchip()?.pioRead(port!, size!) ?? -1;
      if (value < 0) return 1;
      answer(value);
      return 0;
    },
    io_out: (_cpu, port, size, value) => {
      if (parts.irqchip()?.pioWrite(port!, size!, value! >>> 0)) return 0;
      if (parts.ioeventfds.writePort(port!, size!, value! >>> 0)) return 0;
      return parts.coalesced?.write(parts.ring, port!, size!, value! >>> 0, 0, true) ? 0 : 1;
    },
    code_written: (_cpu, hostPage) => parts.codeWritten(hostPage!),
    decode_block: (_cpu, host, low, high) => parts.code().decodeBlock(host! >>> 0, cells.i32(CPU.mode), low!, high!),
    uses_stack: () => (usesStack(parts.code(), cells) ? 1 : 0),
    cpuid: (_cpu, leaf, subleaf) => {
      parts.cpuid.answer(leaf! >>> 0, subleaf! >>> 0, cells);
      const lapic = parts.irqchip()?.bus.pages[vcpu];
      if (leaf === 1 && lapic && !isHardwareEnabled(lapic))
        cells.setI32(CPU.scratch + 12, cells.i32(CPU.scratch + 12) & ~APIC);
    },
    random_bits: () => answer(parts.random.next(), parts.random.next()),
    tsc: () => cells.setNumber(CPU.exitData, parts.tsc.read()),
    ...makeMsrCalls(parts),
    hypercall: () => parts.hypercalls.call(),
  };
}

function makeMsrCalls(parts: EnvironmentParts): Environment {
  const { msrs, msrPolicy, lapicSync } = parts;
  return {
    msr_allowed: (_cpu, index, write) => {
      const access = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;
      return msrPolicy.allows(index! >>> 0, access) ? 0 : refuseMsr(parts, KVM_MSR_EXIT_REASON_FILTER);
    },
    msr_read: (_cpu, index) => {
      lapicSync.toLapic();
      return msrs.read(index! >>> 0) ? 0 : refuseMsr(parts, reasonOf(parts, index! >>> 0));
    },
    msr_write: (_cpu, index) => {
      lapicSync.toLapic();
      const done = msrs.write(index! >>> 0);
      lapicSync.fromLapic();
      return done ? 0 : refuseMsr(parts, reasonOf(parts, index! >>> 0));
    },
  };
}

/** What the helpers are told of an access that is not done: 2 if user space wants to know, else 1 for #GP. */
function refuseMsr({ cells, msrPolicy }: EnvironmentParts, reason: number): number {
  if ((msrPolicy.reasons & reason) === 0) return 1;
  cells.setI32(CPU.msrReason, reason);
  return 2;
}

function reasonOf({ msrs }: EnvironmentParts, index: number): number {
  return msrs.knows(index) ? KVM_MSR_EXIT_REASON_INVAL : KVM_MSR_EXIT_REASON_UNKNOWN;
}

/** Writes to the chips that are in memory: address, size and value, to one of MMIO. */
function chipWriter(parts: EnvironmentParts): (at: number, width: number, value: number) => number {
  const { cells, vcpu, lapicSync } = parts;
  return (at, width, value) => {
    const irqchip = parts.irqchip();
    if (!irqchip?.ownsMmio(vcpu, at)) return MMIO.nobody;
    // what the write makes pending may be taken after this very instruction, which takes a block that ends there
    if (parts.executing() && !(cells.i32(CPU.mode) & MODE.single)) return MMIO.alone;
    lapicSync.toLapic();
    irqchip.mmioWrite(vcpu, at, width, value);
    lapicSync.fromLapic();
    return MMIO.taken;
  };
}
