import { create } from "../../base/struct-layout.ts";
import { CPU } from "../../isa/state.ts";
import { type KvmXsave, kvm_fpu } from "../../spec/kvm/vcpu-struct.ts";
import { XCR0 } from "../../spec/x86/control-register.ts";
import { FXSAVE } from "../../spec/x86/fxsave.ts";
import { MXCSR } from "../../spec/x86/mxcsr.ts";
import { XSAVE } from "../../spec/x86/xsave.ts";
import type { CpuCells } from "./cpu-cells.ts";
import { readFpu, writeFpu } from "./state-records.ts";

/** What an area without the component stands for. [SDM 1 13.6] */
const FCW_INITIAL = 0x37f;
const HALF = 16;
const HEADER_END = XSAVE.EXTENDED;

/** KVM_GET_XSAVE: the area in standard format with all state; XSTATE_BV names the components `inUse`. */
export function readXsave(cells: CpuCells, inUse: number, into: KvmXsave): void {
  const fpu = create(kvm_fpu);
  readFpu(cells, fpu);
  into.bytes.fill(0);
  const data = into.dataView;
  data.setUint16(FXSAVE.FCW, fpu.fcw, true);
  data.setUint16(FXSAVE.FSW, fpu.fsw, true);
  data.setUint8(FXSAVE.FTW, fpu.ftwx);
  data.setUint16(FXSAVE.FOP, fpu.last_opcode, true);
  data.setUint32(FXSAVE.FIP, fpu.last_ip_lo, true);
  data.setUint32(FXSAVE.FIP + 4, fpu.last_ip_hi, true);
  data.setUint32(FXSAVE.FDP, fpu.last_dp_lo, true);
  data.setUint32(FXSAVE.FDP + 4, fpu.last_dp_hi, true);
  data.setUint32(FXSAVE.MXCSR, fpu.mxcsr, true);
  data.setUint32(FXSAVE.MXCSR_MASK, MXCSR.writable, true);
  into.bytes.set(fpu.fpr, FXSAVE.ST0);
  into.bytes.set(fpu.xmm, FXSAVE.XMM0);
  data.setUint32(XSAVE.XSTATE_BV, inUse, true);
  for (let n = 0; n < 16; n++) into.bytes.set(upperHalf(cells, n), XSAVE.AVX + HALF * n);
  data.setUint32(XSAVE.PKRU, cells.i32(CPU.pkru), true);
}

/**
 * KVM_SET_XSAVE; false if it holds components that are not `supported` (bits of XCR0), is compacted, or has reserved bits
 * set in MXCSR or the header. Components that it leaves out become initial, but for PKRU, which KVM keeps then.
 */
export function writeXsave(cells: CpuCells, supported: number, from: KvmXsave): boolean {
  const data = from.dataView;
  const present = data.getUint32(XSAVE.XSTATE_BV, true);
  if (present & ~supported || from.bytes.subarray(XSAVE.XSTATE_BV + 4, HEADER_END).some((byte) => byte !== 0))
    return false;
  const mxcsr = data.getUint32(FXSAVE.MXCSR, true);
  const hasMxcsr = (present & (XCR0.SSE | XCR0.AVX)) !== 0;
  if (hasMxcsr && mxcsr & ~MXCSR.writable) return false;
  const fpu = create(kvm_fpu, { fcw: FCW_INITIAL, mxcsr: hasMxcsr ? mxcsr : MXCSR.reset });
  if (present & XCR0.X87) {
    fpu.fcw = data.getUint16(FXSAVE.FCW, true);
    fpu.fsw = data.getUint16(FXSAVE.FSW, true);
    fpu.ftwx = data.getUint8(FXSAVE.FTW);
    fpu.last_opcode = data.getUint16(FXSAVE.FOP, true);
    fpu.last_ip_lo = data.getUint32(FXSAVE.FIP, true);
    fpu.last_ip_hi = data.getUint32(FXSAVE.FIP + 4, true);
    fpu.last_dp_lo = data.getUint32(FXSAVE.FDP, true);
    fpu.last_dp_hi = data.getUint32(FXSAVE.FDP + 4, true);
    fpu.fpr.set(from.bytes.subarray(FXSAVE.ST0, FXSAVE.ST0 + 128));
  }
  if (present & XCR0.SSE) fpu.xmm.set(from.bytes.subarray(FXSAVE.XMM0, FXSAVE.XMM0 + 256));
  writeFpu(cells, fpu);
  for (let n = 0; n < 16; n++) {
    const at = XSAVE.AVX + HALF * n;
    if (present & XCR0.AVX) upperHalf(cells, n).set(from.bytes.subarray(at, at + HALF));
    else upperHalf(cells, n).fill(0);
  }
  if (present & XCR0.PKRU) cells.setI32(CPU.pkru, data.getUint32(XSAVE.PKRU, true));
  return true;
}

/** Bits 255-128 of a vector register. */
function upperHalf(cells: CpuCells, n: number): Uint8Array {
  return cells.bytes(CPU.xmm + 2 * HALF * n + HALF, HALF);
}
