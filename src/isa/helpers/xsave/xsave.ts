// XSAVE, XSAVEOPT, XSAVEC and XSAVES. [SDM 1 13.7, 13.9-13.11]
import {
  CPU_pkru,
  CPU_scratch,
  CPU_xmm,
  XCR0_AVX,
  XCR0_PKRU,
  XCR0_SSE,
  XCR0_X87,
  XSAVE_AVX_BYTES,
  XSAVE_FORM_compacted,
  XSAVE_FORM_plain,
  XSAVE_XCOMP_BV,
  XSAVE_XSTATE_BV,
} from "../layout.generated.ts";
import { trapped } from "../fault.ts";
import { probe, read_mem, write_mem } from "../mmu.ts";
import { ACCESS_READ, ACCESS_WRITE } from "../paging.ts";
import { at, write_part } from "./area.ts";
import { area_size, AVX_AT, in_use, pkru_at, requested } from "./components.ts";
import { LEGACY_SIZE, MXCSR_AT, put_mxcsr, put_x87, put_xmm, ST_AT, vector_count, XMM_AT } from "./legacy.ts";

const IMAGE: i32 = CPU_scratch + LEGACY_SIZE;
const HALVES: i32 = CPU_scratch + 128;
const COMPACTED: u64 = 0x8000000000000000;

/**
 * Saves the requested components at a linear address. XSAVE writes all of them, the others leave out those in their
 * initial configuration; none knows which were modified.
 */
export function xsave(cpu: i32, linear: u64, form: i32, wide: i32): void {
  const components = requested(cpu);
  const compacted = form >= XSAVE_FORM_compacted;
  if (probe(cpu, linear, area_size(components, compacted), ACCESS_WRITE)) return;
  const used = components & in_use(cpu, compacted);
  const saved = form == XSAVE_FORM_plain ? components : used;
  if (saved & XCR0_X87 && save_x87(cpu, linear, wide)) return;
  const control = compacted ? saved & XCR0_SSE : components & (XCR0_SSE | XCR0_AVX);
  if (control && save_mxcsr(cpu, linear)) return;
  if (saved & XCR0_SSE && save_xmm(cpu, linear)) return;
  if (saved & XCR0_AVX && save_avx(cpu, linear)) return;
  if (saved & XCR0_PKRU && save_pkru(cpu, at(cpu, linear, pkru_at(components, compacted)))) return;
  save_header(cpu, linear, components, used, compacted);
}

/** Not MXCSR, which lies between the environment and the registers. */
function save_x87(cpu: i32, linear: u64, wide: i32): bool {
  const image = cpu + IMAGE;
  put_x87(cpu, image, wide);
  return (
    write_part(cpu, linear, image, MXCSR_AT) || write_part(cpu, at(cpu, linear, ST_AT), image + ST_AT, XMM_AT - ST_AT)
  );
}

function save_mxcsr(cpu: i32, linear: u64): bool {
  put_mxcsr(cpu, cpu + IMAGE);
  return write_part(cpu, at(cpu, linear, MXCSR_AT), cpu + IMAGE + MXCSR_AT, 8);
}

function save_xmm(cpu: i32, linear: u64): bool {
  put_xmm(cpu, cpu + IMAGE);
  return write_part(cpu, at(cpu, linear, XMM_AT), cpu + IMAGE + XMM_AT, 16 * vector_count(cpu));
}

function save_avx(cpu: i32, linear: u64): bool {
  for (let i = 0; i < XSAVE_AVX_BYTES; i += 16) memory.copy(cpu + HALVES + i, cpu + CPU_xmm + 2 * i + 16, 16);
  return write_part(cpu, at(cpu, linear, AVX_AT), cpu + HALVES, 16 * vector_count(cpu));
}

function save_pkru(cpu: i32, linear: u64): bool {
  write_mem(cpu, linear, 8, load<u32>(cpu + CPU_pkru) as u64, ACCESS_WRITE);
  return trapped(cpu);
}

/** In standard format bits of components that were not requested stay, and XCOMP_BV is not written. */
function save_header(cpu: i32, linear: u64, components: u64, used: u64, compacted: bool): void {
  const present = at(cpu, linear, XSAVE_XSTATE_BV);
  const kept = compacted ? 0 : read_mem(cpu, present, 8, ACCESS_READ) & ~components;
  if (trapped(cpu)) return;
  write_mem(cpu, present, 8, kept | used, ACCESS_WRITE);
  if (trapped(cpu) || !compacted) return;
  write_mem(cpu, at(cpu, linear, XSAVE_XCOMP_BV), 8, COMPACTED | components, ACCESS_WRITE);
}
