// The x87 and SSE state in the legacy region, which FXSAVE and the XSAVE family share. [SDM 1 10.5.1, 13.4.1]
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
  CPU_xmm,
  MXCSR_writable,
} from "../layout.generated.ts";
import { is_code64 } from "../registers.ts";

/** Bytes of the region, and where its parts begin. */
export const LEGACY_SIZE: i32 = 512;
export const MXCSR_AT: i32 = 24;
export const ST_AT: i32 = 32;
export const XMM_AT: i32 = 160;

function top(fsw: i32): i32 {
  return (fsw >> 11) & 7;
}

/** Vector registers that the mode has. */
export function vector_count(cpu: i32): i32 {
  return is_code64(cpu) ? 16 : 8;
}

/** x87 state, with 64-bit pointers if `wide`. */
export function put_x87(cpu: i32, image: i32, wide: i32): void {
  const fsw = load<i32>(cpu + CPU_fsw);
  store<u16>(image, load<u16>(cpu + CPU_fcw));
  store<u16>(image + 2, fsw as u16);
  store<u16>(image + 4, load<u8>(cpu + CPU_ftw) as u16);
  store<u16>(image + 6, load<u16>(cpu + CPU_fop) & 0x7ff);
  store<u64>(image + 8, load<u64>(cpu + CPU_fip));
  store<u64>(image + 16, load<u64>(cpu + CPU_fdp));
  if (!wide) store<u32>(image + 12, load<u16>(cpu + CPU_fcs) as u32);
  if (!wide) store<u32>(image + 20, load<u16>(cpu + CPU_fds) as u32);
  for (let i = 0; i < 8; i++) {
    const from = cpu + CPU_fpr + 16 * ((top(fsw) + i) & 7);
    store<u64>(image + ST_AT + 16 * i, load<u64>(from));
    store<u64>(image + ST_AT + 16 * i + 8, load<u16>(from + 8) as u64);
  }
}

export function put_mxcsr(cpu: i32, image: i32): void {
  store<u32>(image + MXCSR_AT, load<u32>(cpu + CPU_mxcsr));
  store<u32>(image + MXCSR_AT + 4, MXCSR_writable);
}

export function put_xmm(cpu: i32, image: i32): void {
  for (let i = 0; i < 16; i++) memory.copy(image + XMM_AT + 16 * i, cpu + CPU_xmm + 32 * i, 16);
}

export function take_x87(cpu: i32, image: i32, wide: i32): void {
  const fcw = restored_control(load<u16>(image) as i32);
  const fsw = restored_status(load<u16>(image + 2) as i32, fcw);
  store<i32>(cpu + CPU_fcw, fcw);
  store<i32>(cpu + CPU_fsw, fsw);
  store<i32>(cpu + CPU_ftw, load<u8>(image + 4) as i32);
  store<i32>(cpu + CPU_fop, (load<u16>(image + 6) & 0x7ff) as i32);
  store<u64>(cpu + CPU_fip, canonical(wide ? load<u64>(image + 8) : (load<u32>(image + 8) as u64)));
  store<u64>(cpu + CPU_fdp, wide ? load<u64>(image + 16) : (load<u32>(image + 16) as u64));
  store<i32>(cpu + CPU_fcs, wide ? 0 : (load<u16>(image + 12) as i32));
  store<i32>(cpu + CPU_fds, wide ? 0 : (load<u16>(image + 20) as i32));
  for (let i = 0; i < 8; i++) {
    const to = cpu + CPU_fpr + 16 * ((top(fsw) + i) & 7);
    store<u64>(to, load<u64>(image + ST_AT + 16 * i));
    store<u64>(to + 8, load<u16>(image + ST_AT + 16 * i + 8) as u64);
  }
}

export function take_xmm(cpu: i32, image: i32): void {
  for (let i = 0; i < vector_count(cpu); i++) memory.copy(cpu + CPU_xmm + 32 * i, image + XMM_AT + 16 * i, 16);
}

/** FCW as the processor keeps it: reserved bits 7 and 13-15 are 0, bit 6 is 1. */
function restored_control(fcw: i32): i32 {
  return (fcw & 0x1f7f) | 0x40;
}

/** FSW with the summary of exceptions that are not masked: ES and B. */
function restored_status(fsw: i32, fcw: i32): i32 {
  return (fsw & 0x7f7f) | (fsw & ~fcw & 0x3f ? 0x8080 : 0);
}

/** FIP is kept as a linear address: 48 bits, sign-extended. */
function canonical(pointer: u64): u64 {
  return (((pointer << 16) as i64) >> 16) as u64;
}
