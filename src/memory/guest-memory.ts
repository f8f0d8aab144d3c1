/**
 * Guest-physical memory as devices, firmware loaders and debuggers see it: the memory slots of a VM, nothing else.
 *
 * A `gpa` (guest-physical address) is a number of bytes from 0, an integer below 2^53. Values are little-endian.
 * Every access is checked against the slots; one that is not wholly inside them throws RangeError before it changes
 * anything. A range may span slots that touch. Writes go through to KVM_MEM_READONLY slots too: they come from the
 * host, as a loader's writes to a ROM do.
 */
export interface GuestMemory {
  /** Copies `into.length` bytes from `gpa` on. */
  read(gpa: number, into: Uint8Array): void;
  /** Copies the bytes to `gpa`, marks the pages dirty and drops what the engine derived from them. */
  write(gpa: number, from: Uint8Array): void;
  /**
   * The bytes themselves, without a copy; undefined if the range does not lie in one slot. Good until the slots change.
   * Whoever writes through it calls `written` afterwards.
   */
  view(gpa: number, length: number): Uint8Array | undefined;
  /** Says that `length` bytes at `gpa` were changed through a `view`. */
  written(gpa: number, length: number): void;
  /** Whether the whole range lies in memory slots. */
  contains(gpa: number, length: number): boolean;
  /** Sets `length` bytes at `gpa` to `value` (0 to 255). */
  fill(gpa: number, length: number, value: number): void;

  readU8(gpa: number): number;
  readU16(gpa: number): number;
  readU32(gpa: number): number;
  /** As a number: exact below 2^53, rounded above. */
  readU64(gpa: number): number;
  writeU8(gpa: number, value: number): void;
  writeU16(gpa: number, value: number): void;
  writeU32(gpa: number, value: number): void;
  /** `value` is an integer from 0 to 2^53 - 1. */
  writeU64(gpa: number, value: number): void;
}
