import {
  CPU_exitAddress,
  CPU_exitData,
  CPU_exitReason,
  CPU_exitSize,
  CPU_replay,
  CPU_replayCount,
  CPU_replayCursor,
  CPU_trap,
  REPLAY_ENTRY_address,
  REPLAY_ENTRY_data,
  REPLAY_ENTRY_kind,
  REPLAY_ENTRY_size,
  REPLAY_ENTRY_SIZE,
  TRAP_alone,
  TRAP_exit,
} from "./layout.generated.ts";
import { forget_pending } from "./debug.ts";

/**
 * Looks whether the access that is about to leave the engine was completed by user space already, before this
 * instruction was entered again. If so its data is in CPU.exitData and the cursor moves on.
 */
export function replay_find(cpu: i32, kind: i32, address: u64, size: i32): bool {
  const cursor = load<i32>(cpu + CPU_replayCursor);
  if (cursor >= load<i32>(cpu + CPU_replayCount)) return false;
  const entry = cpu + CPU_replay + cursor * REPLAY_ENTRY_SIZE;
  if (load<i32>(entry + REPLAY_ENTRY_kind) != kind) return false;
  if (load<u64>(entry + REPLAY_ENTRY_address) != address || load<i32>(entry + REPLAY_ENTRY_size) != size) return false;
  store<u64>(cpu + CPU_exitData, load<u64>(entry + REPLAY_ENTRY_data));
  store<i32>(cpu + CPU_replayCursor, cursor + 1);
  return true;
}

/** Asks for an exit to user space; the instruction changes nothing and is entered again afterwards. */
export function exit_for(cpu: i32, kind: i32, address: u64, size: i32): void {
  forget_pending(cpu);
  store<i32>(cpu + CPU_exitReason, kind);
  store<u64>(cpu + CPU_exitAddress, address);
  store<i32>(cpu + CPU_exitSize, size);
  store<i32>(cpu + CPU_trap, TRAP_exit);
}

/** Has the instruction entered again as a block of its own; it changes nothing now. */
export function run_alone(cpu: i32): void {
  forget_pending(cpu);
  store<i32>(cpu + CPU_trap, TRAP_alone);
}

/** An iteration of a repeated instruction is complete: its accesses are not replayed for the next one. */
export function replay_commit(cpu: i32): void {
  store<i32>(cpu + CPU_replayCount, 0);
  store<i32>(cpu + CPU_replayCursor, 0);
}
