import { CPU } from "../../isa/state.ts";
import type { KvmTranslation } from "../../spec/kvm/vcpu-struct.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { Library } from "./library.ts";

/** "access" of the library's translate: with the rights of the supervisor. */
const ACCESS_SUPERVISOR = 4;
/** What a translation for the host must leave as it was for the guest; each with the word after it. */
const CLOBBERS = [CPU.trap, CPU.faultError, CPU.faultAddress, CPU.exitData];

/** KVM_TRANSLATE */
export function translate(cells: CpuCells, library: Library, translation: KvmTranslation): KvmTranslation {
  const saved = CLOBBERS.map((at) => [at, cells.lo(at), cells.hi(at)] as const);
  cells.setI32(CPU.trap, 0);
  // only a walk tells the guest-physical address
  library.tlb_flush(cells.base);
  const { linear_address_lo, linear_address_hi } = translation;
  library.translate_halves(cells.base, linear_address_lo | 0, linear_address_hi | 0, ACCESS_SUPERVISOR);
  const valid = cells.i32(CPU.trap) === 0;
  translation.valid = valid ? 1 : 0;
  translation.writeable = 1;
  translation.usermode = 0;
  translation.physical_address = valid ? BigInt(cells.number(CPU.exitData)) : -1n; // bigint: KVM's all ones; not while a guest runs
  for (const [at, lo, hi] of saved) cells.setWide(at, lo, hi);
  return translation;
}
