import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { deviceIsOpen, surveyHost } from "./survey.ts";

const folder = mkdtempSync(join(tmpdir(), "survey-"));
afterAll(() => rmSync(folder, { recursive: true }));

const linux = process.platform === "linux" && process.arch === "x64";
const elsewhere = "the host is not x86-64 Linux";

describe("survey of the host's KVM", () => {
  test("no device: says so, with the remedy", (context) => {
    context.skip(!linux, elsewhere);
    const survey = surveyHost(join(folder, "none"));
    expect(survey).toMatchObject({ usable: false, probe: undefined });
    expect(survey.reason).toContain(`There is no ${join(folder, "none")}.`);
    expect(survey.remedy).toMatch(/modprobe|nested|firmware/);
    expect(deviceIsOpen(join(folder, "none"))).toBe(false);
  });

  test("no permission: names the group", (context) => {
    context.skip(!linux, elsewhere);
    context.skip(process.getuid?.() === 0, "root may open everything");
    const path = join(folder, "locked");
    writeFileSync(path, "");
    chmodSync(path, 0);
    const { usable, reason } = surveyHost(path);
    expect([usable, reason]).toEqual([false, expect.stringContaining("for the group")]);
  });

  test("a device that is none of KVM's: the kernel's own refusal", (context) => {
    context.skip(!linux, elsewhere);
    const { usable, reason } = surveyHost("/dev/null");
    expect([usable, reason]).toEqual([false, expect.stringContaining("KVM_GET_API_VERSION: ENOTTY")]);
  });
});
