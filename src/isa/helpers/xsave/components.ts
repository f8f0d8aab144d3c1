// Which state components there are, which are in use, and where they lie. [SDM 1 13.4, 13.6]
import {
  CPU_fcs,
  CPU_fcw,
  CPU_fdp,
  CPU_fds,
  CPU_fip,
  CPU_fop,
  CPU_fpr,
  CPU_fsw,
  CPU_ftw,
  CPU_mxcsr,
  CPU_pkru,
  CPU_xcr0,
  CPU_xmm,
  GPR_rax,
  GPR_rdx,
  XCR0_AVX,
  XCR0_PKRU,
  XCR0_SSE,
  XCR0_X87,
  XSAVE_AVX,
  XSAVE_AVX_BYTES,
  XSAVE_EXTENDED,
  XSAVE_PKRU,
  XSAVE_PKRU_BYTES,
} from "../layout.generated.ts";
import { gpr } from "../registers.ts";
import { vector_count } from "./legacy.ts";

/** FCW and MXCSR in their initial configuration. */
export const FCW_INITIAL: i32 = 0x37f;
export const MXCSR_INITIAL: i32 = 0x1f80;

/** The components that an instruction is about: EDX:EAX within XCR0. IA32_XSS has none. */
export function requested(cpu: i32): u64 {
  const mask = (gpr(cpu, GPR_rdx) << 32) | (gpr(cpu, GPR_rax) & 0xffffffff);
  return mask & load<u64>(cpu + CPU_xcr0);
}

/** Components that are not in their initial configuration. MXCSR counts as SSE state if `withMxcsr`. */
export function in_use(cpu: i32, withMxcsr: bool): u64 {
  let used: u64 = is_x87_initial(cpu) ? 0 : XCR0_X87;
  const control = withMxcsr && load<i32>(cpu + CPU_mxcsr) != MXCSR_INITIAL;
  if (control || !are_zero(cpu, 0)) used |= XCR0_SSE;
  if (!are_zero(cpu, 16)) used |= XCR0_AVX;
  if (load<u32>(cpu + CPU_pkru)) used |= XCR0_PKRU;
  return used;
}

function is_x87_initial(cpu: i32): bool {
  if (load<i32>(cpu + CPU_fcw) != FCW_INITIAL || load<i32>(cpu + CPU_fsw) | load<i32>(cpu + CPU_ftw)) return false;
  if (load<u64>(cpu + CPU_fip) | load<u64>(cpu + CPU_fdp)) return false;
  if (load<i32>(cpu + CPU_fop) | load<i32>(cpu + CPU_fcs) | load<i32>(cpu + CPU_fds)) return false;
  let any: u64 = 0;
  for (let i = 0; i < 128; i += 16) any |= load<u64>(cpu + CPU_fpr + i) | (load<u16>(cpu + CPU_fpr + i + 8) as u64);
  return any == 0;
}

/** Whether the lower (0) or upper (16) halves of the mode's vector registers are 0. */
function are_zero(cpu: i32, half: i32): bool {
  let any = v128.splat<i64>(0);
  const from = cpu + CPU_xmm + half;
  for (let i = 0; i < vector_count(cpu); i++) any = v128.or(any, v128.load(from + 32 * i));
  return !v128.any_true(any);
}

/** Offset of the AVX component, which in either format comes first behind the header. */
export const AVX_AT: i32 = XSAVE_AVX;

/** Offset of PKRU in an area: in compacted format it follows what is there of the components before it. */
export function pkru_at(components: u64, compacted: bool): i32 {
  if (!compacted) return XSAVE_PKRU;
  return components & XCR0_AVX ? AVX_AT + XSAVE_AVX_BYTES : XSAVE_EXTENDED;
}

/** Bytes of an area with these components. */
export function area_size(components: u64, compacted: bool): i32 {
  if (components & XCR0_PKRU) return pkru_at(components, compacted) + XSAVE_PKRU_BYTES;
  return components & XCR0_AVX ? AVX_AT + XSAVE_AVX_BYTES : XSAVE_EXTENDED;
}

/** For JavaScript: the components in use that are among the first 32. */
export function components_in_use(cpu: i32): i32 {
  return in_use(cpu, true) as i32;
}
