// Whole integer instructions that loop or branch.
import { CPU_rip, CPU_stackMask, EFLAGS_OF, GPR_rbp, GPR_rsp, SEGMENTS_ss, VECTOR_OF } from "./layout.generated.ts";
import { KIND_INT3, software_interrupt } from "./exceptions.ts";
import { trapped } from "./fault.ts";
import { read_mem } from "./mmu.ts";
import { ACCESS_READ } from "./paging.ts";
import { cpl, eflags, gpr, is_code64, set_gpr, set_stack_pointer } from "./registers.ts";
import { segment_check } from "./segment-check.ts";
import { open_current_stack, probe_top, push, reserve, skip, stack_pointer } from "./stack.ts";
import { popped_flags, set_eflags } from "./system-flags.ts";
import { is_virtual, with_virtual_flag } from "./virtual-flags.ts";

/** ENTER with `width` bytes of operand size; operand: frame size, then nesting level in bits 16-20. [SDM 2A ENTER] */
export function enter(cpu: i32, operand: i32, width: i32): void {
  const level = (operand >> 16) & 31;
  open_current_stack(cpu);
  if (reserve(cpu, width * (level + 1))) return;
  if (push(cpu, gpr(cpu, GPR_rbp), width)) return;
  const frame = (gpr(cpu, GPR_rsp) & ~load<u64>(cpu + CPU_stackMask)) | stack_pointer();
  if (level && !push_display(cpu, level, frame, width)) return;
  skip(-(operand & 0xffff));
  if (probe_top(cpu, width)) return;
  set_frame_pointer(cpu, frame, width);
  set_stack_pointer(cpu, stack_pointer());
}

/** Copies the frame pointers of the enclosing levels and pushes the new one; false: trapped. */
function push_display(cpu: i32, level: i32, frame: u64, width: i32): bool {
  for (let i = 1; i < level; i++) {
    const offset = (gpr(cpu, GPR_rbp) - ((i * width) as u64)) & load<u64>(cpu + CPU_stackMask);
    const linear = is_code64(cpu) ? offset : segment_check(cpu, SEGMENTS_ss, offset, width, 0);
    if (trapped(cpu)) return false;
    const value = read_mem(cpu, linear, width, ACCESS_READ);
    if (trapped(cpu) || push(cpu, value, width)) return false;
  }
  return !push(cpu, frame, width);
}

function set_frame_pointer(cpu: i32, frame: u64, width: i32): void {
  const kept = width == 2 ? gpr(cpu, GPR_rbp) & ~(0xffff as u64) : 0;
  const cut = width == 2 ? frame & 0xffff : width == 4 ? frame & 0xffffffff : frame;
  set_gpr(cpu, GPR_rbp, kept | cut);
}

/** The system flags after POPF of an image with `bits` of operand size. */
export function pop_flags(cpu: i32, image: i32, bits: i32): void {
  const flags = popped_flags(eflags(cpu), image, bits, cpl(cpu));
  set_eflags(cpu, is_virtual(cpu) ? with_virtual_flag(flags, image) : flags);
}

/** INTO: an interrupt if OF is set in the image of EFLAGS, else on to the next instruction. */
export function into(cpu: i32, next: u64, image: i32): void {
  if (image & EFLAGS_OF) software_interrupt(cpu, VECTOR_OF, KIND_INT3, next, image);
  else store<u64>(cpu + CPU_rip, next);
}
