// npm run bench:boot -- OPTIONS: see --help. Builds when needed.
import { buildOrExit } from "../tools/build.mjs";

await buildOrExit();
const { main } = await import("./boot/main.mjs");
process.exitCode = await main(process.argv.slice(2));
