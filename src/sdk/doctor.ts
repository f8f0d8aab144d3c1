/** Which engines can run machines here. */

import { surveyHost } from "../engine/host/survey.ts";
import { loadWasmModules } from "./engine.ts";

/** What was found out of one engine. */
export interface EngineReport {
  readonly engine: "host" | "wasm";
  readonly usable: boolean;
  /** Sentences: why it can run or cannot, and what to do about that. */
  readonly reason: string;
  readonly remedy: string;
  /** Facts by name, for programs and bug reports. */
  readonly facts: { readonly [name: string]: unknown };
}

/** Looks at every engine; the first that is usable is what "auto" takes. */
export async function examineEngines(): Promise<EngineReport[]> {
  return [examineHost(), await examineWasm()];
}

function examineHost(): EngineReport {
  const { usable, reason, remedy, module, nested, probe, missing } = surveyHost();
  return { engine: "host", usable, reason, remedy, facts: { module, nested, probe, missing } };
}

async function examineWasm(): Promise<EngineReport> {
  const facts = { node: process.versions.node, v8: process.versions.v8 };
  try {
    await loadWasmModules();
    return { engine: "wasm", usable: true, reason: "The software CPU runs in any Node from 20 on.", remedy: "", facts };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { engine: "wasm", usable: false, reason, remedy: "Run `npm run build`; Node 20 or newer is needed.", facts };
  }
}
