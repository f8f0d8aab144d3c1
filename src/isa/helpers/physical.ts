// Guest-physical memory: the slots and what is noted for each of their pages.
import {
  CPU_pageFlags, CPU_slotCount, CPU_slots, PAGE_FLAG_code, PAGE_FLAG_dirty, PAGE_FLAG_logDirty, PAGE_FLAG_readOnly, SLOT_firstPage, SLOT_host,
  SLOT_pages, SLOT_SIZE,
} from "./layout.generated";
import { js_code_written } from "./env";

/** Address in linear memory of a guest-physical address, or 0 where no slot is. Never reaches outside a slot. */
export function phys_to_host(cpu: i32, physical: u64): i32 {
  const page = physical >> 12;
  let slot = load<i32>(cpu + CPU_slots);
  for (let n = load<i32>(cpu + CPU_slotCount); n > 0; n--) {
    const index = page - load<u64>(slot + SLOT_firstPage);
    if (index < load<u64>(slot + SLOT_pages)) return load<i32>(slot + SLOT_host) + (((index as i32) << 12) | ((physical as i32) & 0xfff));
    slot += SLOT_SIZE;
  }
  return 0;
}

/** Flags of the page that holds a host address. */
// @ts-ignore: decorator
@inline
export function page_flags(cpu: i32, host: i32): i32 {
  return load<u8>(load<i32>(cpu + CPU_pageFlags) + ((host as u32) >> 12)) as i32;
}

/** Whether the page may be written without further notice. */
export function plainly_writable(cpu: i32, host: i32): bool {
  return !(page_flags(cpu, host) & (PAGE_FLAG_code | PAGE_FLAG_logDirty | PAGE_FLAG_readOnly));
}

/** Notes a write for the dirty log. */
export function mark_dirty(cpu: i32, host: i32): void {
  const flags = page_flags(cpu, host);
  if (!(flags & PAGE_FLAG_logDirty)) return;
  const at = load<i32>(cpu + CPU_pageFlags) + ((host as u32) >> 12);
  store<u8>(at, (flags & ~PAGE_FLAG_logDirty) | PAGE_FLAG_dirty);
}

/** What must happen before bytes of a page are written: decoded code of the page goes, the dirty log learns of it. */
export function before_write(cpu: i32, host: i32): void {
  const flags = page_flags(cpu, host);
  if (flags & PAGE_FLAG_code) js_code_written(cpu, (host as u32) >> 12);
  if (flags & PAGE_FLAG_logDirty) mark_dirty(cpu, host);
}

/** Whether writes to the page go to user space instead, as for a read-only slot. */
export function is_read_only(cpu: i32, host: i32): bool {
  return (page_flags(cpu, host) & PAGE_FLAG_readOnly) != 0;
}
