import { type Arch, resolveImage, startMachine, UserError } from "tskvm";
import { describe, expect, type TestContext, test } from "vitest";
import { tskvm } from "./tskvm.ts";

const BOOT_MS = 180_000;

/** Gets the default image of an architecture into the cache, or skips the test for want of it. */
async function needImage(context: TestContext, arch: Arch): Promise<void> {
  const why = await resolveImage(undefined, { arch }).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof UserError) return error.message;
      throw error;
    },
  );
  context.skip(why !== undefined, `no kernel for ${arch}: ${why}`);
}

describe("a stock Debian kernel", () => {
  for (const [arch, machine] of [
    ["amd64", "x86_64"],
    ["i386", "i686"],
  ] as const)
    test(`of ${arch} runs a command: input, output and status are ours`, { timeout: BOOT_MS }, async (context) => {
      await needImage(context, arch);
      const command = "uname -sm; cat; exit 7";
      const result = await tskvm(["run", "--arch", arch, "--exec", command, "--timeout", "170"], {
        input: "in \x04\x16\xff",
      });
      expect(result).toEqual({ status: 7, stdout: `Linux ${machine}\nin \x04\x16\xff`, stderr: "" });
    });

  test("gives a shell, idles without the processor, and switches itself off", { timeout: BOOT_MS }, async (context) => {
    await needImage(context, "amd64");
    const machine = await startMachine();
    let shown = "";
    machine.console.on("data", (chunk: Buffer) => {
      shown += chunk.toString("latin1");
    });
    let ended = false;
    void machine.exited.then(() => {
      ended = true;
    });
    const until = async (text: string) => {
      while (!shown.includes(text) && !ended) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(shown).toContain(text);
    };
    await until("# ");
    machine.console.write("echo $((6 * 7))-is\n");
    await until("42-is");
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const [before, start] = [process.cpuUsage(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000 / (performance.now() - start)).toBeLessThan(0.05);
    machine.console.write("poweroff -f\n");
    expect(await machine.exited).toEqual({ kind: "poweroff" });
  });

  test("that dies while it runs a command ends with an error that shows its last words", {
    timeout: BOOT_MS,
  }, async (context) => {
    await needImage(context, "amd64");
    const { status, stdout, stderr } = await tskvm(["run", "--exec", "echo c >/proc/sysrq-trigger"]);
    expect(stderr).toMatch(/^tskvm: the command did not end: the guest reset the machine/);
    expect(stderr).toMatch(/Kernel panic/);
    expect([status, stdout]).toEqual([1, ""]);
  });
});
