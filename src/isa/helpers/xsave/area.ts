// Moving parts of an image between the vCPU's state and guest memory.
import { CPU_linearMask } from "../layout.generated.ts";
import { is_watching } from "../debug.ts";
import { trapped } from "../fault.ts";
import { read_mem, translate, write_mem } from "../mmu.ts";
import { ACCESS_READ, ACCESS_WRITE } from "../paging.ts";
import { after_write, plainly_writable } from "../physical.ts";

/** The host address of a range that lies in one page of plain memory, else 0. */
function plain_host(cpu: i32, linear: u64, length: i32, access: i32): i32 {
  if ((linear & 0xfff) + (length as u64) > 0x1000 || is_watching(cpu)) return 0;
  const host = translate(cpu, linear, access);
  return host && (!(access & ACCESS_WRITE) || plainly_writable(cpu, host)) ? host : 0;
}

/** The linear address of a byte of an image. */
export function at(cpu: i32, linear: u64, offset: i32): u64 {
  return (linear + (offset as u64)) & load<u64>(cpu + CPU_linearMask);
}

/** Writes `length` bytes, a multiple of 8, from `from`; true: trapped. */
export function write_part(cpu: i32, linear: u64, from: i32, length: i32): bool {
  const host = plain_host(cpu, linear, length, ACCESS_WRITE);
  if (host) {
    memory.copy(host, from, length);
    after_write(cpu, host);
  } else
    for (let i = 0; i < length && !trapped(cpu); i += 8) {
      write_mem(cpu, at(cpu, linear, i), 8, load<u64>(from + i), ACCESS_WRITE);
    }
  return trapped(cpu);
}

/** Reads `length` bytes, a multiple of 8, to `into`; true: trapped. */
export function read_part(cpu: i32, linear: u64, into: i32, length: i32): bool {
  const host = plain_host(cpu, linear, length, ACCESS_READ);
  if (host) memory.copy(into, host, length);
  else
    for (let i = 0; i < length && !trapped(cpu); i += 8) {
      store<u64>(into + i, read_mem(cpu, at(cpu, linear, i), 8, ACCESS_READ));
    }
  return trapped(cpu);
}
