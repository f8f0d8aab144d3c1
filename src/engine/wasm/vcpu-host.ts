import type { Random } from "../../base/random.ts";
import type { ChipAccess } from "../../irqchip/irqchip.ts";
import type { VcpuInterrupts } from "../../irqchip/vcpu-interrupts.ts";
import type { VmClock } from "../../kvm/clock.ts";
import type { CoalescedZones } from "../../kvm/coalesced-zones.ts";
import type { MsrPolicy } from "../../kvm/msr-policy.ts";
import type { GuestMemory } from "../../memory/guest-memory.ts";
import type { RegionCompiler } from "./jit/request.ts";
import type { WasmModules } from "./library.ts";
import type { TimeStampCounter } from "./time-stamp-counter.ts";
import type { VcpuGroup } from "./vcpu-group.ts";
import type { VmPlan } from "./vm-plan.ts";

/** Writes that may be an ioeventfd's; true if one took it. */
export interface EventWrites {
  writePort(port: number, length: number, value: number): boolean;
  writeMmio(address: number, length: number, lo: number, hi: number): boolean;
}

/** Makes the compiler of one vCPU of a machine with that memory, and says when it is asked (see RegionGlue). */
export type JitOptions = (memory: WebAssembly.Memory) => { compiler: RegionCompiler; threshold: number };

/** The VM as a vCPU sees it, in the thread that owns it or in another. */
export interface VcpuHost {
  readonly modules: WasmModules;
  /** Undefined: everything is interpreted. */
  readonly jit: JitOptions | undefined;
  readonly random: Random;
  readonly wasmMemory: WebAssembly.Memory;
  readonly plan: VmPlan;
  readonly group: VcpuGroup;
  readonly clock: VmClock;
  readonly memory: GuestMemory;
  readonly irqchip: ChipAccess | undefined;
  readonly ioeventfds: EventWrites;
  readonly msrPolicy: MsrPolicy;
  /** Undefined where nobody can say what may wait. */
  readonly coalesced: CoalescedZones | undefined;
  /** The local APIC of a vCPU that is being made. */
  addInterrupts(id: number, tsc: TimeStampCounter): VcpuInterrupts | undefined;
  /** Delivers what the timers of this thread owe; returns ns until the next one, Infinity for never. */
  advanceTimers(): number;
  /** The memory slots changed, says the vCPU that heard of it. */
  slotsChanged(): void;
}
