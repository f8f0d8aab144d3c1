import type { CpuDump } from "./cpu-dump.ts";

/** Why a machine is no longer running. */
export type Outcome =
  /** The guest switched the machine off. */
  | { readonly kind: "poweroff" }
  /** The guest asked for a reset, and the machine is set to end instead. */
  | { readonly kind: "reset" }
  /** The guest wrote to the debug-exit port; `status` is (value << 1) | 1. */
  | { readonly kind: "debug-exit"; readonly status: number }
  /** An exception could not be delivered, nor the double fault: the processor shut down. */
  | { readonly kind: "triple-fault"; readonly dump: CpuDump }
  /** The engine could not go on. */
  | { readonly kind: "error"; readonly message: string; readonly dump: CpuDump }
  /** Someone outside asked. After "paused", `run` goes on where it was. */
  | { readonly kind: "stopped" }
  | { readonly kind: "paused" };
