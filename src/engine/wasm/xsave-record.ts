import { create } from "../../base/struct-layout.ts";
import { type KvmXsave, kvm_fpu } from "../../spec/kvm/vcpu-struct.ts";
import { FXSAVE, XSAVE_HEADER } from "../../spec/x86/fxsave.ts";
import type { CpuCells } from "./cpu-cells.ts";
import { readFpu, writeFpu } from "./state-records.ts";

/** Bits of MXCSR that exist. [SDM 1 11.6.6] */
const MXCSR_MASK = 0xffff;

/** KVM_GET_XSAVE: the legacy region in FXSAVE's 64-bit format; x87 and SSE state are in use. */
export function readXsave(cells: CpuCells, into: KvmXsave): void {
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
  data.setUint32(FXSAVE.MXCSR_MASK, MXCSR_MASK, true);
  into.bytes.set(fpu.fpr, FXSAVE.ST0);
  into.bytes.set(fpu.xmm, FXSAVE.XMM0);
  data.setUint32(XSAVE_HEADER.XSTATE_BV, XSAVE_HEADER.X87 | XSAVE_HEADER.SSE, true);
}

/** KVM_SET_XSAVE; false if it holds features that are not there or reserved MXCSR bits. Absent components take their initial state. */
export function writeXsave(cells: CpuCells, from: KvmXsave): boolean {
  const data = from.dataView;
  const present = data.getUint32(XSAVE_HEADER.XSTATE_BV, true);
  if (present & ~(XSAVE_HEADER.X87 | XSAVE_HEADER.SSE) || data.getUint32(XSAVE_HEADER.XSTATE_BV + 4, true) !== 0)
    return false;
  if (data.getUint32(FXSAVE.MXCSR, true) & ~MXCSR_MASK) return false;
  const fpu = create(kvm_fpu, { fcw: 0x37f, mxcsr: data.getUint32(FXSAVE.MXCSR, true) });
  if (present & XSAVE_HEADER.X87) {
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
  if (present & XSAVE_HEADER.SSE) fpu.xmm.set(from.bytes.subarray(FXSAVE.XMM0, FXSAVE.XMM0 + 256));
  writeFpu(cells, fpu);
  return true;
}
