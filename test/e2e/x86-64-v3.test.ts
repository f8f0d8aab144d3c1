import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { charDevice, directory, file, writeCpio } from "../../src/image/cpio.ts";
import { needImage } from "./need-image.ts";
import { scratchDirectory, tskvm } from "./tskvm.ts";

const BOOT_MS = 180_000;
const SOURCE = fileURLToPath(new URL("../guest/x86-64-v3.c", import.meta.url));
const OPTIONS = ["-O2", "-march=x86-64-v3", "-ftree-vectorize", "-fvect-cost-model=dynamic", "-static"];
/** What the host needs to run the program itself, by the names of /proc/cpuinfo. */
const FEATURES = ["avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "abm"];

const scratch = scratchDirectory();

/** The program, compiled; or why it cannot be. */
function compile(): { program: string } | { why: string } {
  const program = join(scratch.path, "v3");
  const { status, stderr, error } = spawnSync("gcc", [...OPTIONS, "-o", program, SOURCE, "-lm"], { encoding: "utf8" });
  if (status === 0) return { program };
  return {
    why: error ? `there is no gcc (${error.message})` : `gcc does not make a static x86-64-v3 program: ${stderr}`,
  };
}

/** What of the program's needs the host lacks. */
function missingFeatures(): string[] {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
  return FEATURES.filter((name) => !flags.includes(name));
}

/** An initial RAM disk whose first process is the program. */
function initramfs(program: string): string {
  const init = file("init", readFileSync(program), 0o755);
  return scratch.write("v3.cpio", writeCpio([directory("dev"), charDevice("dev/console", 5, 1), init]));
}

const marked = (text: string): string[] => text.split(/\r?\n/).filter((line) => line.startsWith("v3 "));

test("a program compiled for x86-64-v3 prints in a guest what it prints on the host", {
  timeout: BOOT_MS,
}, async (context) => {
  await needImage(context, "amd64");
  const compiled = compile();
  context.skip("why" in compiled, "why" in compiled ? compiled.why : "");
  if ("why" in compiled) return;
  const missing = missingFeatures();
  context.skip(missing.length > 0, `the host has no ${missing.join(", ")}`);
  const expected = marked(execFileSync(compiled.program, { encoding: "utf8" }));
  expect(expected.at(-1)).toBe("v3 end");
  const options = [
    "--cpu",
    "x86-64-v3",
    "--initrd",
    initramfs(compiled.program),
    "--append",
    "quiet",
    "--timeout",
    "170",
  ];
  const { status, stdout } = await tskvm(["run", ...options]);
  expect(marked(stdout)).toEqual(expected);
  expect(status).toBe(0);
});
