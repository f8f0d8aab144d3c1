/** The second half of making a Debian root: its packages' scripts run in a machine, on the disk itself. */

import { UserError } from "../base/assert.ts";
import { CONFIGURE_SCRIPT, configuredFacts } from "../image/debian/configure-script.ts";
import { SILENT } from "../image/progress.ts";
import type { RootImage } from "../image/roots/resolve.ts";
import { type RootRecord, readRecord, withRootLock, writeRecord } from "../image/roots/store.ts";
import { exec } from "./exec.ts";
import type { MachineOptions } from "./options.ts";
import { rootedOptions } from "./root-machine.ts";

const MEMORY = "1G";
const OUTPUT_SHOWN = 2000;

/** Configures the packages on a root's disk once; the disk must not change after that. Throws UserError. */
export async function configureRoot(
  image: RootImage,
  { engine, jit, progress = SILENT }: MachineOptions,
): Promise<RootRecord> {
  return withRootLock(image.directory, progress, async () => {
    const record = await readRecord(image.directory);
    if (record === undefined) throw new UserError("the root was removed from the cache meanwhile", "Try again.");
    if (record.stage === "ready") return record;
    progress.note(`configuring the packages of ${record.name}, once: this takes some minutes`);
    const options: MachineOptions = { engine, jit, progress, memory: MEMORY, network: false, arch: record.arch };
    const { status, output } = await run({ ...options, command: CONFIGURE_SCRIPT }, image);
    const facts = configuredFacts(output.toString("utf8"));
    if (status !== 0 || facts === undefined)
      throw new UserError(
        `the packages of ${record.name} cannot be configured (status ${status}):\n${output.toString("utf8").slice(-OUTPUT_SHOWN)}`,
        "Try another mirror with --mirror, after `tskvm images rm`.",
      );
    return writeRecord(image.directory, { ...record, ...facts, stage: "ready" });
  });
}

async function run(options: MachineOptions, image: RootImage) {
  const { command = "", ...rest } = rootedOptions(options, image, image.disk, true);
  return exec(command, rest);
}
