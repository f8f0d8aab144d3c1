#!/usr/bin/env node
import { existsSync } from "node:fs";

const main = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write(
    "tskvm: this clone is not built yet. Run `npm run build`, or `npm start`, which builds first.\n",
  );
  process.exitCode = 1;
}
