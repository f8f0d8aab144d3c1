// Guest-physical memory: the slots and what is noted for each of their pages.
import {
  CPU_codeWrites,
  CPU_pageFlags,
  CPU_slotCount,
  CPU_slots,
  PAGE_FLAG_code,
  PAGE_FLAG_dirtied,
  PAGE_FLAG_logDirty,
  SLOT_firstPage,
  SLOT_flags,
  SLOT_host,
  SLOT_pages,
  SLOT_SIZE,
} from "./layout.generated.ts";
import { code_written } from "./env.ts";

/** KVM_MEM_READONLY [linux/kvm.h] */
const SLOT_READ_ONLY: i32 = 2;

let readOnly: bool = false;

/** Whether writes to what phys_to_host found last go to user space instead: its slot is read-only. */
export function found_read_only(): bool {
  return readOnly;
}

/** Address in linear memory of a guest-physical address, or 0 where no slot is. Never reaches outside a slot. */
export function phys_to_host(cpu: i32, physical: u64): i32 {
  const page = physical >> 12;
  let slot = load<i32>(cpu + CPU_slots);
  for (let n = load<i32>(cpu + CPU_slotCount); n > 0; n--) {
    const index = page - load<u64>(slot + SLOT_firstPage);
    if (index < load<u64>(slot + SLOT_pages)) {
      readOnly = (load<i32>(slot + SLOT_flags) & SLOT_READ_ONLY) != 0;
      return load<i32>(slot + SLOT_host) + (((index as i32) << 12) | ((physical as i32) & 0xfff));
    }
    slot += SLOT_SIZE;
  }
  return 0;
}

function flags_of(cpu: i32, host: i32): i32 {
  return load<i32>(cpu + CPU_pageFlags) + (((host as u32) >> 12) as i32);
}

/** Whether the page may be written without further notice, if its slot may be. */
export function plainly_writable(cpu: i32, host: i32): bool {
  return !(load<u8>(flags_of(cpu, host)) & (PAGE_FLAG_code | PAGE_FLAG_logDirty));
}

/** Notes a write for the dirty log, if the page is logged and clean. */
export function mark_dirty(cpu: i32, host: i32): void {
  const flags = flags_of(cpu, host);
  if (!(load<u8>(flags) & PAGE_FLAG_logDirty)) return;
  atomic.or<u8>(flags, PAGE_FLAG_dirtied as u8);
  atomic.and<u8>(flags, ~PAGE_FLAG_logDirty as u8);
}

/** Whether decoded code is on the page that holds a host address. */
export function is_code(cpu: i32, host: i32): bool {
  return (load<u8>(flags_of(cpu, host)) & PAGE_FLAG_code) != 0;
}

/**
 * What must happen after bytes of a page were written: decoded code of the page goes, the dirty log learns of it. After,
 * because another vCPU that decodes the page meanwhile would see the old bytes.
 */
export function after_write(cpu: i32, host: i32): void {
  if (is_code(cpu, host)) {
    store<i32>(cpu + CPU_codeWrites, load<i32>(cpu + CPU_codeWrites) + 1);
    code_written(cpu, (host as u32) >> 12);
  }
  mark_dirty(cpu, host);
}
