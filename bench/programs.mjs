// npm run bench -- OPTIONS: see --help. Builds when needed.
import { buildOrExit } from "../tools/build.mjs";

await buildOrExit();
const { main } = await import("./programs/main.mjs");
process.exitCode = await main(process.argv.slice(2));
