// The opcode register. [SDM 1 8.1.9]
import { CPU_linearMask, CPU_trap, SEGMENTS_cs } from "../layout.generated.ts";
import { fetch_translate } from "../mmu.ts";
import { is_code64, segment_base } from "../registers.ts";

/** Bytes of the longest instruction. */
const LONGEST: i32 = 15;

/** A byte of code, or -1 where none can be fetched. */
function code_byte(cpu: i32, rip: u64): i32 {
  const linear = (segment_base(cpu, SEGMENTS_cs) + rip) & load<u64>(cpu + CPU_linearMask);
  const host = fetch_translate(cpu, linear);
  if (host) return load<u8>(host) as i32;
  store<i32>(cpu + CPU_trap, 0);
  return -1;
}

/** The last 11 bits of the opcode of the x87 instruction at an offset in CS: behind its prefixes, of which none is D8 to DF. */
export function x87_opcode(cpu: i32, rip: u64): i32 {
  const start = is_code64(cpu) ? rip : rip & 0xffffffff;
  for (let n = 0; n < LONGEST - 1; n++) {
    const byte = code_byte(cpu, start + (n as u64));
    if (byte < 0) return 0;
    if ((byte & 0xf8) == 0xd8) return ((byte & 7) << 8) | (code_byte(cpu, start + (n as u64) + 1) & 0xff);
  }
  return 0;
}
