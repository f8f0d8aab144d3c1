import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { bootDisk } from "./boot-disk.mjs";
import { changedSince8086 } from "./changed-since.mjs";
import { judge as judgeTable, parseTable } from "./decoder-tables.mjs";
import { judge as judgeSelftest } from "./kselftest.mjs";
import { judge, modelOf } from "./kvm-unit-tests.mjs";
import { readOutcomes } from "./linux-guest.mjs";
import { readMoo } from "./moo.mjs";
import { judge as judgeNative } from "./native-programs.mjs";
import { realModeKernel } from "./real-mode-kernel.mjs";
import { improvements, mergeTables, regressions } from "./results.mjs";
import { runEntries } from "./suite.mjs";
import { judge as judgeTestI386 } from "./test-i386.mjs";
import { judge as judgeTestfloat } from "./testfloat.mjs";
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

test("an entry's processor lacks what the entry takes away", () => {
  expect(modelOf(["-cpu", "qemu64,-x2apic,-pcid,+invpcid"])).toMatch(/,-pcid,\+invpcid,.*,-x2apic$/);
  expect(modelOf(["-cpu", "Opteron_G1,vendor=AuthenticAMD"])).toBe("qemu64");
});

describe("a program that this machine judges", () => {
  const judged = (/** @type {string} */ text, /** @type {string} */ native, name = "sha1") =>
    judgeNative({ status: 0, output: gzipSync(text).toString("base64") }, native, name);

  test("passes if output and status are this machine's", () => {
    expect(judged("a\nstatus 0\n", "a\nstatus 0\n")).toEqual(pass);
    expect(judged("b\nstatus 0\n", "a\nstatus 0\n")).toMatchObject({ verdict: "fail", failures: ["a"] });
    expect(judged("a\nb\nstatus 0\n", "a\nstatus 0\n").verdict).toBe("fail");
    expect(judgeNative({ status: 0, output: "Oops" }, "", "sha1").verdict).toBe("fail");
    expect(judgeNative({ status: undefined, output: "" }, "", "sha1").reason).toBe("does not end");
  });

  test("may approximate otherwise", () => {
    const text = (/** @type {string} */ rcp, /** @type {string} */ add) =>
      `1 RCPPS xmm1\n${rcp}\n2 ADDPS xmm1\n${add}\n`;
    expect(judged(text("3f7f\n3f7e", "1"), text("3f80", "1"), "test-avx")).toEqual(pass);
    expect(judged(text("3f80", "2"), text("3f80", "1"), "test-avx").verdict).toBe("fail");
  });

  test("passes by its status alone if it prints addresses", () => {
    expect(judged("0x1000\nstatus 0\n", "0x2000\nstatus 0\n", "test-mmap")).toEqual(pass);
    expect(judged("0x1000\nstatus 1\n", "0x1000\nstatus 0\n", "test-mmap").verdict).toBe("fail");
  });
});

describe("vectors of an 8086", () => {
  const vector = (/** @type {number[]} */ bytes, registers = {}) => ({
    name: "",
    bytes: Uint8Array.from(bytes),
    initial: { registers: { cs: 0x100, ss: 0x2000, ds: 0x3000, es: 0x4000, ...registers }, memory: [] },
    final: { registers: {}, memory: [] },
    exception: undefined,
  });

  test.each([
    ["PUSH SP", [0x54], {}, true],
    ["PUSH AX", [0x50], {}, false],
    ["a shift by 32", [0xd2, 0xe0], { cx: 32 }, true],
    ["a shift by 31", [0xd2, 0xe0], { cx: 31 }, false],
    ["REP IDIV", [0xf3, 0xf6, 0xfb], {}, true],
    ["DAA of 9AH with AF", [0x27], { ax: 0x9a, flags: 0x10 }, true],
    ["DAA of 9AH with AF and CF", [0x27], { ax: 0x9a, flags: 0x11 }, false],
    ["an override before POP CS", [0x2e, 0x0f], {}, true],
  ])("%s", (_, bytes, registers, changed) => {
    expect(changedSince8086(vector(bytes, registers))).toBe(changed);
  });

  test("a word at the end of its segment", () => {
    const wraps = vector([0x8b, 0x07]);
    wraps.initial.memory.push(/** @type {never} */ ([0x3ffff, 1]), /** @type {never} */ ([0x30000, 2]));
    expect(changedSince8086(wraps)).toBe(true);
  });
});

test("a boot disk holds a kernel's segments where its boot sector finds them", () => {
  const elf = Buffer.alloc(0x200);
  const words = [
    [0x18, 0x8010],
    [0x1c, 0x34],
    [0x34 + 0, 1],
    [0x34 + 4, 0x100],
    [0x34 + 12, 0x8000],
    [0x34 + 16, 4],
    [0x34 + 20, 600],
  ];
  for (const [at, value] of words) elf.writeUInt32LE(value ?? 0, at);
  elf.writeUInt16LE(32, 0x2a);
  elf.writeUInt16LE(1, 0x2c);
  elf.write("code", 0x100);
  const disk = Buffer.from(bootDisk(elf));
  expect(disk.subarray(512, 516).toString()).toBe("code");
  expect(disk.readUInt16LE(510)).toBe(0xaa55);
  // the packet of the extended read: two sectors to 0800:0000, from the second on
  expect([disk.readUInt16LE(0x82), disk.readUInt32LE(0x84), disk.readUInt32LE(0x88)]).toEqual([2, 0x0800_0000, 1]);
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

test("an entry that does worse than the committed table is run again", async () => {
  const verdicts = [fail("busy"), pass];
  const tskvm = async () => verdicts.shift() ?? skip;
  const options = { deadline: undefined, qemu: true, committed: row(pass), print: () => {} };
  expect(await runEntries([{ name: "one", deadline: 1, tskvm }], options)).toEqual({ one: { tskvm: pass } });
});

describe("programs in a guest", () => {
  const output = Buffer.from("boot\n@@begin a\r\nline 1\r\nline 2\r\n\r\n@@end a 3\r\n@@begin b\r\nhangs");

  test("each has its output and status, the last one perhaps none", () => {
    expect([...readOutcomes({ output })]).toEqual([
      ["a", { status: 3, output: "line 1\nline 2\n" }],
      ["b", { status: undefined, output: "hangs" }],
    ]);
  });

  test("a selftest's status is its verdict, with the checks that failed", () => {
    expect(judgeSelftest({ status: 0, output: "" })).toEqual(pass);
    expect(judgeSelftest({ status: 4, output: "[SKIP] no AMX\n" })).toEqual({
      verdict: "skip",
      reason: "[SKIP] no AMX",
    });
    const failed = judgeSelftest({ status: 1, output: "[FAIL]\tat 0x12\n[FAIL]\tat 0x13\n" });
    expect(failed).toEqual(fail("status 1: [FAIL] at N", "at N"));
  });

  test("test-i386 is compared with the native run but for what the manual leaves open", () => {
    const run = (/** @type {string} */ text) => ({ status: 0, output: gzipSync(text).toString("base64") });
    const open = "shldw      A=1 B=2 C=00000011 R=";
    expect(judgeTestI386(run(`${open}7\naddl 3\n`), `${open}8\naddl 3\n`)).toEqual(pass);
    expect(judgeTestI386(run("addl 3\n"), "addl 4\n")).toEqual(
      fail("1 of 2 lines differ from this machine's processor", "addl"),
    );
  });

  test("TestFloat's functions are compared one by one", () => {
    const native = "== f32_add\nno errors\n== f32_sub\nno errors\n";
    expect(judgeTestfloat({ status: 0, output: native }, native)).toEqual(pass);
    const failed = judgeTestfloat({ status: 0, output: native.replace(/no errors\n$/, "20 errors\n") }, native);
    expect(failed).toEqual(fail("1 of 2 functions differ from this machine's processor", "f32_sub"));
  });
});

test("decoder tables: lengths count, and refusals of what is there", () => {
  const text =
    '{{0x0f, 0x31, }, 2, 0, "", "",\n"0f 31 \\trdtsc  ",},\n{{0xf3, 0xa4, }, 1, 0, "", "",\n"f3 a4 \\trep movsb ",},\n';
  const lines = parseTable(text);
  expect(lines.map(({ mnemonic, length }) => [mnemonic, length])).toEqual([
    ["rdtsc", 2],
    ["movsb", 1],
  ]);
  expect(judgeTable(lines, 64).failures).toEqual(["movsb: 2 bytes instead of 1"]);
  const refused = { bytes: Uint8Array.of(0x0f, 0x0a), length: 2, mnemonic: "thing" };
  expect(judgeTable([refused], 64)).toMatchObject({ verdict: "fail", failures: ["thing: refused"] });
});

test("a MOO file's vectors have registers, memory and exception", () => {
  const u16 = (/** @type {number} */ value) => [value & 0xff, value >> 8];
  const u32 = (/** @type {number} */ value) => [...u16(value & 0xffff), ...u16(value >>> 16)];
  const chunk = (/** @type {string} */ tag, /** @type {number[]} */ data) => [
    ...Buffer.from(tag),
    ...u32(data.length),
    ...data,
  ];
  const initial = [
    ...chunk("REGS", [...u16(3), ...u16(0x1234), ...u16(7)]),
    ...chunk("RAM ", [...u32(1), ...u32(0x10000), 5]),
  ];
  const parts = [
    ...chunk("NAME", [...u32(3), ...Buffer.from("nop")]),
    ...chunk("BYTS", [...u32(2), 0x90, 0xf4]),
    ...chunk("INIT", initial),
    ...chunk("EXCP", [13, ...u32(0)]),
  ];
  const file = Uint8Array.from([...chunk("MOO ", u32(0)), ...chunk("TEST", [...u32(0), ...parts])]);
  expect(readMoo(file, 10)).toEqual([
    {
      name: "nop",
      bytes: Uint8Array.of(0x90, 0xf4),
      initial: { registers: { ax: 0x1234, bx: 7 }, memory: [[0x10000, 5]] },
      final: { registers: {}, memory: [] },
      exception: 13,
    },
  ]);
});
