import { startMachine } from "tskvm";
import { describe, expect, test } from "vitest";
import { needImage } from "./need-image.ts";
import { tskvm } from "./tskvm.ts";

const BOOT_MS = 180_000;

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

  for (const image of ["debian", "debian-686"])
    test(`of image ${image} boots as well`, { timeout: BOOT_MS }, async (context) => {
      await needImage(context, image === "debian" ? "amd64" : "i386", { name: image });
      const result = await tskvm(["run", "--image", image, "--exec", "uname -r", "--timeout", "170"]);
      expect(result).toMatchObject({ status: 0, stderr: "" });
      expect(result.stdout).toMatch(image === "debian" ? /^6\.1\.\d+-\d+-amd64\n$/ : /^6\.1\.\d+-\d+-686\n$/);
    });

  test("has the memory it is given, up to 3 GiB", { timeout: BOOT_MS }, async (context) => {
    await needImage(context, "amd64");
    const result = await tskvm(["run", "--memory", "3G", "--exec", "free -m | awk '/Mem/ { print $2 }'"]);
    expect(result).toMatchObject({ status: 0, stderr: "" });
    expect(Number(result.stdout)).toBeGreaterThan(2900);
  });

  test("gives a shell, idles without the processor, and switches itself off", { timeout: BOOT_MS }, async (context) => {
    await needImage(context, "amd64");
    const machine = await startMachine();
    machine.console.write("echo typed-$((10 + 3))-ahead\n");
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
    await until("typed-13-ahead");
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
