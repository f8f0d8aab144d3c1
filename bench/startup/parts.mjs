// Starts a machine from the image named, one part after the other, and prints how many milliseconds each took, as JSON.
import { Worker } from "node:worker_threads";

/** @type {[name: string, milliseconds: number][]} */
const parts = [];
let last = 0;

/** @param {string} name */
function done(name) {
  const now = performance.now();
  parts.push([name, now - last]);
  last = now;
}

done("Node");
const { loadBootFiles } = await import("../../dist/sdk/files.js");
const { loadWasmModules } = await import("../../dist/sdk/engine.js");
const { Machine } = await import("../../dist/sdk/machine.js");
await import("../../dist/cli/run.js");
done("loading the program");
const worker = new Worker(new URL("../../dist/sdk/worker-bundle.cjs", import.meta.url));
await new Promise((resolve) => worker.once("online", () => resolve(undefined)));
done("starting a thread");
const files = await loadBootFiles({ image: process.argv[2] });
done("reading the image");
const modules = await loadWasmModules();
done("compiling the engine");
const config = { memorySize: 512 * 2 ** 20, boot: files.boot, onReset: /** @type {const} */ ("end") };
await Machine.start(worker, {
  config,
  files,
  modules,
  disks: [],
  shares: [],
  agent: false,
  network: undefined,
  jit: "auto",
});
done("building the machine");
process.stdout.write(JSON.stringify(parts), () => process.exit());
