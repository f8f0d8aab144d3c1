// Instructions about selectors: LAR, LSL, VERR, VERW and ARPL. [SDM 2A ARPL, LAR, LSL, 2B VERR]
import { VECTOR_UD } from "./layout.generated.ts";
import {
  attributes_of,
  CODE,
  CONFORMING,
  dpl_of,
  limit_of,
  ORDINARY,
  peek_descriptor,
  READABLE,
  system_type,
  WRITABLE,
} from "./descriptor.ts";
import { raise, trapped } from "./fault.ts";
import { read_mem, write_mem } from "./mmu.ts";
import { ACCESS_READ, ACCESS_WRITE } from "./paging.ts";
import { cpl, has_paragraphs, is_long } from "./registers.ts";
import { segment_check } from "./segment-check.ts";

/** Bit 32 of what lar and lsl return: the descriptor may be looked at (ZF). */
const VISIBLE: u64 = 0x100000000;

/** Bit per system type that LAR (low half) and LSL (high half) accept. [SDM 2A table 3-53, 3-64] */
const LEGACY_TYPES: u32 = 0x0a0e_1a3e;
const LONG_TYPES: u32 = 0x0a04_1a04;

/** The descriptor that a selector shows at this privilege, or 0; look at CPU.trap afterwards. */
function visible(cpu: i32, selector: i32): u64 {
  if (has_paragraphs(cpu)) {
    raise(cpu, VECTOR_UD, 0);
    return 0;
  }
  const descriptor = peek_descriptor(cpu, selector);
  if (trapped(cpu)) return 0;
  return is_reachable(cpu, selector, attributes_of(descriptor)) ? descriptor : 0;
}

function is_reachable(cpu: i32, selector: i32, attributes: i32): bool {
  const conforming = ORDINARY | CODE | CONFORMING;
  if ((attributes & conforming) == conforming) return true;
  const dpl = dpl_of(attributes);
  return cpl(cpu) <= dpl && (selector & 3) <= dpl;
}

function accepts(cpu: i32, attributes: i32, query: i32): bool {
  if (attributes & ORDINARY) return true;
  const types = is_long(cpu) ? LONG_TYPES : LEGACY_TYPES;
  return ((types >> (query + system_type(attributes))) & 1) != 0;
}

/** What LAR gives of a descriptor's second dword: the limit's upper bits too, which the SDM leaves undefined. [APM 3 LAR] */
const ACCESS_RIGHTS: u64 = 0x00ffff00;

/** LAR: the access rights with bit 32 set, or 0 when ZF is to be clear. */
export function lar(cpu: i32, selector: i32): u64 {
  const descriptor = visible(cpu, selector & 0xffff);
  if (!descriptor || !accepts(cpu, attributes_of(descriptor), 0)) return 0;
  return VISIBLE | ((descriptor >> 32) & ACCESS_RIGHTS);
}

/** LSL: the limit in bytes with bit 32 set, or 0 when ZF is to be clear. */
export function lsl(cpu: i32, selector: i32): u64 {
  const descriptor = visible(cpu, selector & 0xffff);
  if (!descriptor || !accepts(cpu, attributes_of(descriptor), 16)) return 0;
  return VISIBLE | (limit_of(descriptor) as u64);
}

/** VERR (write 0) and VERW (write 1): ZF. */
export function verify_segment(cpu: i32, selector: i32, write: i32): i32 {
  const attributes = attributes_of(visible(cpu, selector & 0xffff));
  if (!(attributes & ORDINARY)) return 0;
  if (write) return !(attributes & CODE) && attributes & WRITABLE ? 1 : 0;
  return !(attributes & CODE) || attributes & READABLE ? 1 : 0;
}

/** ARPL on memory: raises the RPL of the selector there if it is lower; 1: it was. */
export function raise_rpl(cpu: i32, segment: i32, offset: u64, rpl: i32): i32 {
  const from = segment_check(cpu, segment, offset, 2, 0);
  if (trapped(cpu)) return 0;
  const selector = read_mem(cpu, from, 2, ACCESS_READ) as i32;
  if (trapped(cpu) || (selector & 3) >= rpl) return 0;
  const to = segment_check(cpu, segment, offset, 2, 1);
  if (!trapped(cpu)) write_mem(cpu, to, 2, ((selector & 0xfffc) | rpl) as u64, ACCESS_WRITE);
  return 1;
}
