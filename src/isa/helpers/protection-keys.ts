// The rights of pages by their key. [SDM 3A 4.6.2]
import {
  CPU_cr4,
  CPU_keysUsed,
  CPU_pkrs,
  CPU_pkru,
  CR4_PKE,
  GPR_rax,
  GPR_rcx,
  GPR_rdx,
  VECTOR_UD,
} from "./layout.generated.ts";
import { raise, raise_gp } from "./fault.ts";
import { gpr, set_gpr } from "./registers.ts";
import { tlb_flush } from "./tlb.ts";

/** Sets PKRU; translations of pages whose rights it changes are dropped. */
export function set_pkru(cpu: i32, value: u32): void {
  const changed = load<u32>(cpu + CPU_pkru) ^ value;
  store<u32>(cpu + CPU_pkru, value);
  drop_changed(cpu, changed, load<i32>(cpu + CPU_keysUsed));
}

/** Sets IA32_PKRS, likewise for supervisor pages. */
export function set_pkrs(cpu: i32, value: u32): void {
  const changed = load<u32>(cpu + CPU_pkrs) ^ value;
  store<u64>(cpu + CPU_pkrs, value as u64);
  drop_changed(cpu, changed, load<i32>(cpu + CPU_keysUsed) >> 16);
}

/** `used`: the keys that translations depend on. */
function drop_changed(cpu: i32, changed: u32, used: i32): void {
  for (let key = 0; key < 16; key++) {
    if ((changed >> (2 * key)) & 3 && (used >> key) & 1) {
      tlb_flush(cpu);
      return;
    }
  }
}

/** Raises #UD without CR4.PKE and #GP for registers that must be 0; true: trapped. */
function refuse(cpu: i32, zero: u64): bool {
  if (!(load<u64>(cpu + CPU_cr4) & CR4_PKE)) return raise(cpu, VECTOR_UD, 0);
  return zero & 0xffffffff ? raise_gp(cpu) : false;
}

/** RDPKRU [SDM 2B RDPKRU] */
export function rdpkru(cpu: i32): void {
  if (refuse(cpu, gpr(cpu, GPR_rcx))) return;
  set_gpr(cpu, GPR_rax, load<u32>(cpu + CPU_pkru) as u64);
  set_gpr(cpu, GPR_rdx, 0);
}

/** WRPKRU [SDM 2D WRPKRU] */
export function wrpkru(cpu: i32): void {
  if (!refuse(cpu, gpr(cpu, GPR_rcx) | gpr(cpu, GPR_rdx))) set_pkru(cpu, gpr(cpu, GPR_rax) as u32);
}
