import { existsSync } from "node:fs";
import { startMachine } from "tskvm";
import { describe, expect, TestRunner, test } from "vitest";
import { hostObstacle } from "../conformance/host-obstacle.ts";
import { debugExit, echoUntil, levelInterrupts, print, program } from "../guest/programs.ts";
import { bootDisk } from "./boot-disk.ts";
import { resetMidway } from "./reset-midway.ts";
import { scratchDirectory } from "./tskvm.ts";

const files = scratchDirectory();
const FIRMWARE = "/usr/share/seabios/bios-256k.bin";

describe.each([
  ["wasm", "engine"],
  ["host", "engine"],
  ["host", "split"],
] as const)("on the engine %s, interrupt controllers %s:", (engine, irqchip) => {
  const options = { engine, irqchip, memory: "64M", debugExit: true } as const;
  const skipIfMissing = (): void => {
    const { context } = TestRunner.getCurrentTest()!;
    if (engine === "host") context.skip(hostObstacle !== undefined, hostObstacle);
  };

  test("a line that stays high interrupts again after each EOI, and so it does after a reset", async () => {
    skipIfMissing();
    const kernel = program(levelInterrupts(3), print(";"), echoUntil("."), debugExit(2));
    const { outcome, shown } = await resetMidway({ ...options, testDevice: true, kernel }, "LLL;");
    expect(outcome).toEqual({ kind: "debug-exit", status: 5 });
    expect(shown).toBe("LLL;LLL;");
  }, 20_000);
});

test("with only the local APICs in the host's kernel, firmware that lives by the PIC's timer boots a disk", async (context) => {
  context.skip(hostObstacle !== undefined, hostObstacle);
  context.skip(!existsSync(FIRMWARE), "needs SeaBIOS (Debian's package seabios)");
  const disks = [{ file: files.write("boot.img", bootDisk(4)), format: "raw" as const }];
  const options = { engine: "host", irqchip: "split", memory: "64M", debugExit: true } as const;
  const machine = await startMachine({ ...options, firmware: FIRMWARE, disks });
  expect(await machine.exited).toEqual({ kind: "debug-exit", status: 9 });
}, 60_000);
