import { CPU } from "../../isa/state.ts";
import { CodeCache } from "./code-cache.ts";
import type { CpuCells } from "./cpu-cells.ts";
import { PHYSICAL_ADDRESS_BITS } from "./cpuid.ts";
import type { Library } from "./library.ts";
import type { VcpuHost } from "./vcpu-host.ts";
import { CODE_MAP_BYTES, CODE_MAP_ENTRIES, RECORD_BYTES, type VcpuPlaces, VM_WORD } from "./vm-plan.ts";

/** The decoded code of a vCPU: writes of all vCPUs to pages that it decodes are noticed. */
export function makeCodeCache(host: VcpuHost, places: VcpuPlaces, cells: CpuCells, library: Library): CodeCache {
  const { group, plan, wasmMemory } = host;
  const { codeMap, records } = places;
  const arena = {
    start: records,
    end: records + RECORD_BYTES,
    pageFlags: plan.pageFlags,
    maxBlocks: CODE_MAP_ENTRIES / 2,
  };
  const map = new Uint8Array(wasmMemory.buffer, codeMap, CODE_MAP_BYTES);
  return new CodeCache(wasmMemory.buffer, arena, {
    fetchTranslate: (low, high) => library.fetch_translate_halves(cells.base, low, high),
    set: (at, mode, record, second) => library.code_map_set(cells.base, at, mode, record, second),
    clear: () => map.fill(0),
    flushJumpCache: () => library.jump_cache_flush(cells.base),
    protect: (page) => {
      for (const vcpu of group.vcpus) if (vcpu.present) library.tlb_protect(vcpu.base, page);
    },
  });
}

/** Tells a vCPU's state where the tables are. */
export function placeTables(vm: VcpuHost, places: VcpuPlaces, cells: CpuCells): void {
  const { plan } = vm;
  placeMsrPolicy(vm, cells);
  cells.setI32(CPU.codeMap, places.codeMap);
  cells.setI32(CPU.codeMapMask, CODE_MAP_ENTRIES - 1);
  cells.setI32(CPU.vm, plan.wordsAt);
  cells.setI32(CPU.slots, plan.tables);
  cells.setI32(CPU.slotCount, Atomics.load(plan.words, VM_WORD.SLOT_COUNT));
  cells.setI32(CPU.pageFlags, plan.pageFlags);
  cells.setI32(CPU.maxPhyAddr, PHYSICAL_ADDRESS_BITS);
}

/** Tells it whether MSRs are asked for first. */
export function placeMsrPolicy({ msrPolicy }: Pick<VcpuHost, "msrPolicy">, cells: CpuCells): void {
  cells.setI32(CPU.msrPolicy, msrPolicy.active ? 1 : 0);
}
