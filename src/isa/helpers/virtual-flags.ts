// The virtual interrupt flag: virtual-8086 mode extensions and protected-mode virtual interrupts. [SDM 3A 21.3, 21.4]
import {
  CPU_cr4,
  CPU_eflags,
  CPU_rip,
  CR4_PVI,
  CR4_VME,
  EFLAGS_IF,
  EFLAGS_IOPL,
  EFLAGS_TF,
  EFLAGS_VIF,
  EFLAGS_VIP,
  SEGMENTS_cs,
  SEGMENTS_tr,
} from "./layout.generated.ts";
import { raise_gp, trapped } from "./fault.ts";
import { read_mem } from "./mmu.ts";
import { ACCESS_SUPERVISOR } from "./paging.ts";
import {
  cpl,
  eflags,
  iopl,
  is_v86,
  segment_base,
  segment_limit,
  segment_selector,
  set_stack_pointer,
} from "./registers.ts";
import { set_paragraph } from "./segments.ts";
import { open_current_stack, push, reserve, stack_pointer } from "./stack.ts";
import { set_eflags } from "./system-flags.ts";

/** Whether virtual-8086 mode is extended. */
function has_extensions(cpu: i32): bool {
  return (load<u64>(cpu + CPU_cr4) & CR4_VME) != 0;
}

/** Virtual-8086 mode with an IOPL below 3: what concerns IF concerns VIF, if anything. */
export function is_virtual(cpu: i32): bool {
  return is_v86(cpu) && iopl(cpu) < 3;
}

/** CLI (0) and STI (1) above IOPL: EFLAGS afterwards; #GP without a virtual flag, or if STI has an interrupt pending. */
export function virtual_interrupt_flag(cpu: i32, on: i32): i32 {
  const flags = eflags(cpu);
  const bit = is_v86(cpu) ? CR4_VME : CR4_PVI;
  if (cpl(cpu) != 3 || !(load<u64>(cpu + CPU_cr4) & bit) || (on && flags & EFLAGS_VIP)) raise_gp(cpu);
  return on ? flags | EFLAGS_VIF : flags & ~EFLAGS_VIF;
}

/** An image of EFLAGS as an extended virtual-8086 program sees it: IOPL is 3 and IF is VIF. */
function virtual_image(image: i32): i32 {
  const rest = (image & ~EFLAGS_IF) | EFLAGS_IOPL;
  return image & EFLAGS_VIF ? rest | EFLAGS_IF : rest;
}

/** What PUSHF of `bits` pushes in virtual-8086 mode with an IOPL below 3. [SDM 2B PUSHF] */
export function push_virtual_flags(cpu: i32, image: i32, bits: i32): i32 {
  if (bits != 16 || !has_extensions(cpu)) raise_gp(cpu);
  return virtual_image(image);
}

/** Raises #GP if POPF or IRET of `bits` may not load an image there; the result is 0. [SDM 2B POPF, 2A IRET] */
export function check_virtual_flags(cpu: i32, image: i32, bits: i32): i32 {
  const pending = image & EFLAGS_IF && eflags(cpu) & EFLAGS_VIP;
  if (bits != 16 || !has_extensions(cpu) || pending || image & EFLAGS_TF) raise_gp(cpu);
  return 0;
}

/** EFLAGS after POPF or IRET of an image there: `flags` with VIF for the image's IF. */
export function with_virtual_flag(flags: i32, image: i32): i32 {
  return image & EFLAGS_IF ? flags | EFLAGS_VIF : flags & ~EFLAGS_VIF;
}

/** Whether an interrupt waits for a virtual-8086 program that takes some: #GP before its next instruction. [SDM 3A 21.3.2] */
export function is_virtual_pending(cpu: i32): bool {
  const both = EFLAGS_VIF | EFLAGS_VIP;
  return is_v86(cpu) && has_extensions(cpu) && (eflags(cpu) & both) == both;
}

/** Bytes of the redirection bit map, which stands below the I/O permission bit map. */
const MAP_BYTES: u64 = 32;

/** Whether INT n in virtual-8086 mode stays in the 8086 program: its bit in the map is 0; look at CPU.trap afterwards. [SDM 3A 21.3.3] */
export function is_redirected(cpu: i32, vector: i32): bool {
  if (!has_extensions(cpu)) return false;
  const base = segment_base(cpu, SEGMENTS_tr);
  const limit = segment_limit(cpu, SEGMENTS_tr);
  if (limit < 103) return !raise_gp(cpu);
  const map = read_mem(cpu, (base + 102) & 0xffffffff, 2, ACCESS_SUPERVISOR);
  const at = map - MAP_BYTES + ((vector >> 3) as u64);
  if (trapped(cpu)) return false;
  if (map < MAP_BYTES || at > limit) return !raise_gp(cpu);
  const byte = read_mem(cpu, (base + at) & 0xffffffff, 1, ACCESS_SUPERVISOR) as i32;
  return !trapped(cpu) && !((byte >> (vector & 7)) & 1);
}

/** INT n through the 8086 program's own table, at linear address 0. [SDM 3A table 21-2, methods 5 and 6] */
export function redirect(cpu: i32, vector: i32, next: u64): void {
  const flags = eflags(cpu);
  const virtual = iopl(cpu) < 3;
  const entry = read_mem(cpu, (vector * 4) as u64, 4, 0) as i32;
  if (trapped(cpu)) return;
  open_current_stack(cpu);
  if (reserve(cpu, 6) || push(cpu, (virtual ? virtual_image(flags) : flags) as u64, 2)) return;
  if (push(cpu, segment_selector(cpu, SEGMENTS_cs) as u64, 2) || push(cpu, next, 2)) return;
  set_stack_pointer(cpu, stack_pointer());
  set_paragraph(cpu, SEGMENTS_cs, entry >>> 16);
  store<u64>(cpu + CPU_rip, (entry & 0xffff) as u64);
  set_eflags(cpu, load<i32>(cpu + CPU_eflags) & ~(EFLAGS_TF | (virtual ? EFLAGS_VIF : EFLAGS_IF)));
}
