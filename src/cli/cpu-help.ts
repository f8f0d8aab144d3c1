import type { CpuModels } from "../sdk/index.ts";
import { columns, page, WIDTH, wrap } from "./help.ts";

/** What `--cpu help` prints. */
export function cpuHelp({ models, features, lacking }: CpuModels): string {
  const rows = models.map(({ name, title, isDefault }) => [name, isDefault ? `${title} (default)` : title] as const);
  const list = (names: readonly string[]) => wrap(names.join(" "), WIDTH - 2).map((line) => `  ${line}`);
  return page([
    ["--cpu MODEL[,+FEATURE,-FEATURE]"],
    ["Models:", ...columns(rows)],
    ["Features:", ...list(features)],
    lacking.length === 0 ? [] : ["Features that the engine lacks:", ...list(lacking)],
  ]);
}
