// npm run fuzz [NAME] -- --seed N --count N: the fuzzers of test/fuzz; --help lists them. Builds when needed.
import { join } from "node:path";
import { buildOrExit } from "./build.mjs";
import { root } from "./files.mjs";
import { runNode } from "./process.mjs";

const program = "dist/test/fuzz.mjs";

await buildOrExit();
const { rolldown } = await import("rolldown");
const bundled = await rolldown({ input: join(root, "test/fuzz/command.ts"), platform: "node" });
await bundled.write({ file: join(root, program), format: "esm", codeSplitting: false, sourcemap: true });
await bundled.close();
process.exitCode = await runNode("--enable-source-maps", [program, ...process.argv.slice(2)]);
