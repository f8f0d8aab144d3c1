// npm run fuzz -- --seed N --count N: programs made from a seed, on the software CPU and on this machine's processor.
import { parseArgs } from "node:util";
import { buildOrExit } from "./build.mjs";
import { runNode } from "./process.mjs";

const { values } = parseArgs({
  options: { seed: { type: "string" }, count: { type: "string", default: "100000" } },
});
await buildOrExit();
process.env.FUZZ_SEED = values.seed ?? String(Date.now() >>> 0);
process.env.FUZZ_COUNT = values.count;
process.exitCode = await runNode("node_modules/vitest/vitest.mjs", ["run", "test/isa/silicon.test.ts"]);
