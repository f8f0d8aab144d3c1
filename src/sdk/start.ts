import { checkEngine, loadWasmModules } from "./engine.ts";
import { loadBootFiles } from "./files.ts";
import { Machine } from "./machine.ts";
import { type MachineOptions, memoryBytes } from "./options.ts";

/** Boots a machine; resolves when it begins to run. Throws UserError if something that it needs is missing or wrong. */
export async function startMachine(options: MachineOptions = {}): Promise<Machine> {
  checkEngine(options.engine ?? "auto", options.cpus ?? 1);
  const memorySize = memoryBytes(options.memory);
  const modules = loadWasmModules();
  modules.catch(() => {});
  const files = await loadBootFiles(options);
  const onReset = options.onReset ?? (options.command === undefined ? "reboot" : "end");
  const config = { memorySize, boot: files.boot, debugExit: options.debugExit, onReset, vcpus: options.cpus };
  return Machine.start(config, files, await modules);
}
