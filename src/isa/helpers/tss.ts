// What control transfers take from the current TSS. [SDM 3A 8.2.1, 8.7]
import { SEGMENTS_tr, VECTOR_SS, VECTOR_TS } from "./layout.generated.ts";
import { attributes_of, find_descriptor, found_at, is_null, mark_accessed, system_type } from "./descriptor.ts";
import { raise, raise_selector, trapped } from "./fault.ts";
import { read_mem } from "./mmu.ts";
import { ACCESS_SUPERVISOR } from "./paging.ts";
import {
  is_canonical,
  system_linear,
  segment_attributes,
  segment_base,
  segment_limit,
  segment_selector,
} from "./registers.ts";
import { check_stack } from "./segments.ts";
import { open_long_stack, open_stack } from "./stack.ts";

let newSelector: i32 = 0;
let newDescriptor: u64 = 0;

/** The stack segment that open_inner_stack found. */
export function inner_selector(): i32 {
  return newSelector;
}

export function inner_descriptor(): u64 {
  return newDescriptor;
}

/** A field of the current TSS; #TS if it is beyond the limit. Look at CPU.trap afterwards. */
function tss_field(cpu: i32, offset: i32, width: i32): u64 {
  if (((offset + width - 1) as u64) > segment_limit(cpu, SEGMENTS_tr)) {
    raise_selector(cpu, VECTOR_TS, segment_selector(cpu, SEGMENTS_tr));
    return 0;
  }
  const base = segment_base(cpu, SEGMENTS_tr) + (offset as u64);
  return read_mem(cpu, system_linear(cpu, base), width, ACCESS_SUPERVISOR);
}

/** Whether the current TSS is one of 32 bits (or 64). */
export function has_wide_tss(cpu: i32): bool {
  return (system_type(segment_attributes(cpu, SEGMENTS_tr)) & 8) != 0;
}

/** Opens the stack of an inner privilege level that the TSS names, in legacy mode; true: trapped. */
export function open_inner_stack(cpu: i32, level: i32): bool {
  const wide = has_wide_tss(cpu);
  const width = wide ? 4 : 2;
  const at = width + level * 2 * width;
  const sp = tss_field(cpu, at, width);
  if (trapped(cpu)) return true;
  newSelector = tss_field(cpu, at + width, 2) as i32;
  if (trapped(cpu)) return true;
  if (is_null(newSelector)) return raise(cpu, VECTOR_TS, 0);
  newDescriptor = find_descriptor(cpu, newSelector, VECTOR_TS);
  if (trapped(cpu)) return true;
  if (check_stack(cpu, newSelector, attributes_of(newDescriptor), level, VECTOR_TS)) return true;
  if (mark_accessed(cpu, found_at(), newDescriptor)) return true;
  open_stack(newSelector, newDescriptor, sp, level);
  return false;
}

/** Opens a stack of IA-32e mode: that of interrupt stack table entry 1 to 7, or (0) of a privilege level; true: trapped. */
export function open_long_inner_stack(cpu: i32, level: i32, ist: i32): bool {
  const sp = tss_field(cpu, ist ? 0x1c + 8 * ist : 4 + 8 * level, 8);
  if (trapped(cpu)) return true;
  if (!is_canonical(cpu, sp)) return raise(cpu, VECTOR_SS, 0);
  newSelector = level;
  newDescriptor = 0;
  open_long_stack(sp, level);
  return false;
}
