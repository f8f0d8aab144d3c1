import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bzImage } from "../guest/kernel-files.ts";
import { program, tripleFault } from "../guest/programs.ts";
import { BIN, finished, scratchDirectory, start, tskvm } from "./tskvm.ts";

const files = scratchDirectory();
const missing = `${files.path}/nowhere`;
const text = files.write("text", "not a kernel at all\n");
const large = files.write("large", bzImage({ init_size: 0x800_0000, pref_address: 0x100_0000 }));
const triple = files.write("triple", program(tripleFault));

describe("an error names its cause and a remedy, with status 1 and without a stack trace", () => {
  test.each<[what: string, args: string[], cause: RegExp, remedy: RegExp]>([
    ["an unknown option", ["run", "--kernle", "x"], /unknown option --kernle/, /Did you mean --kernel\?/],
    ["QEMU's spelling", ["run", "-append", "x"], /unknown option -append/, /two dashes here: --append/],
    ["an unknown command", ["rnu"], /unknown command "rnu"/, /Did you mean run\?/],
    ["an option without its value", ["run", "--kernel"], /--kernel needs a value/, /--kernel FILE/],
    ["a flag with a value", ["run", "--debug-exit=3"], /--debug-exit takes no value/, /alone/],
    ["a stray argument", ["run", "vmlinuz"], /"vmlinuz" is no image/, /--kernel vmlinuz/],
    ["a missing file", ["run", "--kernel", missing], /cannot read the kernel .*nowhere: there is no such/, /path/],
    ["a directory", ["run", "--kernel", files.path], /it is a directory/, /path/],
    ["a missing initrd", ["run", "--kernel", text, "--initrd", missing], /cannot read the initrd/, /path/],
    ["what is not a kernel", ["run", "--kernel", text], /text is not a kernel/, /\n {2}\S/],
    ["memory that is no amount", ["run", "--memory", "much"], /"much" is not an amount/, /512M or 1G/],
    ["memory that the machine does not take", ["run", "--memory", "16M"], /16 MiB/, /32 to 3072 MiB/],
    ["too little memory for the kernel", ["run", "--kernel", large, "-m", "64M"], /memory/, /\n {2}\S/],
    ["a disk that is not there", ["run", "--disk", `${missing}.qcow2`], /nowhere.qcow2 does not exist/, /disk create/],
    ["a disk's wrong word", ["run", "--disk", `${text},fromat=raw`], /does not know "fromat=raw"/, /mean format\?/],
    [
      "a CPU model that there is not",
      ["run", "--cpu", "x86-64-v9"],
      /no CPU model "x86-64-v9"/,
      /Did you mean x86-64-v/,
    ],
    ["a CPU feature that there is not", ["run", "--cpu", "+rdrnd"], /no CPU feature "rdrnd"/, /Did you mean rdrand\?/],
    ["more CPUs than the engine has", ["run", "--cpus", "9"], /does not run 9 CPUs/, /1 to 8/],
    ["an unknown architecture", ["run", "--arch", "vax"], /--arch vax/, /amd64, i386/],
    ["an unknown image", ["run", "--image", "debain"], /unknown image "debain"/, /Did you mean debian\?/],
    ["an unknown action", ["images", "pul"], /unknown action/, /Did you mean pull\?/],
    ["--exec with an initrd", ["run", "--exec", "true", "--initrd", text], /do not go together/, /Leave --initrd out/],
  ])("%s", async (_what, args, cause, remedy) => {
    const { status, stdout, stderr } = await tskvm(args);
    expect(stderr).toMatch(cause);
    expect(stderr).toMatch(remedy);
    expect(stderr).toMatch(/^tskvm: [^\n]+\n {2}/);
    expect(stderr).not.toMatch(/^\s+at .*:\d+/m);
    expect([status, stdout]).toEqual([1, ""]);
  });

  test("an output that takes nothing", async (context) => {
    context.skip(!existsSync("/dev/full"), "there is no /dev/full");
    const shell = start("sh", ["-c", `"${process.execPath}" "${BIN}" --help >/dev/full`]);
    const { status, stderr } = await finished(shell);
    expect(stderr).toMatch(/^tskvm: cannot write to standard output: ENOSPC[^\n]*\n {2}\S/);
    expect(status).toBe(1);
  });

  test("a triple fault of the guest, with registers and the bytes of the instruction", async () => {
    const { status, stderr } = await tskvm(["run", "--kernel", triple, "-m", "64M"]);
    expect(stderr).toMatch(/^tskvm: the guest's processor shut down after a triple fault\n/);
    expect(stderr).toMatch(/ rip 0000000000100007 /);
    expect(stderr).toMatch(/ code 0f 0b /);
    expect(status).toBe(1);
  });
});
