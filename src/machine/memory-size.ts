import { UserError } from "../base/assert.ts";
import { MEMORY_MAXIMUM, MEMORY_MINIMUM } from "./board-map.ts";

const MIB = 1024 * 1024;

/** Throws UserError if the machine does not take that many bytes of RAM. */
export function checkMemorySize(bytes: number): void {
  if (bytes >= MEMORY_MINIMUM && bytes <= MEMORY_MAXIMUM && bytes % MIB === 0) return;
  const range = `${MEMORY_MINIMUM / MIB} to ${MEMORY_MAXIMUM / MIB} MiB, a whole number`;
  throw new UserError(`${bytes / MIB} MiB of memory is not what the machine takes`, `Give it ${range}.`);
}
