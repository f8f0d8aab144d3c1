// FXSAVE and FXRSTOR. [SDM 2A FXSAVE, FXRSTOR]
import { CPU_mxcsr, CPU_scratch, MXCSR_writable } from "../layout.generated.ts";
import { raise_gp } from "../fault.ts";
import { probe } from "../mmu.ts";
import { ACCESS_READ, ACCESS_WRITE } from "../paging.ts";
import { read_part, write_part } from "./area.ts";
import {
  LEGACY_SIZE,
  MXCSR_AT,
  put_mxcsr,
  put_x87,
  put_xmm,
  take_x87,
  take_xmm,
  vector_count,
  XMM_AT,
} from "./legacy.ts";

/** Where an image is put together. */
const IMAGE: i32 = CPU_scratch + LEGACY_SIZE;

/** Bytes of the image that the mode reads and writes. */
function image_length(cpu: i32): i32 {
  return XMM_AT + 16 * vector_count(cpu);
}

/** The image of 512 bytes at a linear address, with 64-bit pointers if `wide`. */
export function fxsave(cpu: i32, linear: u64, wide: i32): void {
  if (probe(cpu, linear, LEGACY_SIZE, ACCESS_WRITE)) return;
  put_x87(cpu, cpu + IMAGE, wide);
  put_mxcsr(cpu, cpu + IMAGE);
  put_xmm(cpu, cpu + IMAGE);
  write_part(cpu, linear, cpu + IMAGE, image_length(cpu));
}

/** The way back; reserved bits of MXCSR raise #GP. */
export function fxrstor(cpu: i32, linear: u64, wide: i32): void {
  if (probe(cpu, linear, LEGACY_SIZE, ACCESS_READ)) return;
  if (read_part(cpu, linear, cpu + IMAGE, image_length(cpu))) return;
  const mxcsr = load<i32>(cpu + IMAGE + MXCSR_AT);
  if (mxcsr & ~MXCSR_writable) {
    raise_gp(cpu);
    return;
  }
  take_x87(cpu, cpu + IMAGE, wide);
  store<i32>(cpu + CPU_mxcsr, mxcsr);
  take_xmm(cpu, cpu + IMAGE);
}
