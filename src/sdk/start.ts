import { Worker } from "node:worker_threads";
import type { WasmModules } from "../engine/wasm/library.ts";
import { parseCpu } from "../machine/cpu-model.ts";
import { type ChosenEngine, chooseEngine, loadWasmModules } from "./engine.ts";
import { type BootFiles, loadBootFiles } from "./files.ts";
import { Holdings } from "./holdings.ts";
import { hostCpuIdentity } from "./host-cpu.ts";
import { Machine } from "./machine.ts";
import { type MachineOptions, memoryBytes } from "./options.ts";
import { prepareRoot, type RootedOptions } from "./root-machine.ts";

/** Boots a machine; resolves when it begins to run. Throws UserError if something that it needs is missing or wrong. */
export async function startMachine(options: MachineOptions = {}): Promise<Machine> {
  const root = await prepareRoot(options);
  try {
    const machine = await start(root.options);
    machine.exited.then(root.release, root.release);
    return machine;
  } catch (error) {
    root.release();
    throw error;
  }
}

async function start(options: RootedOptions): Promise<Machine> {
  const engine = await chooseEngine(options.engine ?? "auto", options.cpus ?? 1);
  const memorySize = memoryBytes(options.memory);
  const cpu = parseCpu(options.cpu);
  const holdings = await Holdings.take(options);
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
      irqchip: options.irqchip,
      onReset,
      vcpus: options.cpus,
    };
    const { disks = [], shares = [], jit = "auto" } = options;
    const { network } = holdings;
    const agent = options.agent ?? false;
    const machine = await Machine.start(worker, { config, files, modules, jit, disks, network, shares, agent });
    const release = () => holdings.release();
    machine.exited.then(release, release);
    if (machine.missingFeatures.length > 0) options.progress?.note(missingNote(engine, machine.missingFeatures));
    return machine;
  } catch (error) {
    void worker.terminate();
    holdings.release();
    throw error;
  }
}

function missingNote(engine: ChosenEngine, missing: readonly string[]): string {
  return `warning: the engine "${engine}" lacks features of the CPU model: ${missing.join(", ")}`;
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
function load(options: RootedOptions, engine: ChosenEngine): Promise<[BootFiles, WasmModules | undefined]> {
  return Promise.all([loadBootFiles(options), engine === "wasm" ? loadWasmModules() : undefined]);
}
