import type { MachineStats, SpawnOptions } from "../sdk/index.ts";

/** The first message of a connection, which is for this alone. */
export type Request =
  | { readonly op: "exec"; readonly command: string; readonly options: SpawnOptions }
  | { readonly op: "stop"; readonly graceMs: number }
  | { readonly op: "kill" }
  | { readonly op: "stats" };

/** What a client tells of a command that it has begun. */
export type CommandEvent =
  | { readonly event: "resize"; readonly rows: number; readonly columns: number }
  | { readonly event: "signal"; readonly signal: string };

/** What the machine's process answers, once. */
export type Reply =
  | { readonly kind: "exit"; readonly status: number | undefined }
  | { readonly kind: "ended"; readonly outcome: string }
  | { readonly kind: "stats"; readonly stats: MachineStats; readonly memory: number }
  | { readonly kind: "error"; readonly message: string; readonly remedy: string };

/** What the machine's process tells its parent before that goes. */
export type StartMessage =
  | { readonly kind: "started" }
  | { readonly kind: "failed"; readonly message: string; readonly remedy: string | undefined }
  | { readonly kind: "advance"; readonly what: string; readonly done: number; readonly total: number | undefined }
  | { readonly kind: "note"; readonly text: string };
