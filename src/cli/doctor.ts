/** tskvm doctor: which engines can run here, and why not. */

import { UserError } from "../base/assert.ts";
import { type EngineReport, examineEngines } from "../sdk/index.ts";
import type { ArgumentsOf, DOCTOR } from "./commands.ts";
import type { Ending } from "./ending.ts";

/** Runs `tskvm doctor ARGS`. Throws UserError. */
export async function doctor({ values, positionals }: ArgumentsOf<typeof DOCTOR>): Promise<Ending> {
  if (positionals[0] !== undefined) throw new UserError("doctor takes no argument", "Write tskvm doctor.");
  const reports = await examineEngines();
  const auto = reports.find(({ usable }) => usable)?.engine;
  process.stdout.write(
    values.json ? `${JSON.stringify({ auto, engines: reports }, undefined, 2)}\n` : words(reports, auto),
  );
  return { status: auto === undefined ? 1 : 0 };
}

function words(reports: readonly EngineReport[], auto: string | undefined): string {
  const lines = reports.map(({ engine, usable, reason, remedy, facts }) => {
    const where = [facts.module, facts.nested ? "nested" : undefined].filter((each) => each).join(", ");
    const text = [reason, remedy].filter((each) => each !== "").join(" ");
    return `${engine}: ${usable ? "yes" : "no"}${where && ` (${where})`}. ${text}\n`;
  });
  return `${lines.join("")}${auto === undefined ? "No engine can run here." : `--engine auto takes ${auto}.`}\n`;
}
