// npm run suites -- ARGS: public CPU suites on tskvm and on QEMU; see test/suites/README.md. Builds when needed.
import { buildOrExit } from "./build.mjs";

await buildOrExit();
await import("../test/suites/main.mjs");
