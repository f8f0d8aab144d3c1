/** Which engine runs a machine, and its compiled code. */

import { readFile } from "node:fs/promises";
import { UserError } from "../base/assert.ts";
import type { WasmModules } from "../engine/wasm/library.ts";
import { VCPUS_MAXIMUM } from "../machine/board-map.ts";

export const ENGINES = ["auto", "wasm", "host"] as const;
/** "wasm" is the software CPU, "host" the machine's own /dev/kvm; "auto" takes the best there is. */
export type EngineName = (typeof ENGINES)[number];

export const JIT_MODES = ["auto", "off"] as const;
/** Whether the wasm engine compiles hot guest code in a thread of its own, or interprets everything. */
export type JitMode = (typeof JIT_MODES)[number];

/** An engine that is there. */
export type ChosenEngine = "wasm" | "host";

/** The engine to use. Throws UserError if it cannot be had, or a machine does not have that many vCPUs. */
export async function chooseEngine(name: string, cpus: number): Promise<ChosenEngine> {
  if (!(ENGINES as readonly string[]).includes(name))
    throw new UserError(`there is no engine "${name}"`, `The engines are ${ENGINES.join(", ")}.`);
  checkCpus(cpus);
  if (name === "wasm") return "wasm";
  const { deviceIsOpen, surveyHost } = await import("../engine/host/survey.ts");
  if (name === "auto" && !deviceIsOpen()) return "wasm";
  const { usable, reason, remedy, probe } = surveyHost();
  if (usable) return "host";
  if (name === "auto") return "wasm";
  // a guest that needs less than the probe's may run
  if (probe !== undefined) return "host";
  throw new UserError(`the host engine cannot run here: ${reason}`, remedy || "Use --engine wasm, the software CPU.");
}

function checkCpus(cpus: number): void {
  if (Number.isInteger(cpus) && cpus >= 1 && cpus <= VCPUS_MAXIMUM) return;
  throw new UserError(`a machine does not run ${cpus} CPUs`, `Give --cpus 1 to ${VCPUS_MAXIMUM}.`);
}

const HELPERS = new URL("../isa/helpers.wasm", import.meta.url);
const INTERPRETER = new URL("../engine/wasm/interpreter.wasm", import.meta.url);
let compiled: Promise<WasmModules> | undefined;

/** The wasm engine's modules, compiled once a process and shared by its machines. */
export function loadWasmModules(): Promise<WasmModules> {
  compiled ??= compileModules();
  return compiled;
}

async function compileModules(): Promise<WasmModules> {
  const [helpers, interpreter] = await Promise.all([compileFile(HELPERS), compileFile(INTERPRETER)]);
  return { helpers, interpreter };
}

async function compileFile(url: URL): Promise<WebAssembly.Module> {
  const bytes = await readFile(url).catch((error: Error) => {
    throw new UserError(`the engine's code is missing: ${error.message}`, "Run `npm run build`.", { cause: error });
  });
  return WebAssembly.compile(bytes);
}
