import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, type TestContext, test } from "vitest";
import { KVM_CAP_IRQCHIP, KVM_CAP_PIT2, KVM_CAP_SPLIT_IRQCHIP } from "../../spec/kvm/capability.ts";
import { KVM_API_VERSION } from "../../spec/kvm/ioctl.ts";
import { loadFfi } from "./ffi.ts";
import type { ProbeResult } from "./probe.ts";
import { deviceIsOpen, judgeEngine, surveyHost, type Verdict } from "./survey.ts";

const folder = mkdtempSync(join(tmpdir(), "survey-"));
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true }));

const linux = process.platform === "linux" && process.arch === "x64";
const elsewhere = "the host is not x86-64 Linux";
const NOBODY = 65534;
const KVM_DEVICE = [10, 232];
/** A number among the miscellaneous devices that no driver has. */
const NO_DRIVER = [10, 231];

const SURVEY = new URL("../../../dist/engine/host/survey.js", import.meta.url);
const SCRIPT = `
  const { surveyHost } = await import(${JSON.stringify(SURVEY.href)});
  console.log(JSON.stringify(surveyHost(process.argv[1])));
`;

/** The survey as somebody without rights finds it. */
function surveyAsNobody(path: string): Verdict {
  const options = { uid: NOBODY, gid: NOBODY, encoding: "utf8" } as const;
  return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "-e", SCRIPT, path], options));
}

/** A device node; the test is skipped where none can be made. */
function node(context: TestContext, name: string, [major, minor]: readonly number[], mode: number): string {
  context.skip(!linux, elsewhere);
  context.skip(process.getuid!() !== 0, "only root makes device nodes");
  const path = join(folder, name);
  try {
    execFileSync("mknod", [path, "c", String(major), String(minor)], { stdio: "ignore" });
  } catch {
    context.skip(true, "device nodes cannot be made here");
  }
  chmodSync(path, mode);
  return path;
}

function skipIfPrivate(context: TestContext): void {
  try {
    execFileSync("test", ["-r", SURVEY.pathname], { uid: NOBODY, gid: NOBODY, stdio: "ignore" });
  } catch {
    context.skip(true, "other users may not read this clone");
  }
}

function skipWithoutKoffi(context: TestContext): void {
  try {
    loadFfi();
  } catch (error) {
    context.skip(true, `the kernel cannot be called: ${error}`);
  }
}

/** A group of this machine that has a name. */
function someGroup(): { name: string; gid: number } {
  const lines = readFileSync("/etc/group", "latin1").split("\n");
  const [name = "", , gid] = lines.map((line) => line.split(":")).find(([, , id]) => Number(id) > 0)!;
  return { name, gid: Number(gid) };
}

describe("survey of the host's KVM", () => {
  test("no device: says so, with the remedy", (context) => {
    context.skip(!linux, elsewhere);
    const survey = surveyHost(join(folder, "none"));
    expect(survey).toMatchObject({ usable: false, probe: undefined });
    expect(survey.reason).toContain(`There is no ${join(folder, "none")}.`);
    expect(survey.remedy).toMatch(/modprobe|nested|firmware/);
    expect(deviceIsOpen(join(folder, "none"))).toBe(false);
  });

  test("no permission: names the group, and how to get into it", (context) => {
    const path = node(context, "group", KVM_DEVICE, 0o660);
    skipIfPrivate(context);
    const { name, gid } = someGroup();
    chownSync(path, 0, gid);
    const { usable, reason, remedy } = surveyAsNobody(path);
    expect(usable).toBe(false);
    expect(reason).toContain(`may not open ${path}, which is for the group ${name}.`);
    expect(remedy).toContain(`usermod -aG ${name} `);
  });

  test("no permission, and no group that has it: names what root can do", (context) => {
    const path = node(context, "root", KVM_DEVICE, 0o600);
    skipIfPrivate(context);
    const { usable, remedy } = surveyAsNobody(path);
    expect([usable, remedy]).toEqual([false, expect.stringContaining(`chmod 666 ${path}`)]);
  });

  test("a device without a module: the module is what is missing", (context) => {
    const path = node(context, "no-module", NO_DRIVER, 0o666);
    skipWithoutKoffi(context);
    const { usable, reason, remedy } = surveyHost(path);
    expect([usable, reason]).toEqual([false, expect.stringContaining("no module of KVM behind it")]);
    expect(remedy).toMatch(/modprobe|nested|firmware/);
  });

  test("a device that is none of KVM's: the kernel's own refusal", (context) => {
    context.skip(!linux, elsewhere);
    skipWithoutKoffi(context);
    const { usable, reason, remedy } = surveyHost("/dev/null");
    expect([usable, reason]).toEqual([false, expect.stringContaining("KVM_GET_API_VERSION: ENOTTY")]);
    expect(remedy).toContain("dmesg");
  });
});

describe("a KVM that can be asked", () => {
  const judge = (probe: ProbeResult, absent: readonly number[] = [], version = KVM_API_VERSION): Verdict =>
    judgeEngine({ getApiVersion: () => version, checkExtension: (cap) => (absent.includes(cap) ? 0 : 1) }, () => probe);

  test("is usable if the probe guest runs", () => {
    expect(judge({ verdict: "runs" })).toMatchObject({ usable: true, probe: { verdict: "runs" } });
  });

  test("names the capabilities that it lacks", () => {
    const absent = [KVM_CAP_PIT2, KVM_CAP_SPLIT_IRQCHIP];
    const { usable, reason, remedy, missing } = judge({ verdict: "runs" }, absent);
    expect([usable, reason]).toEqual([false, expect.stringMatching(/lacks KVM_CAP_PIT2, KVM_CAP_SPLIT_IRQCHIP/)]);
    expect([remedy, missing]).toEqual([expect.stringContaining("kernel"), ["KVM_CAP_PIT2", "KVM_CAP_SPLIT_IRQCHIP"]]);
  });

  test("needs no interrupt controllers but the local APICs", () => {
    expect(judge({ verdict: "runs" }, [KVM_CAP_IRQCHIP, KVM_CAP_PIT2])).toMatchObject({ usable: true });
  });

  test.each<[string, ProbeResult, RegExp]>([
    ["emulates", { verdict: "emulated", at: "d9 e8" }, /emulates guests.*d9 e8/],
    ["never comes back", { verdict: "fails", how: "it still ran after 500 ms" }, /still ran/],
  ])("that %s is none for 64-bit guests", (_, probe, words) => {
    const { usable, reason, remedy } = judge(probe);
    expect([usable, reason]).toEqual([false, expect.stringMatching(words)]);
    expect(remedy).toMatch(/nested virtualization/);
  });

  test("of another version is none", () => {
    const { usable, remedy } = judge({ verdict: "runs" }, [], 11);
    expect([usable, remedy]).toEqual([false, expect.stringContaining("Linux")]);
  });
});
