import { describe, expect, test } from "vitest";
import { judge } from "./kvm-unit-tests.mjs";
import { realModeKernel } from "./real-mode-kernel.mjs";
import { improvements, mergeTables, regressions } from "./results.mjs";
import { parseUnitTests } from "./unittests-cfg.mjs";

/** @typedef {import("./results.mjs").Result} Result */

/** @type {Result} */
const pass = { verdict: "pass" };
/** @type {(reason: string, ...failures: string[]) => Result} */
const fail = (reason, ...failures) => ({ verdict: "fail", reason, failures });
/** @type {Result} */
const skip = { verdict: "skip", reason: "needs 2 processors" };
const row = (/** @type {Result} */ tskvm) => ({ one: { tskvm, qemu: pass } });

describe("the list of entries", () => {
  test("keys, quotes and comments", () => {
    const text =
      '# [no]\n[a]\nfile = x.flat\nsmp = 2\ntest_args = "-p q"\nqemu_params = -cpu max -m 4g\n\n[b]\ngroups = g h\n';
    const [a, b, ...others] = parseUnitTests(text);
    expect(a).toMatchObject({
      name: "a",
      file: "x.flat",
      smp: 2,
      args: "-p q",
      qemuParams: ["-cpu", "max", "-m", "4g"],
    });
    expect(b).toMatchObject({ name: "b", file: "b.flat", smp: 1, args: "", groups: ["g", "h"], timeout: undefined });
    expect(others).toEqual([]);
  });
});

describe("a verdict", () => {
  const outcome = (/** @type {number | undefined} */ status, text = "", errors = "", timedOut = false) =>
    judge({ status, output: Buffer.from(text), errors, timedOut, seconds: 1 }, /^tskvm: .*/m);

  test("comes from the debug-exit status", () => {
    expect(outcome(1)).toEqual(pass);
    expect(outcome(77, "SKIP: no PMU\n")).toEqual({ verdict: "skip", reason: "no PMU" });
    const failed = outcome(3, "PASS: a\nFAIL: b 12\nFAIL: b 0x3f\nSUMMARY: 3 tests, 2 unexpected failures\n");
    expect(failed).toEqual(fail("SUMMARY: 3 tests, 2 unexpected failures", "b N"));
  });

  test("is fail when the machine complains or the deadline comes, whatever the status", () => {
    expect(outcome(1, "", "tskvm: triple fault\n").verdict).toBe("fail");
    expect(outcome(undefined, "PASS: a\n", "", true)).toEqual({ verdict: "fail", reason: "does not end in time" });
  });
});

describe("against the committed table", () => {
  test("a lower verdict, a new failing check and an unknown entry are worse", () => {
    expect(regressions(row(pass), row(pass))).toEqual([]);
    expect(regressions(row(pass), row(skip))).toHaveLength(1);
    expect(regressions(row(skip), row(fail("why")))).toHaveLength(1);
    expect(regressions(row(fail("why", "a")), row(fail("why", "a")))).toEqual([]);
    expect(regressions(row(fail("why", "a")), row(fail("why", "a", "b")))).toEqual(["one: a new failure: b"]);
    expect(regressions({}, row(pass))).toHaveLength(1);
    expect(improvements(row(fail("why")), row(pass))).toHaveLength(1);
  });

  test("a cause stays as long as its verdict does", () => {
    const committed = { one: { ...row(fail("why")).one, cause: "a gap" } };
    expect(mergeTables(committed, row(fail("other"))).one).toMatchObject({ cause: "a gap", tskvm: fail("other") });
    expect(mergeTables(committed, row(pass)).one).toEqual({ tskvm: pass, qemu: pass });
  });
});

test("the kernel that starts a ROM is a multiboot kernel with addresses", () => {
  const words = new Uint32Array(realModeKernel().slice(0, 32).buffer);
  expect(((words[0] ?? 0) + (words[1] ?? 0) + (words[2] ?? 0)) % 2 ** 32).toBe(0);
  expect(words.slice(3)).toEqual(Uint32Array.of(0x10_0000, 0x10_0000, 0, 0, 0x10_0020));
});
