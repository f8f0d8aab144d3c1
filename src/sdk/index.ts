/**
 * tskvm for programs. A machine in three lines:
 *
 *     const machine = await startMachine({ memory: "256M" });
 *     machine.console.pipe(process.stdout);
 *     await machine.exited;
 *
 * One command in a guest of its own, with its output and exit status:
 *
 *     const { status, output } = await exec("uname -a");
 *
 * Errors that the caller can do something about are UserErrors: `message` is the cause, `remedy` what to do.
 */

export { UserError } from "../base/assert.ts";
export type { Arch } from "../image/catalog.ts";
export { type Image, type ImageOptions, listImages, pullImage, removeImage, resolveImage } from "../image/image.ts";
export { type Progress, progressOn } from "../image/progress.ts";
export { type ImageName, parseImageName } from "../image/roots/image-name.ts";
export { type CpuDump, formatCpuDump } from "../machine/cpu-dump.ts";
export type { Outcome } from "../machine/outcome.ts";
export type { SpawnOptions } from "./agent.ts";
export { type CpuModels, cpuModels } from "./cpu-models.ts";
export { type EngineReport, examineEngines } from "./doctor.ts";
export { ENGINES, type EngineName, JIT_MODES, type JitMode } from "./engine.ts";
export { ConsoleTail, commandLost, describeOutcome, type ExecResult, exec } from "./exec.ts";
export type { GuestCommand } from "./guest-command.ts";
export type { GuestProcess } from "./guest-process.ts";
export type { CommandOptions, CommandResult, Machine, MachineStats } from "./machine.ts";
export type { NetworkOptions } from "./network.ts";
export type {
  DiskOptions,
  FileSource,
  MachineOptions,
  ModuleSource,
  ProgramOptions,
  ShareOptions,
} from "./options.ts";
export { quoted, shellScript } from "./shell-script.ts";
export { startMachine } from "./start.ts";
export { attachTerminal } from "./terminal-session.ts";
