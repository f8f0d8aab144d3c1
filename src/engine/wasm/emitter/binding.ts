import type { HelperName } from "../../../isa/ir/helpers.ts";
import type { Node } from "../../../isa/ir/ops.ts";
import type { Local } from "../asm/function-writer.ts";

/**
 * How a program meets its instruction: where its operands are and how control goes on. The interpreter reads them
 * from the decoded record; compiled regions know them. Methods leave their value on the stack.
 */
export interface Binding {
  /** Absolute address of the register in a slot, minus the offset returned, on the stack. */
  registerAddress(slot: NonNullable<Node["slot"]>): number;
  field(slot: NonNullable<Node["slot"]>): void;
  imm(type: "i32" | "i64"): void;
  ea(): void;
  /** Whether a segment (undefined: the memory operand's) surely has no base, limit or other check. */
  isFlat(segment: number | undefined): boolean;
  segment(): void;
  addressMask(): void;
  ripThis(): void;
  ripNext(): void;
  /** Goes on at the rip that is the value of a node. */
  jump(rip: number, values: NodeValues): void;
  /** Goes on at CPU.rip; a helper may have set CPU.trap. */
  end(): void;
  /** Starts the instruction again. */
  retry(): void;
  /** Leaves if the i32 on the stack is not 0: CPU.trap says why, nothing of the instruction was done. */
  faultIf(): void;
  /** Pushes what get or get_reg reads, if it is not kept in memory. */
  read(node: Node): boolean;
  /** Writes what set or set_reg does with the value that `push` pushes, if it is not kept in memory. */
  write(node: Node, push: () => void): boolean;
  /** The helper for a load or store that misses the TLB. */
  loadHelper(write: boolean): string;
  storeHelper(probed: boolean): string;
  /** Leaves if the load's helper gave no host address. */
  loadFailed(host: Local, write: boolean): void;
  /** Leaves unless the store's helper gave the 0 that is on the stack. */
  storeFailed(probed: boolean): void;
  /** Around the call of a helper. */
  beforeCall(helper: HelperName): void;
  afterCall(helper: HelperName): void;
  /** The address of the current TLB. */
  tlb(): void;
  /** Flags that were not lowered: sets them, pushes a condition. */
  flags(node: Node, values: NodeValues): void;
  cond(code: number): void;
  /** Leaves instead of a locked store that the compare-and-swap cannot do; false: the helper does it. */
  leaveLocked(): boolean;
}

/** The values of the program that is being emitted, for its binding. */
export interface NodeValues {
  readonly nodes: readonly Node[];
  push(index: number): void;
  /** A local that holds it. */
  local(index: number): Local;
}
