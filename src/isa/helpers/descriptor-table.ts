// SGDT, SIDT, LGDT and LIDT. [SDM 2A LGDT, 2B SGDT]
import {
  CPU_cr4,
  CPU_gdtrBase,
  CPU_gdtrLimit,
  CPU_idtrBase,
  CPU_idtrLimit,
  CPU_linearMask,
  CR4_UMIP,
} from "./layout.generated.ts";
import { raise_gp, trapped } from "./fault.ts";
import { probe, read_mem, refuse_misaligned, write_mem } from "./mmu.ts";
import { ACCESS_ANYWHERE, ACCESS_READ, ACCESS_WRITE } from "./paging.ts";
import { cpl, is_canonical_register } from "./registers.ts";

/** CR4.UMIP keeps SGDT, SIDT, SLDT, SMSW and STR for the supervisor: raises #GP otherwise. */
export function check_umip(cpu: i32): void {
  if (cpl(cpu) && load<u64>(cpu + CPU_cr4) & CR4_UMIP) raise_gp(cpu);
}

function base_at(interrupts: i32): i32 {
  return interrupts ? CPU_idtrBase : CPU_gdtrBase;
}

function limit_at(interrupts: i32): i32 {
  return interrupts ? CPU_idtrLimit : CPU_gdtrLimit;
}

function second(cpu: i32, linear: u64): u64 {
  return (linear + 2) & load<u64>(cpu + CPU_linearMask);
}

/** SGDT or (interrupts 1) SIDT to a linear address, with 4 or 8 bytes of base. */
export function store_table(cpu: i32, interrupts: i32, linear: u64, width: i32): void {
  check_umip(cpu);
  // the base is what has to be aligned, to 4 bytes [SDM 3A table 6-7]
  if (trapped(cpu) || refuse_misaligned(cpu, second(cpu, linear), 4, ACCESS_WRITE)) return;
  if (probe(cpu, linear, width + 2, ACCESS_WRITE)) return;
  write_mem(cpu, linear, 2, load<u32>(cpu + limit_at(interrupts)) as u64, ACCESS_ANYWHERE);
  write_mem(cpu, second(cpu, linear), width, load<u64>(cpu + base_at(interrupts)), ACCESS_ANYWHERE);
}

/** LGDT or (interrupts 1) LIDT from a linear address, with 3, 4 or 8 bytes of base. */
export function load_table(cpu: i32, interrupts: i32, linear: u64, width: i32): void {
  if (cpl(cpu)) {
    raise_gp(cpu);
    return;
  }
  const limit = read_mem(cpu, linear, 2, ACCESS_READ) as i32;
  if (trapped(cpu)) return;
  const base = read_mem(cpu, second(cpu, linear), width == 8 ? 8 : 4, ACCESS_READ);
  if (trapped(cpu)) return;
  if (!is_canonical_register(cpu, base)) {
    raise_gp(cpu);
    return;
  }
  store<i32>(cpu + limit_at(interrupts), limit);
  store<u64>(cpu + base_at(interrupts), width == 3 ? base & 0xffffff : base);
}
