import { unreachable } from "../../base/assert.ts";
import type { MsrRule } from "../../spec/kvm/msr.ts";
import { MC_CTL_MAY_BE_CLEAR } from "../../spec/x86/machine-check.ts";
import { FEATURE_CONTROL_LOCKED, MISC_ENABLE } from "../../spec/x86/msr.ts";
import { MTRR_BASE_RESERVED, MTRR_DEF_TYPE_BITS, MTRR_MASK_RESERVED, MTRR_TYPES } from "../../spec/x86/mtrr.ts";

/** An MSR that is a value and a rule. */
export interface StoredMsr {
  lo: number;
  hi: number;
  readonly rule: MsrRule;
}

/** What a write depends on beside the MSR itself. */
export interface MsrWriter {
  /** KVM_SET_MSRS, not WRMSR. */
  readonly host: boolean;
  /** Bits of a guest-physical address. */
  readonly physicalAddressBits: number;
  /** AMD's HWCR lets the guest write machine-check status. */
  readonly canSetStatus: boolean;
}

/** Bits of IA32_MISC_ENABLE that a guest cannot change. */
const READ_ONLY = MISC_ENABLE.BTS_UNAVAILABLE | MISC_ENABLE.PEBS_UNAVAILABLE;

/** Writes an MSR; false: #GP, and nothing was written. */
export function writeStored(msr: StoredMsr, lo: number, hi: number, writer: MsrWriter): boolean {
  const { bits, ignored = 0 } = msr.rule;
  const value = (lo & ~ignored) | (msr.lo & ignored);
  if (bits !== undefined && (hi !== 0 || value & ~ignored & ~bits)) return false;
  if (!accepts(msr, value, hi, writer)) return false;
  if (msr.rule.write === "dropped" && (!writer.host || msr.rule.constant)) return true;
  msr.lo = value >>> 0;
  msr.hi = hi >>> 0;
  return true;
}

function accepts(msr: StoredMsr, lo: number, hi: number, writer: MsrWriter): boolean {
  const { write } = msr.rule;
  switch (write) {
    case "stored":
    case "dropped":
      return true;
    case "refused":
      return false;
    case "host":
      return writer.host;
    case "feature-control":
      return writer.host || (msr.lo & FEATURE_CONTROL_LOCKED) === 0;
    case "misc-enable":
      return writer.host || ((msr.lo ^ lo) & READ_ONLY) === 0;
    case "mc-control":
      return (lo | hi) === 0 || ((hi | 0) === -1 && (lo | MC_CTL_MAY_BE_CLEAR) === -1);
    case "mc-status":
      return writer.host || writer.canSetStatus || (lo | hi) === 0;
    case "mtrr-default":
      return hi === 0 && (lo & ~MTRR_DEF_TYPE_BITS) === 0 && MTRR_TYPES.includes(lo & 0xff);
    case "mtrr-fixed":
      return areTypes(lo) && areTypes(hi);
    case "mtrr-base":
      return MTRR_TYPES.includes(lo & 0xff) && (lo & MTRR_BASE_RESERVED) === 0 && isAddress(hi, writer);
    case "mtrr-mask":
      return (lo & MTRR_MASK_RESERVED) === 0 && isAddress(hi, writer);
    default:
      return unreachable(write);
  }
}

/** Four memory types. [SDM 3A 12.11.2.2] */
function areTypes(types: number): boolean {
  for (let shift = 0; shift < 32; shift += 8) if (!MTRR_TYPES.includes((types >>> shift) & 0xff)) return false;
  return true;
}

function isAddress(hi: number, { physicalAddressBits }: MsrWriter): boolean {
  return hi >>> (physicalAddressBits - 32) === 0;
}
