/** What the thread that runs a machine and the thread that started it tell each other. */

import type { SharedChannel } from "../backend/chardev/ring-backend.ts";
import type { SharedConsole } from "../backend/console/console-link.ts";
import type { RegionCounts } from "../engine/wasm/jit/region-cache.ts";
import type { WasmModules } from "../engine/wasm/library.ts";
import type { MachineConfig } from "../machine/machine.ts";
import type { Outcome } from "../machine/outcome.ts";
import type { JitMode } from "./engine.ts";
import type { NetworkCard } from "./network.ts";
import type { DiskOptions, ShareOptions } from "./options.ts";
import type { RunningVcpu } from "./running-vcpu.ts";

/** What the worker waits for: the first message to it, and the only one. */
export interface WorkerSetup {
  readonly config: MachineConfig;
  /** The wasm engine's code; without it the machine runs on the host engine. */
  readonly modules: WasmModules | undefined;
  readonly jit: JitMode;
  /** COM1 and, if a command runs there, COM2. */
  readonly console: SharedChannel;
  readonly command: SharedChannel | undefined;
  /** Disks, whose locks the other thread holds. */
  readonly disks: readonly DiskOptions[];
  readonly network: NetworkCard | undefined;
  readonly shares: readonly ShareOptions[];
  /** The virtio console that the guest's agent talks by. */
  readonly agent: SharedConsole | undefined;
  /** Words of the SharedAlarm and the MachineControl. */
  readonly alarm: Int32Array;
  readonly control: Int32Array;
}

/** What the worker posts: first "started" or "failed", and after "started" one more of the others. */
export type WorkerMessage =
  | { readonly type: "started"; readonly vcpu: RunningVcpu; readonly missingFeatures: readonly string[] }
  | { readonly type: "ended"; readonly outcome: Outcome; readonly regions: RegionCounts | undefined }
  | { readonly type: "failed"; readonly error: WorkerError };

/** An error on its way between threads: a UserError if it has a remedy, else a defect. */
export interface WorkerError {
  readonly message: string;
  readonly remedy: string | undefined;
  readonly stack: string | undefined;
}
