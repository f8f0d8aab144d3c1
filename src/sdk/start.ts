import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { type FileLock, lockFile } from "../backend/block/file-lock.ts";
import { UserError } from "../base/assert.ts";
import type { WasmModules } from "../engine/wasm/library.ts";
import { parseCpu } from "../machine/cpu-model.ts";
import { type ChosenEngine, chooseEngine, loadWasmModules } from "./engine.ts";
import { type BootFiles, loadBootFiles } from "./files.ts";
import { hostCpuIdentity } from "./host-cpu.ts";
import { Machine } from "./machine.ts";
import { type DiskOptions, type MachineOptions, memoryBytes } from "./options.ts";

/** Boots a machine; resolves when it begins to run. Throws UserError if something that it needs is missing or wrong. */
export async function startMachine(options: MachineOptions = {}): Promise<Machine> {
  const engine = await chooseEngine(options.engine ?? "auto", options.cpus ?? 1);
  const memorySize = memoryBytes(options.memory);
  const cpu = parseCpu(options.cpu);
  const locks = lockDisks(options.disks ?? []);
  const worker = startWorker();
  try {
    const [files, modules] = await Promise.race([load(options, engine), failureOf(worker)]);
    const onReset = options.onReset ?? (options.command === undefined ? "reboot" : "end");
    const config = {
      memorySize,
      cpu,
      hostCpu: cpu.model.identity ? undefined : hostCpuIdentity(),
      boot: files.boot,
      debugExit: options.debugExit,
      testDevice: options.testDevice,
      onReset,
      vcpus: options.cpus,
    };
    const machine = await Machine.start(worker, { config, files, modules, disks: options.disks ?? [] });
    const release = () => releaseAll(locks);
    machine.exited.then(release, release);
    return machine;
  } catch (error) {
    void worker.terminate();
    releaseAll(locks);
    throw error;
  }
}

/** Keeps others from the disks that the machine writes to, whatever becomes of its thread. Throws UserError. */
function lockDisks(disks: readonly DiskOptions[]): FileLock[] {
  const locks: FileLock[] = [];
  try {
    for (const { file, readOnly } of disks) {
      if (!existsSync(file)) throw new UserError(`${file} does not exist`, "Make it with `tskvm disk create`.");
      if (!readOnly) locks.push(lockFile(file));
    }
  } catch (error) {
    releaseAll(locks);
    throw error;
  }
  return locks;
}

function releaseAll(locks: readonly FileLock[]): void {
  for (const lock of locks) lock.release();
}

/** The machine's thread. It takes long to start, so it does that while files are read, and waits for its WorkerSetup. */
function startWorker(): Worker {
  return new Worker(new URL("./worker-bundle.cjs", import.meta.url), { name: "tskvm machine" });
}

function failureOf(worker: Worker): Promise<never> {
  return new Promise((_, reject) => {
    worker.once("error", reject);
  });
}

/** Without modules it is the host engine. */
function load(options: MachineOptions, engine: ChosenEngine): Promise<[BootFiles, WasmModules | undefined]> {
  return Promise.all([loadBootFiles(options), engine === "wasm" ? loadWasmModules() : undefined]);
}
