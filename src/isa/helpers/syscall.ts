// Fast system calls. [SDM 2B SYSCALL, SYSRET, SYSENTER, SYSEXIT]
import {
  CPU_eflags,
  CPU_cstar,
  CPU_efer,
  CPU_lstar,
  CPU_rip,
  CPU_sfmask,
  CPU_star,
  CPU_sysenterCs,
  CPU_sysenterEip,
  CPU_sysenterEsp,
  EFER_SCE,
  EFLAGS_IF,
  EFLAGS_RF,
  EFLAGS_VM,
  FEATURE_amd,
  GPR_r11,
  GPR_rcx,
  GPR_rdx,
  GPR_rsp,
  SEGMENTS_cs,
  SEGMENTS_ss,
  VECTOR_UD,
} from "./layout.generated.ts";
import { step_by_flags } from "./debug.ts";
import { ACCESSED, BIG, CODE, LONG, ORDINARY, PRESENT, READABLE, set_flat_segment, WRITABLE } from "./descriptor.ts";
import { raise, raise_gp } from "./fault.ts";
import { cpl, eflags, gpr, has_feature, is_canonical, is_code64, is_long, is_protected, set_gpr } from "./registers.ts";
import { set_eflags } from "./system-flags.ts";

const FLAT_CODE: i32 = PRESENT | ORDINARY | CODE | READABLE | ACCESSED;
const FLAT_DATA: i32 = PRESENT | ORDINARY | WRITABLE | ACCESSED | BIG;

/** Sets flat CS and SS of a privilege level, from selectors without RPL. */
function set_flat(cpu: i32, code: i32, stack: i32, level: i32, long: bool): void {
  const size = long ? LONG : BIG;
  set_flat_segment(cpu, SEGMENTS_cs, (code & 0xfffc) | level, FLAT_CODE | size | (level << 13));
  set_flat_segment(cpu, SEGMENTS_ss, (stack & 0xfffc) | level, FLAT_DATA | (level << 13));
}

function star(cpu: i32, shift: u64): i32 {
  return ((load<u64>(cpu + CPU_star) >> shift) as i32) & 0xffff;
}

function is_enabled(cpu: i32): bool {
  return (is_code64(cpu) || is_amd(cpu)) && (load<u64>(cpu + CPU_efer) & EFER_SCE) != 0;
}

/** Whether 32-bit code has SYSCALL and SYSRET, and IA-32e mode no SYSENTER and SYSEXIT: as AMD has it. [AMD APM 3, SYSCALL, SYSENTER] */
function is_amd(cpu: i32): bool {
  return has_feature(cpu, FEATURE_amd);
}

/** SYSCALL of 32-bit mode without long mode: to an address in STAR, and the flags are not kept. [AMD APM 3, SYSCALL] */
function legacy_syscall(cpu: i32, next: u64, image: i32): void {
  const code = star(cpu, 32);
  set_gpr(cpu, GPR_rcx, next & 0xffffffff);
  set_flat(cpu, code, code + 8, 0, false);
  store<u64>(cpu + CPU_rip, load<u32>(cpu + CPU_star) as u64);
  const now = image & ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF);
  step_by_flags(cpu, now);
  set_eflags(cpu, now);
}

/** SYSRET likewise, with interrupts enabled. */
function legacy_sysret(cpu: i32): void {
  const base = star(cpu, 48);
  set_flat(cpu, base, base + 8, 3, false);
  store<u64>(cpu + CPU_rip, gpr(cpu, GPR_rcx) & 0xffffffff);
  const now = eflags(cpu) | EFLAGS_IF;
  step_by_flags(cpu, now);
  set_eflags(cpu, now);
}

/** SYSCALL: `next` is the rip after it, `image` all of EFLAGS. Writes CPU.rip and CPU.eflags. */
export function syscall(cpu: i32, next: u64, image: i32): void {
  if (!is_enabled(cpu)) {
    raise(cpu, VECTOR_UD, 0);
    return;
  }
  if (!is_long(cpu)) {
    legacy_syscall(cpu, next, image);
    return;
  }
  const saved = image & ~EFLAGS_RF;
  const target = is_code64(cpu) ? CPU_lstar : CPU_cstar;
  set_gpr(cpu, GPR_rcx, next);
  set_gpr(cpu, GPR_r11, saved as u32 as u64);
  const code = star(cpu, 32);
  set_flat(cpu, code, code + 8, 0, true);
  store<u64>(cpu + CPU_rip, load<u64>(cpu + target));
  const now = saved & ~(load<u64>(cpu + CPU_sfmask) as i32);
  step_by_flags(cpu, now);
  set_eflags(cpu, now);
}

/** SYSRET with operand size 64 (to 64-bit mode) or less; Intel's refuses a rip that is not canonical, AMD's goes there. Writes CPU.rip and CPU.eflags. */
export function sysret(cpu: i32, bits: i32): void {
  if (!is_enabled(cpu)) {
    raise(cpu, VECTOR_UD, 0);
    return;
  }
  const rip = bits == 64 ? gpr(cpu, GPR_rcx) : gpr(cpu, GPR_rcx) & 0xffffffff;
  if (cpl(cpu) || !is_protected(cpu) || (!is_amd(cpu) && !is_canonical(cpu, rip))) {
    raise_gp(cpu);
    return;
  }
  if (!is_long(cpu)) {
    legacy_sysret(cpu);
    return;
  }
  const base = star(cpu, 48);
  set_flat(cpu, bits == 64 ? base + 16 : base, base + 8, 3, bits == 64);
  store<u64>(cpu + CPU_rip, rip);
  const now = (gpr(cpu, GPR_r11) as i32) & ~(EFLAGS_RF | EFLAGS_VM);
  step_by_flags(cpu, now);
  set_eflags(cpu, now);
}

function sysenter_selector(cpu: i32): i32 {
  return (load<u64>(cpu + CPU_sysenterCs) as i32) & 0xfffc;
}

/** SYSENTER; `image` is all of EFLAGS. Writes CPU.rip. */
export function sysenter(cpu: i32, image: i32): void {
  if (is_long(cpu) && is_amd(cpu)) {
    raise(cpu, VECTOR_UD, 0);
    return;
  }
  const code = sysenter_selector(cpu);
  if (!is_protected(cpu) || !code) {
    raise_gp(cpu);
    return;
  }
  const long = is_long(cpu);
  const mask: u64 = long ? -1 : 0xffffffff;
  store<i32>(cpu + CPU_eflags, image & ~EFLAGS_VM);
  set_flat(cpu, code, code + 8, 0, long);
  store<u64>(cpu + CPU_rip, load<u64>(cpu + CPU_sysenterEip) & mask);
  set_gpr(cpu, GPR_rsp, load<u64>(cpu + CPU_sysenterEsp) & mask);
  set_eflags(cpu, image & ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF));
}

/** SYSEXIT with operand size 64 (to 64-bit mode) or 32. Writes CPU.rip. */
export function sysexit(cpu: i32, bits: i32): void {
  if (is_long(cpu) && is_amd(cpu)) {
    raise(cpu, VECTOR_UD, 0);
    return;
  }
  const code = sysenter_selector(cpu);
  const long = bits == 64;
  const mask: u64 = long ? -1 : 0xffffffff;
  const rip = gpr(cpu, GPR_rdx) & mask;
  const sp = gpr(cpu, GPR_rcx) & mask;
  const canonical = is_canonical(cpu, rip) && is_canonical(cpu, sp);
  if (!is_protected(cpu) || !code || cpl(cpu) || !canonical) {
    raise_gp(cpu);
    return;
  }
  set_flat(cpu, long ? code + 32 : code + 16, long ? code + 40 : code + 24, 3, long);
  store<u64>(cpu + CPU_rip, rip);
  set_gpr(cpu, GPR_rsp, sp);
  set_eflags(cpu, eflags(cpu));
}
