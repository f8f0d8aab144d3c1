/** The thread that compiles regions: everything that only a compiler needs is loaded here. */

import { workerData } from "node:worker_threads";
import { compileRegions } from "../engine/wasm/jit/compile.ts";
import type { RegionRequest } from "../engine/wasm/jit/request.ts";
import { withBranchHints } from "./branch-hints.ts";
import type { CompileSetup } from "./compile-thread.ts";

const { memory, port } = workerData as CompileSetup;
const bytes = new Uint8Array(memory.buffer);

port.on("message", (requests: readonly RegionRequest[]) => {
  const start = performance.now();
  const compiled = withBranchHints(() => compileRegions(bytes, requests));
  port.postMessage({ ...compiled, milliseconds: performance.now() - start });
});
