// Exits a second of the host engine beside a C program that does the same, and doorbells that need no exit.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./common/statistics.mjs";
import { host } from "./host/machine.mjs";

const ROUNDS = Number(process.argv[2] ?? 7);
const SECONDS = 1;

const folder = mkdtempSync(join(tmpdir(), "host-exits-"));
try {
  const program = join(folder, "exits");
  execFileSync("cc", ["-O2", "-o", program, new URL("host/exits.c", import.meta.url).pathname]);
  /** @type {Record<string, number[]>} */
  const results = { "tskvm, port exits": [], "C, port exits": [], "tskvm, doorbells by ioeventfd": [] };
  for (let round = 0; round < ROUNDS; round++) {
    results["tskvm, port exits"]?.push(host.exitsPerSecond(SECONDS));
    results["C, port exits"]?.push(Number(execFileSync(program, [String(SECONDS)], { encoding: "utf8" })));
    results["tskvm, doorbells by ioeventfd"]?.push(host.doorbellsPerSecond(SECONDS));
  }
  console.log(`| median of ${ROUNDS} rounds | a second |\n| --- | --- |`);
  for (const [name, values] of Object.entries(results))
    console.log(`| ${name} | ${Math.round(median(values)).toLocaleString("en")} |`);
  const ratios = results["tskvm, port exits"]?.map((value, n) => value / (results["C, port exits"]?.[n] ?? 1)) ?? [];
  console.log(`\ntskvm makes ${(100 * median(ratios)).toFixed(0)} % of C's exits (median of the rounds' ratios)`);
} finally {
  rmSync(folder, { recursive: true });
}
