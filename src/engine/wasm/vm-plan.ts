import { APIC_PAGE_WORDS, type ApicPage } from "../../irqchip/apic-page.ts";
import { CODE_MAP_ENTRY_SIZE, CPU_SIZE, MAX_SLOTS, SLOT_SIZE, VM } from "../../isa/state.ts";
import { KVM_VCPU_MMAP_SIZE } from "../../spec/kvm/run-struct.ts";
import { tablesBytes } from "./memory-tables.ts";

const WASM_PAGE = 0x1_0000;
/** Addresses below are nobody's, so that 0 is no address. */
const GUARD = WASM_PAGE;
const MAX_BYTES = 0x1_0000_0000 - WASM_PAGE;

/** vCPUs a VM may have. */
export const MAX_VCPUS = 8;

/** Bytes of decoded records a vCPU may have. */
export const RECORD_BYTES = 64 << 20;
export const CODE_MAP_ENTRIES = 1 << 18;
export const CODE_MAP_BYTES = CODE_MAP_ENTRIES * CODE_MAP_ENTRY_SIZE;

/** From a vCPU's base: its state, what other threads need of it, the code map, the records. */
const SHARED = CPU_SIZE;
const APIC_PAGE = SHARED + KVM_VCPU_MMAP_SIZE;
const WORDS = APIC_PAGE + 4 * APIC_PAGE_WORDS;
const CODE_MAP = SHARED + WASM_PAGE;
const RECORDS = CODE_MAP + CODE_MAP_BYTES;
const VCPU_BYTES = RECORDS + RECORD_BYTES;

/** Words of a vCPU, by their place in `VcpuPlaces.words`. */
export const VCPU_WORD = {
  /** Bit 0: it was kicked. The rest counts what may have ended its sleep. */
  KICK: 0,
  /** 1 once it exists. */
  PRESENT: 1,
  /** 1 while it reads and writes guest memory. */
  EXECUTING: 2,
  /** Bits of VCPU_REQUEST. */
  REQUESTS: 3,
  /** Instructions that a wake took off its budget. */
  UNUSED_BUDGET: 4,
  /** An access to a chip of another thread: see ChipCalls. */
  CALL: 8,
  /** Host pages with code that others wrote: a lock, their number, the pages. */
  WRITTEN_LOCK: 16,
  WRITTEN_COUNT: 17,
  WRITTEN: 18,
  end: 18 + 256,
} as const;

/** What others ask of a vCPU before it goes on. */
export const VCPU_REQUEST = { SLOTS: 1, TLB: 2, CLOCK: 4, CODE: 8, STOP: 16 } as const;

/** Words that all vCPUs share, by their place in `VmPlan.words`; helpers know those of VM in isa/state.ts. */
export const VM_WORD = {
  LOCK: VM.lock >> 2,
  /** 1 while no vCPU may execute. */
  HOLD: 1,
  SLOT_COUNT: 2,
  /** 1 if a vCPU's CALL waits for an answer. */
  CALLS: 3,
  /** 256 bits: vectors whose service ended at a local APIC of another thread. */
  EOI: 4,
  /** 1 if the PIT has interrupts that the guest missed: it waits for EOIs. */
  PIT_WAITS: 12,
  /** Number of ioeventfds. */
  IOEVENTFDS: 13,
  /** Bits of CHIPS. */
  CHIPS: 14,
  /** Two words: the offset of kvmclock, as a double. */
  CLOCK: 16,
  end: 32,
} as const;

/** What chips the VM has: an irqchip, a PIT, its port 0x61. */
export const CHIPS = { irqchip: 1, pit: 2, speaker: 4 } as const;

/** Where a vCPU's things are. */
export interface VcpuPlaces {
  readonly base: number;
  readonly kvmRun: Uint8Array;
  readonly apicPage: ApicPage;
  /** See VCPU_WORD. */
  readonly words: Int32Array;
  readonly codeMap: number;
  readonly records: number;
}

/** Where everything is in the memory of a VM; the same in every thread. */
export class VmPlan {
  readonly tables: number;
  readonly pageFlags: number;
  /** Guest memory from here on. */
  readonly heap: number;
  /** See VM_WORD. */
  readonly words: Int32Array;
  readonly clockOffset: Float64Array;
  readonly wordsAt = GUARD;
  readonly #buffer: ArrayBuffer | SharedArrayBuffer;
  readonly #vcpus: number;

  constructor(buffer: ArrayBuffer | SharedArrayBuffer) {
    this.#buffer = buffer;
    this.tables = GUARD + 0x1000;
    this.pageFlags = this.tables + MAX_SLOTS * SLOT_SIZE;
    this.#vcpus = roundUp(this.tables + tablesBytes(buffer.byteLength));
    this.heap = this.#vcpus + MAX_VCPUS * VCPU_BYTES;
    this.words = new Int32Array(buffer, GUARD, VM_WORD.end);
    this.clockOffset = new Float64Array(buffer, GUARD + 4 * VM_WORD.CLOCK, 1);
  }

  /** Bytes of a memory with room for `maxMemory` bytes of guest memory. Throws RangeError if that is too much. */
  static bytesFor(maxMemory: number): number {
    const needed = 2 * GUARD + MAX_VCPUS * VCPU_BYTES + maxMemory;
    const bytes = roundUp(needed + tablesBytes(needed) + WASM_PAGE);
    if (bytes > MAX_BYTES)
      throw new RangeError(`${maxMemory} bytes of guest memory do not fit in 4 GiB with the engine`);
    return bytes;
  }

  vcpu(id: number): VcpuPlaces {
    const base = this.#vcpus + id * VCPU_BYTES;
    return {
      base,
      kvmRun: new Uint8Array(this.#buffer, base + SHARED, KVM_VCPU_MMAP_SIZE),
      apicPage: new Uint32Array(this.#buffer, base + APIC_PAGE, APIC_PAGE_WORDS),
      words: new Int32Array(this.#buffer, base + WORDS, VCPU_WORD.end),
      codeMap: base + CODE_MAP,
      records: base + RECORDS,
    };
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / WASM_PAGE) * WASM_PAGE;
}
