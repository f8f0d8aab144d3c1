// Masked stores.
import { CPU_linearMask, SEGMENT_base, SEGMENT_check } from "../layout.generated.ts";
import { trapped } from "../fault.ts";
import { probe, write_mem } from "../mmu.ts";
import { ACCESS_WRITE } from "../paging.ts";
import { segment_check } from "../segment-check.ts";

/** Stores the bytes whose mask byte has its top bit set at an offset in a segment. [SDM 2B MASKMOVDQU] */
export function mask_move(cpu: i32, segment: i32, offset: u64, low: u64, high: u64, maskLow: u64, maskHigh: u64): void {
  for (let write = 0; write < 2; write++) {
    for (let i = 0; i < 16; i++) {
      const shift = ((i & 7) << 3) as u64;
      const mask = i < 8 ? maskLow : maskHigh;
      if (!((mask >> (shift + 7)) & 1)) continue;
      const linear = linear_of(cpu, segment, offset + (i as u64));
      if (trapped(cpu)) return;
      const byte = ((i < 8 ? low : high) >> shift) & 0xff;
      if (write) write_mem(cpu, linear, 1, byte, 0);
      else probe(cpu, linear, 1, ACCESS_WRITE);
      if (trapped(cpu)) return;
    }
  }
}

function linear_of(cpu: i32, segment: i32, offset: u64): u64 {
  if (load<i32>(cpu + segment + SEGMENT_check)) return segment_check(cpu, segment, offset, 1, 1);
  return (load<u64>(cpu + segment + SEGMENT_base) + offset) & load<u64>(cpu + CPU_linearMask);
}
