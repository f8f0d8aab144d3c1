// XRSTOR and XRSTORS. [SDM 1 13.8, 13.12]
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
  CPU_scratch,
  CPU_xcr0,
  CPU_xmm,
  MXCSR_writable,
  XCR0_AVX,
  XCR0_PKRU,
  XCR0_SSE,
  XCR0_X87,
  XSAVE_EXTENDED,
  XSAVE_FORM_supervisor,
  XSAVE_XSTATE_BV,
} from "../layout.generated.ts";
import { raise_gp, trapped } from "../fault.ts";
import { probe, read_mem } from "../mmu.ts";
import { ACCESS_READ } from "../paging.ts";
import { at, read_part } from "./area.ts";
import { area_size, AVX_AT, FCW_INITIAL, MXCSR_INITIAL, pkru_at, requested } from "./components.ts";
import { set_pkru } from "../protection-keys.ts";
import { LEGACY_SIZE, MXCSR_AT, ST_AT, take_x87, take_xmm, vector_count, XMM_AT } from "./legacy.ts";

const IMAGE: i32 = CPU_scratch + LEGACY_SIZE;
const HALVES: i32 = CPU_scratch + 128;
const HEADER: i32 = CPU_scratch + 64;
const HEADER_SIZE: i32 = 64;
const COMPACTED: u64 = 0x8000000000000000;

/** Restores the requested components from a linear address; those that the area has not become initial. */
export function xrstor(cpu: i32, linear: u64, form: i32, wide: i32): void {
  if (probe(cpu, linear, XSAVE_EXTENDED, ACCESS_READ)) return;
  if (read_part(cpu, at(cpu, linear, XSAVE_XSTATE_BV), cpu + HEADER, HEADER_SIZE)) return;
  if (!is_header_valid(cpu, form)) {
    raise_gp(cpu);
    return;
  }
  const components = requested(cpu);
  const loaded = components & load<u64>(cpu + HEADER);
  const format = load<u64>(cpu + HEADER + 8);
  const compacted = (format & COMPACTED) != 0;
  const pkruAt = at(cpu, linear, pkru_at(format, compacted));
  if (probe(cpu, linear, area_size(loaded & ~XCR0_PKRU, compacted), ACCESS_READ)) return;
  const pkru = loaded & XCR0_PKRU ? (read_mem(cpu, pkruAt, 4, ACCESS_READ) as u32) : 0;
  if (trapped(cpu) || read_image(cpu, linear, loaded)) return;
  if (restore_mxcsr(cpu, linear, components, loaded)) return;
  if (components & XCR0_X87) restore_x87(cpu, loaded, wide);
  if (components & XCR0_SSE) restore_xmm(cpu, loaded);
  if (components & XCR0_AVX) restore_avx(cpu, loaded);
  if (components & XCR0_PKRU) set_pkru(cpu, pkru);
}

/** XSTATE_BV within the area's format and that within the enabled components; what is reserved is 0. */
function is_header_valid(cpu: i32, form: i32): bool {
  const present = load<u64>(cpu + HEADER);
  const format = load<u64>(cpu + HEADER + 8);
  if (load<u64>(cpu + HEADER + 16)) return false;
  const enabled = load<u64>(cpu + CPU_xcr0);
  if (!(format & COMPACTED)) return form != XSAVE_FORM_supervisor && !format && !(present & ~enabled);
  for (let i = 24; i < HEADER_SIZE; i += 8) if (load<u64>(cpu + HEADER + i)) return false;
  const held = format & ~COMPACTED;
  return !(held & ~enabled) && !(present & ~held);
}

/** Gathers what is loaded; true: trapped. The AVX component comes first in either format. */
function read_image(cpu: i32, linear: u64, loaded: u64): bool {
  const image = cpu + IMAGE;
  if (loaded & XCR0_X87) {
    if (read_part(cpu, linear, image, MXCSR_AT)) return true;
    if (read_part(cpu, at(cpu, linear, ST_AT), image + ST_AT, XMM_AT - ST_AT)) return true;
  }
  const vectors = 16 * vector_count(cpu);
  if (loaded & XCR0_SSE && read_part(cpu, at(cpu, linear, XMM_AT), image + XMM_AT, vectors)) return true;
  return (loaded & XCR0_AVX) != 0 && read_part(cpu, at(cpu, linear, AVX_AT), cpu + HALVES, vectors);
}

/** In standard format MXCSR belongs to SSE and AVX and is always loaded; in compacted format it is SSE state. */
function restore_mxcsr(cpu: i32, linear: u64, components: u64, loaded: u64): bool {
  const compacted = (load<u64>(cpu + HEADER + 8) & COMPACTED) != 0;
  if (!(components & (compacted ? XCR0_SSE : XCR0_SSE | XCR0_AVX))) return false;
  if (compacted && !(loaded & XCR0_SSE)) {
    store<i32>(cpu + CPU_mxcsr, MXCSR_INITIAL);
    return false;
  }
  const mxcsr = read_mem(cpu, at(cpu, linear, MXCSR_AT), 4, ACCESS_READ) as i32;
  if (trapped(cpu)) return true;
  if (mxcsr & ~MXCSR_writable) return raise_gp(cpu);
  store<i32>(cpu + CPU_mxcsr, mxcsr);
  return false;
}

function restore_x87(cpu: i32, loaded: u64, wide: i32): void {
  if (loaded & XCR0_X87) {
    take_x87(cpu, cpu + IMAGE, wide);
    return;
  }
  memory.fill(cpu + CPU_fpr, 0, 128);
  store<i32>(cpu + CPU_fcw, FCW_INITIAL);
  store<i32>(cpu + CPU_fsw, 0);
  store<i32>(cpu + CPU_ftw, 0);
  store<i32>(cpu + CPU_fop, 0);
  store<u64>(cpu + CPU_fip, 0);
  store<u64>(cpu + CPU_fdp, 0);
  store<i32>(cpu + CPU_fcs, 0);
  store<i32>(cpu + CPU_fds, 0);
}

function restore_xmm(cpu: i32, loaded: u64): void {
  if (loaded & XCR0_SSE) take_xmm(cpu, cpu + IMAGE);
  else for (let i = 0; i < vector_count(cpu); i++) memory.fill(cpu + CPU_xmm + 32 * i, 0, 16);
}

function restore_avx(cpu: i32, loaded: u64): void {
  for (let i = 0; i < vector_count(cpu); i++) {
    const half = cpu + CPU_xmm + 32 * i + 16;
    if (loaded & XCR0_AVX) memory.copy(half, cpu + HALVES + 16 * i, 16);
    else memory.fill(half, 0, 16);
  }
}
