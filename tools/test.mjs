// npm test -- ARGS: builds when needed, then runs vitest once with ARGS (a folder or file narrows the run).
import { buildOrExit } from "./build.mjs";
import { runNode } from "./process.mjs";

await buildOrExit();
process.exitCode = await runNode("node_modules/vitest/vitest.mjs", ["run", ...process.argv.slice(2)]);
