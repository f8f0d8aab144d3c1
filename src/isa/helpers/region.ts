// What compiled regions and their cache need besides what every executor does: writes that spare decoded code.
import { CPU_linearMask, CPU_rip, CPU_trap, SEGMENTS_cs, SEGMENT_base } from "./layout.generated.ts";
import { crosses, load_slow, next_linear, store_slow, translate } from "./mmu.ts";
import { ACCESS_FETCH, ACCESS_WRITE } from "./paging.ts";
import { is_code } from "./physical.ts";
import { tlb_find } from "./tlb.ts";

/** Whether a write to a linear address would change decoded code. What faults is left to the access itself. */
function is_code_at(cpu: i32, linear: u64): bool {
  const host = translate(cpu, linear, ACCESS_WRITE);
  if (host) return is_code(cpu, host);
  store<i32>(cpu + CPU_trap, 0);
  return false;
}

function touches_code(cpu: i32, linear: u64, width: i32): bool {
  if (is_code_at(cpu, linear)) return true;
  if (!crosses(linear, width)) return false;
  return is_code_at(cpu, next_linear(cpu, linear, 0x1000 - ((linear & 0xfff) as i32)));
}

/** As store_slow, for compiled code: 0 stored, 1 trapped, 2 not stored, since that would change decoded code. */
export function store_checked(cpu: i32, linear: u64, width: i32, lo: u64, hi: u64): i32 {
  if (touches_code(cpu, linear, width)) return 2;
  return store_slow(cpu, linear, width, lo, hi) ? 1 : 0;
}

/** As load_slow for bytes that are written next, for compiled code: 0 trapped, 1 that write would change decoded code. */
export function load_checked(cpu: i32, linear: u64, width: i32, intent: i32): i32 {
  if (touches_code(cpu, linear, width)) return 1;
  return load_slow(cpu, linear, width, intent);
}

/** Host address of the code at CS:rip if the TLB has it, else 0. Changes nothing. */
export function code_at_rip(cpu: i32): i32 {
  const linear =
    (load<u64>(cpu + SEGMENTS_cs + SEGMENT_base) + load<u64>(cpu + CPU_rip)) & load<u64>(cpu + CPU_linearMask);
  return tlb_find(cpu, linear, ACCESS_FETCH);
}
