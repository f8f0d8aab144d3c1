// npm start -- ARGS: builds when needed, then becomes `tskvm run ARGS` in this same process, so that the terminal,
// standard input, signals and the exit status are the command's own.
import { fileURLToPath } from "node:url";
import { buildOrExit } from "./build.mjs";

await buildOrExit();
const bin = new URL("../bin/tskvm.js", import.meta.url);
process.argv = [process.execPath, fileURLToPath(bin), "run", ...process.argv.slice(2)];
await import(bin.href);
