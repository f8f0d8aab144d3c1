import { once } from "node:events";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { startMachine } from "tskvm";
import { describe, expect, TestRunner, test } from "vitest";
import { hostObstacle } from "../conformance/host-obstacle.ts";
import { debugExit, echoUntil, print, program, spin, startProcessors, tripleFault } from "../guest/programs.ts";
import { resetMidway } from "./reset-midway.ts";
import { BIN, scratchDirectory, start } from "./tskvm.ts";

const files = scratchDirectory();
const CPUS = 4;
const others = startProcessors(CPUS - 1);

describe.each(["wasm", "host"] as const)(`${CPUS} processors on the engine %s`, (engine) => {
  const options = { engine, cpus: CPUS, memory: "32M", debugExit: true } as const;
  const skipIfMissing = (): void => {
    if (engine === "host" && hostObstacle !== undefined) TestRunner.getCurrentTest()!.context.skip(hostObstacle);
  };

  test("run when the first starts them, reach its devices, and start anew", async () => {
    skipIfMissing();
    const kernel = program(others, print("on\n"), echoUntil("."), debugExit(0));
    const { outcome, shown } = await resetMidway({ ...options, kernel }, "AAAon\n");
    expect(outcome).toEqual({ kind: "debug-exit", status: 1 });
    expect(shown).toBe("AAAon\nAAAon\n");
  }, 20_000);

  test("stop while some wait to be started and the first loops", async () => {
    skipIfMissing();
    const machine = await startMachine({ ...options, kernel: program(print("on"), spin) });
    await new Promise((resolve) => machine.console.once("data", resolve));
    expect(await machine.stop()).toEqual({ kind: "stopped" });
  });

  test("leave nothing behind when the machine has ended, however it did", async () => {
    skipIfMissing();
    const lives = async (): Promise<void> => {
      const ended = await startMachine({ ...options, kernel: program(others, debugExit(3)) });
      expect(await ended.exited).toMatchObject({ status: 7 });
      const fallen = await startMachine({ ...options, kernel: program(tripleFault) });
      expect(await fallen.exited).toMatchObject({ kind: "triple-fault" });
      await expect(startMachine({ ...options, kernel: Buffer.from("text") })).rejects.toThrow("not a kernel");
    };
    await lives();
    const before = threads();
    for (let n = 0; n < 3; n++) await lives();
    // what Node itself starts when it is busy is less than one machine's threads
    await until(() => threads() < before + CPUS && kvmDescriptors() === 0);
  }, 60_000);
});

test("a process that is killed while its guest's processors run on the host's KVM is gone", async (context) => {
  context.skip(hostObstacle !== undefined, hostObstacle);
  const kernel = files.write("smp", program(others, print("on\n"), spin));
  const child = start(process.execPath, [
    BIN,
    "run",
    "--engine",
    "host",
    "-m",
    "64M",
    "--cpus",
    "4",
    "--kernel",
    kernel,
  ]);
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
  expect(existsSync(`/proc/${child.pid}/task`)).toBe(false);
}, 20_000);

function threads(): number {
  return readdirSync("/proc/self/task").length;
}

/** Descriptors of /dev/kvm, VMs and vCPUs. */
function kvmDescriptors(): number {
  const folder = "/proc/self/fd";
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)).includes("kvm");
    } catch {
      return false;
    }
  }).length;
}

/** Threads end and descriptors are closed a little after the machine has told its end. */
async function until(settled: () => boolean): Promise<void> {
  for (let looks = 0; !settled(); looks++) {
    if (looks > 200) throw new Error(`${threads()} threads and ${kvmDescriptors()} descriptors of KVM are left`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
