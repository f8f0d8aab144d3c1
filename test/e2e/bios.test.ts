import { existsSync } from "node:fs";
import { describe, expect, TestRunner, test } from "vitest";
import { hostObstacle } from "../conformance/host-obstacle.ts";
import { bootDisk } from "./boot-disk.ts";
import { BIN, finished, scratchDirectory, start, tskvm } from "./tskvm.ts";

const files = scratchDirectory();
const FOLDER = "/usr/share/seabios";
const missing = existsSync(`${FOLDER}/bios.bin`) ? undefined : "needs SeaBIOS (Debian's package seabios)";

describe.each(["wasm", "host"])("SeaBIOS on the engine %s", (engine) => {
  const run = (...args: string[]) => ["run", "--engine", engine, "-m", "64M", ...args];
  const obstacle = missing ?? (engine === "host" ? hostObstacle : undefined);
  const skipIfMissing = (): void => {
    if (obstacle !== undefined) TestRunner.getCurrentTest()!.context.skip(obstacle);
  };

  test.each(["bios.bin", "bios-256k.bin"])(
    "%s reaches its boot prompt on the serial console",
    async (name) => {
      skipIfMissing();
      const child = start(process.execPath, [BIN, ...run("--firmware", `${FOLDER}/${name}`, "--timeout", "25")]);
      let shown = "";
      child.stdout.on("data", (chunk: Buffer) => {
        shown += chunk.toString("latin1");
        if (shown.includes("No bootable device")) child.kill("SIGTERM");
      });
      await finished(child);
      expect(shown).toMatch(/SeaBIOS \(version.*Booting from .*No bootable device/s);
    },
    30_000,
  );

  test("a disk's boot sector runs", async () => {
    skipIfMissing();
    const disk = ["--disk", `${files.write("boot.img", bootDisk(4))},format=raw`];
    const { status, stdout } = await tskvm(
      run("--firmware", `${FOLDER}/bios-256k.bin`, ...disk, "--debug-exit", "--timeout", "25"),
    );
    expect([status, stdout]).toEqual([9, expect.stringContaining("Booting from Hard Disk")]);
  }, 30_000);
});
