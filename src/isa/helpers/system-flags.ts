// EFLAGS in control transfers. [SDM 3A 2.3]
import {
  CPU_eflags,
  CPU_flagAux,
  CPU_flagResult,
  EFLAGS_AC,
  EFLAGS_AF,
  EFLAGS_CF,
  EFLAGS_IF,
  EFLAGS_IOPL,
  EFLAGS_NT,
  EFLAGS_OF,
  EFLAGS_PF,
  EFLAGS_RF,
  EFLAGS_SF,
  EFLAGS_TF,
  EFLAGS_VM,
  EFLAGS_ZF,
  EFLAGS_fixed,
} from "./layout.generated.ts";
import { update_mode } from "./mode.ts";

/** Bits of EFLAGS that exist. */
const EXISTING: i32 = 0x003f7fd5;

/** Sets all of EFLAGS but the unevaluated arithmetic flags, and what depends on the mode. */
export function set_eflags(cpu: i32, image: i32): void {
  store<i32>(cpu + CPU_eflags, (image & EXISTING) | EFLAGS_fixed);
  update_mode(cpu);
}

/** EFLAGS at the entry of an interrupt or exception handler; CS and SS are the handler's already. */
export function clear_for_handler(cpu: i32, maskInterrupts: bool): void {
  let clear = EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM;
  if (maskInterrupts) clear |= EFLAGS_IF;
  set_eflags(cpu, load<i32>(cpu + CPU_eflags) & ~clear);
}

/** EFLAGS at the entry of a real-mode handler. */
export function clear_for_real_handler(cpu: i32): void {
  set_eflags(cpu, load<i32>(cpu + CPU_eflags) & ~(EFLAGS_TF | EFLAGS_IF | EFLAGS_AC | EFLAGS_RF));
}

/**
 * EFLAGS after `image` was popped with `bits` of operand size at privilege `level`: IF changes only if the level has
 * IOPL, IOPL only at level 0; VM, VIF and VIP stay.
 */
export function popped_flags(old: i32, image: i32, bits: i32, level: i32): i32 {
  const system = EFLAGS_VM | (3 << 19);
  let keep = bits == 16 ? 0xffff0000 | 0 : system;
  if (level > (old & EFLAGS_IOPL) >> 12) keep |= EFLAGS_IF;
  if (level) keep |= EFLAGS_IOPL;
  return (old & keep) | (image & ~keep & EXISTING) | EFLAGS_fixed;
}

/** Evaluates nothing: makes the unevaluated arithmetic flags mean those of the image in CPU.eflags. */
export function unpack_flags(cpu: i32): void {
  const image = load<i32>(cpu + CPU_eflags);
  const carry = image & EFLAGS_CF ? 1 : 0;
  const overflow = image & EFLAGS_OF ? 1 : 0;
  let aux = (carry << 31) | ((carry ^ overflow) << 30);
  if (!(image & EFLAGS_PF)) aux |= 0x100;
  if (image & EFLAGS_AF) aux |= 8;
  if (image & EFLAGS_SF) aux |= 1;
  store<u64>(cpu + CPU_flagResult, image & EFLAGS_ZF ? 0 : 0x100);
  store<i32>(cpu + CPU_flagAux, aux);
}
