import { createHash } from "node:crypto";
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

  for (const arch of ["amd64", "i386"] as const)
    test(`of ${arch} runs on two processors`, { timeout: BOOT_MS }, async (context) => {
      await needImage(context, arch);
      // both work at once on pages, locks and processes of their own and of each other
      const work = "for n in 1 2 3 4 5 6; do (seq 1 3000 | sort -n | md5sum) & done; wait";
      const interrupts = "awk '/^ *(RES|CAL):/ { print ($2 > 0) ($3 > 0) }' /proc/interrupts";
      const result = await tskvm(["run", "--arch", arch, "--cpus", "2", "--exec", `${work}; nproc; ${interrupts}`]);
      const lines = Array.from({ length: 3000 }, (_, n) => `${n + 1}\n`).join("");
      const sum = createHash("md5").update(lines).digest("hex");
      expect(result).toEqual({ status: 0, stdout: `${`${sum}  -\n`.repeat(6)}2\n11\n11\n`, stderr: "" });
    });

  test("with two processors starts anew when it is told to", { timeout: 2 * BOOT_MS }, async (context) => {
    await needImage(context, "amd64");
    const machine = await startMachine({ cpus: 2, onReset: "reboot" });
    let shown = "";
    machine.console.on("data", (chunk: Buffer) => {
      shown += chunk.toString("latin1");
    });
    const answers = async (command: string, answer: RegExp) => {
      while (!shown.includes("# ")) await new Promise((resolve) => setTimeout(resolve, 50));
      machine.console.write(`${command}\n`);
      while (!answer.test(shown)) await new Promise((resolve) => setTimeout(resolve, 50));
      shown = "";
    };
    await answers("reboot -f", /Restarting system/);
    await answers("echo $(nproc)-again", /2-again/);
    expect(await machine.stop()).toEqual({ kind: "stopped" });
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
