// XGETBV and XSETBV. [SDM 2D XGETBV, XSETBV]
import {
  CPU_cr4,
  CPU_scratch,
  CPU_xcr0,
  CR4_OSXSAVE,
  FEATURE_xgetbv1,
  FEATURE_xsaves,
  GPR_rax,
  GPR_rcx,
  GPR_rdx,
  VECTOR_UD,
  XCR0_AVX,
  XCR0_SSE,
  XCR0_X87,
} from "./layout.generated.ts";
import { raise, raise_gp } from "./fault.ts";
import { cpuid } from "./env.ts";
import { update_unit_traps } from "./mode.ts";
import { cpl, gpr, has_feature, set_gpr } from "./registers.ts";
import { in_use } from "./xsave/components.ts";

function is_disabled(cpu: i32): bool {
  return !(load<u64>(cpu + CPU_cr4) & CR4_OSXSAVE);
}

/** XGETBV: EDX:EAX from XCR0, or with ECX = 1 the components in use. */
export function xgetbv(cpu: i32): void {
  const index = gpr(cpu, GPR_rcx) as u32;
  if (is_disabled(cpu)) raise(cpu, VECTOR_UD, 0);
  else if (index > 1 || (index == 1 && !has_feature(cpu, FEATURE_xgetbv1))) raise_gp(cpu);
  else {
    const xcr0 = load<u64>(cpu + CPU_xcr0);
    const value = index ? xcr0 & in_use(cpu, true) : xcr0;
    set_gpr(cpu, GPR_rax, value & 0xffffffff);
    set_gpr(cpu, GPR_rdx, value >> 32);
  }
}

/** XSETBV: EDX:EAX into XCR0, the only register that ECX can name. */
export function xsetbv(cpu: i32): void {
  const value = (gpr(cpu, GPR_rdx) << 32) | (gpr(cpu, GPR_rax) & 0xffffffff);
  const avxAlone = (value & (XCR0_AVX | XCR0_SSE)) == XCR0_AVX;
  if (is_disabled(cpu)) raise(cpu, VECTOR_UD, 0);
  else if (cpl(cpu) || (gpr(cpu, GPR_rcx) as u32) || !(value & XCR0_X87) || avxAlone || value & ~supported(cpu)) {
    raise_gp(cpu);
  } else {
    store<u64>(cpu + CPU_xcr0, value);
    update_unit_traps(cpu);
  }
}

/** XSAVES and XRSTORS are for level 0, and #UD unless CPUID has them. */
export function check_xsaves(cpu: i32): void {
  if (!has_feature(cpu, FEATURE_xsaves)) raise(cpu, VECTOR_UD, 0);
  else if (cpl(cpu)) raise_gp(cpu);
}

/** The state components of this processor. */
function supported(cpu: i32): u64 {
  cpuid(cpu, 13, 0);
  return (load<u32>(cpu + CPU_scratch) as u64) | ((load<u32>(cpu + CPU_scratch + 12) as u64) << 32);
}
