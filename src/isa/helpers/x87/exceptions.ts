// The exceptions of the instruction that is executing, and its status word. [SDM 1 8.5]
import {
  CPU_fcw,
  CPU_fsw,
  FCW_PC,
  FCW_RC,
  FSW_B,
  FSW_C1,
  FSW_DE,
  FSW_ES,
  FSW_exceptions,
  FSW_IE,
  FSW_OE,
  FSW_PE,
  FSW_SF,
  FSW_UE,
  FSW_ZE,
} from "../layout.generated.ts";

/** Status bits that the instruction sets. */
let raised: i32 = 0;
let control: i32 = 0;

/** Starts an instruction. */
export function begin(cpu: i32): void {
  raised = 0;
  control = load<i32>(cpu + CPU_fcw);
}

/** Sets bits of the status word: exceptions and condition codes. */
export function signal(bits: i32): void {
  raised |= bits;
}

/** The result was rounded; `up`: away from zero. */
export function signal_inexact(up: bool): void {
  raised |= up ? FSW_PE | FSW_C1 : FSW_PE;
}

/** Whether an exception gives a default result instead of being reported. */
export function is_masked(exception: i32): bool {
  return (control & exception) != 0;
}

/** Whether an exception was found that leaves the destination as it is: found before the result. [SDM 1 4.9] */
export function is_stopped(): bool {
  return (raised & ~control & (FSW_IE | FSW_DE | FSW_ZE)) != 0;
}

/** The same for a store to memory, which needs a result that fits. [SDM 1 8.5.4, 8.5.5] */
export function is_store_stopped(): bool {
  return (raised & ~control & (FSW_IE | FSW_OE | FSW_UE)) != 0;
}

/** Rounding control: see RC. */
export function rounding(): i32 {
  return (control & FCW_RC) >> 10;
}

/** Bits of significand by precision control. [SDM 1 table 8-2] */
export function precision(): i32 {
  const field = control & FCW_PC;
  return field == 0 ? 24 : field == 0x200 ? 53 : 64;
}

/** A register that should hold a value is empty. [SDM 1 8.5.1.1] */
export function signal_stack_underflow(): void {
  raised |= FSW_IE | FSW_SF;
}

/** A register that should be empty holds a value. */
export function signal_stack_overflow(): void {
  raised |= FSW_IE | FSW_SF | FSW_C1;
}

/** Ends an instruction that defines some condition codes, C1 after every stack fault: writes the status word. */
export function commit(cpu: i32, conditions: i32): void {
  const defined = raised & FSW_SF ? conditions | FSW_C1 : conditions;
  store<i32>(cpu + CPU_fsw, (load<i32>(cpu + CPU_fsw) & ~defined) | raised);
  if (raised & FSW_exceptions) update_summary(cpu);
}

/** Recomputes ES and B from the exceptions and their masks; after every write of the control or status word. */
export function update_summary(cpu: i32): void {
  const status = load<i32>(cpu + CPU_fsw) & ~(FSW_ES | FSW_B);
  const pending = status & ~load<i32>(cpu + CPU_fcw) & FSW_exceptions;
  store<i32>(cpu + CPU_fsw, pending ? status | FSW_ES | FSW_B : status);
}
