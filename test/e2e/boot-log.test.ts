import { spawn, spawnSync } from "node:child_process";
import type { Image } from "tskvm";
import { describe, expect, test } from "vitest";
import { needImage } from "./need-image.ts";
import { BIN } from "./tskvm.ts";

const BOOT_MS = 400_000;
const QEMU = "qemu-system-x86_64";
const PROMPT = ":/root# ";
/** Messages with their levels, then the end. */
const LAST_COMMANDS = "dmesg -r; poweroff -f\n";

/** What no boot may print, at whatever level. */
const REFUSED =
  /WARNING: CPU|\bBUG:|\bOops\b|Call Trace|\[Firmware (Bug|Warn)\]|unchecked MSR access|your CPUs had inconsistent|\[Hardware Error\]|general protection|invalid opcode|self-tests? .*failed|alg: .*failed/;
/** Emergencies to warnings. [dmesg(1)] */
const WARNING = /^<[0-4]>\[ *[0-9.]+\] (.*)$/gm;
/** What the kernel says of a machine whose processor is wanted elsewhere, too. */
const OF_A_BUSY_HOST = /hrtimer: interrupt took|clocksource|PM-Timer|rcu|APIC calibration|tsc: /;

/** Boots a kernel to its shell, and returns all that it printed. */
function boot(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "ignore"] });
  let shown = "";
  let asked = false;
  child.stdin.on("error", () => {});
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    shown += text;
    if (asked || !shown.includes(PROMPT)) return;
    asked = true;
    child.stdin.write(LAST_COMMANDS);
  });
  return new Promise((resolve) => child.on("close", () => resolve(shown.replaceAll("\r", ""))));
}

const CONSOLE = "console=ttyS0";

const bootHere = ({ kernel, initrd }: Image, append = CONSOLE, ...more: string[]) =>
  boot(process.execPath, [BIN, "run", "--kernel", kernel, "--initrd", initrd, "--append", append, ...more]);

function bootInQemu({ kernel, initrd }: Image): Promise<string> {
  const machine = ["-accel", "tcg", "-m", "512", "-nographic", "-no-reboot", "-nic", "none"];
  return boot(QEMU, [...machine, "-kernel", kernel, "-initrd", initrd, "-append", CONSOLE]);
}

/** Warnings without what differs from boot to boot. */
function warningsIn(log: string): string[] {
  const lines = Array.from(log.matchAll(WARNING), ([, message]) => message!);
  return lines
    .filter((line) => !OF_A_BUSY_HOST.test(line))
    .map((line) => line.replace(/\b(0x)?[0-9a-f]*\d[0-9a-f]*\b/g, "N"));
}

function expectQuiet(log: string): void {
  expect(log).toContain("Run /init as init process");
  expect(log).toMatch(/^<\d>\[/m);
  expect(log.split("\n").filter((line) => REFUSED.test(line))).toEqual([]);
}

describe("a stock kernel's boot", () => {
  for (const [name, arch] of [
    ["debian-cloud", "amd64"],
    ["debian-686-pae", "i386"],
  ] as const)
    test(`${name} without parameters has no warning that QEMU's boot does not have`, {
      timeout: 2 * BOOT_MS,
    }, async (context) => {
      const image = await needImage(context, arch, { name });
      const log = await bootHere(image);
      expectQuiet(log);
      context.skip(spawnSync(QEMU, ["--version"]).status !== 0, `no ${QEMU} to compare with`);
      const known = warningsIn(await bootInQemu(image));
      expect(warningsIn(log).filter((line) => !known.includes(line))).toEqual([]);
    });

  for (const [name, arch] of [
    ["debian", "amd64"],
    ["debian-686", "i386"],
  ] as const)
    test(`${name} tells of nothing broken`, { timeout: BOOT_MS }, async (context) => {
      const image = await needImage(context, arch, { name });
      expectQuiet(await bootHere(image, image.append));
    });

  test("debian-cloud with all self-tests tells of nothing broken where it sees everything the engine has", {
    timeout: BOOT_MS,
  }, async (context) => {
    expectQuiet(await bootHere(await needImage(context, "amd64"), CONSOLE, "--cpu", "host"));
  });
});
