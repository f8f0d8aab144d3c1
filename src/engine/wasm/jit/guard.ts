import { CPU, SEGMENT, segmentOffset } from "../../../isa/state.ts";
import { CPU_PARAM, RECORD_PARAM } from "../interpreter/record-binding.ts";
import type { RegionEmitter } from "./region-emitter.ts";
import { assumedFields } from "./specialize.ts";

/** The interpreter goes on where something is not as a region assumes. */
export function emitGuard(emitter: RegionEmitter): void {
  const { f, region } = emitter;
  const differences = differencesOf(emitter);
  if (differences.length === 0) return;
  differences.forEach((push, n) => {
    push();
    if (n > 0) f.op("i64.or");
  });
  f.i64(0, 0);
  f.op("i64.ne");
  f.usually(false);
  f.open("if");
  f.get(CPU_PARAM);
  f.get(RECORD_PARAM);
  f.i32(region.blocks.get(region.request.root)!.instructions[0]!.handler);
  f.tailCall(emitter.to.enter);
  f.close();
}

/** Each pushes an i64 that is not 0 where something assumed does not hold. */
function differencesOf({ f, region }: RegionEmitter): (() => void)[] {
  const { codeSize } = region.request;
  const assumed = assumedFields(codeSize);
  const differences = [...region.assumed].map((at) => () => {
    const value = assumed.get(at)!;
    f.get(CPU_PARAM);
    f.memory(at === CPU.stackMask || at === CPU.linearMask ? "i64.load" : "i64.load32_u", at);
    f.i64(Number(value & 0xffff_ffffn) | 0, Number(value >> 32n) | 0); // bigint: where it compiles
    f.op("i64.xor");
  });
  if (codeSize === 64) return differences;
  for (const name of ["es", "ss", "ds"] as const)
    for (const [load, field] of [["i64.load", SEGMENT.base] as const, ["i64.load32_u", SEGMENT.check] as const])
      differences.push(() => {
        f.get(CPU_PARAM);
        f.memory(load, segmentOffset(name) + field);
      });
  return differences;
}
