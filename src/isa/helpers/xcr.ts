// XGETBV and XSETBV. [SDM 2D XGETBV, XSETBV]
import {
  CPU_cr4,
  CPU_scratch,
  CPU_xcr0,
  CR4_OSXSAVE,
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
import { cpl, gpr, set_gpr } from "./registers.ts";

/** XCR0 is the only one that exists; true: trapped. */
function refuse(cpu: i32): bool {
  if (!(load<u64>(cpu + CPU_cr4) & CR4_OSXSAVE)) return raise(cpu, VECTOR_UD, 0);
  return gpr(cpu, GPR_rcx) & 0xffffffff ? raise_gp(cpu) : false;
}

/** XGETBV: EDX:EAX from the register that ECX names. */
export function xgetbv(cpu: i32): void {
  if (refuse(cpu)) return;
  const value = load<u64>(cpu + CPU_xcr0);
  set_gpr(cpu, GPR_rax, value & 0xffffffff);
  set_gpr(cpu, GPR_rdx, value >> 32);
}

/** XSETBV: EDX:EAX into the register that ECX names. */
export function xsetbv(cpu: i32): void {
  if (refuse(cpu)) return;
  const value = (gpr(cpu, GPR_rdx) << 32) | (gpr(cpu, GPR_rax) & 0xffffffff);
  const avxAlone = (value & (XCR0_AVX | XCR0_SSE)) == XCR0_AVX;
  if (cpl(cpu) || !(value & XCR0_X87) || avxAlone || value & ~supported(cpu)) {
    raise_gp(cpu);
    return;
  }
  store<u64>(cpu + CPU_xcr0, value);
  update_unit_traps(cpu);
}

/** The state components of this processor. [SDM 2A CPUID leaf 0DH] */
function supported(cpu: i32): u64 {
  cpuid(cpu, 13, 0);
  return (load<u32>(cpu + CPU_scratch) as u64) | ((load<u32>(cpu + CPU_scratch + 12) as u64) << 32);
}
