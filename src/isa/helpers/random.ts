// What RDRAND and RDSEED take their values from.
import { CPU_exitData } from "./layout.generated.ts";
import { random_bits } from "./env.ts";

/** 64 random bits. */
export function random(cpu: i32): u64 {
  random_bits(cpu);
  return load<u64>(cpu + CPU_exitData);
}
