import type { ValueType } from "./ops.ts";

/**
 * A function of the helper library (AssemblyScript, src/isa/helpers), as the IR calls it. The first parameter of
 * every helper is the vCPU's base address and is not listed.
 */
export interface HelperDeclaration {
  readonly params: readonly ("i32" | "i64")[];
  readonly result: Exclude<ValueType, "f32" | "f64" | "v128"> | "none";
  /** May fault or exit: the caller looks at state.trap afterwards; the helper has then changed nothing. */
  readonly faults: boolean;
  /** Changes state other than through its result. */
  readonly writes: boolean;
}

const declare = (
  params: string,
  result: HelperDeclaration["result"],
  effects: "pure" | "writes" | "faults" | "faults writes",
): HelperDeclaration => ({
  params: params.split(" ").filter(Boolean) as ("i32" | "i64")[],
  result,
  faults: effects.includes("faults"),
  writes: effects.includes("writes"),
});

/**
 * All helpers. A test compares this list with the compiled library's exports.
 * Widths are in bytes; segments are state offsets of segment records.
 */
export const HELPERS = {
  // (state offset of the segment, offset, width, write) -> linear address; #GP/#SS by limit, rights, canonical form
  segment_check: declare("i32 i64 i32 i32", "i64", "faults"),
} as const satisfies Record<string, HelperDeclaration>;

export type HelperName = keyof typeof HELPERS;
