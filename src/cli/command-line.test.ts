import { describe, expect, test } from "vitest";
import { UserError } from "../base/assert.ts";
import { parseCommandLine } from "./command-line.ts";

const TABLE = {
  kernel: { value: "FILE", help: "" },
  module: { value: "FILE", multiple: true, help: "" },
  memory: { short: "m", value: "SIZE", help: "" },
  "debug-exit": { help: "" },
  help: { short: "h", help: "" },
} as const;

const parse = (...args: string[]) => parseCommandLine("tskvm run", TABLE, args);

function failure(...args: string[]): UserError {
  try {
    parse(...args);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("it was taken");
}

describe("arguments", () => {
  test("behind the first that is no option belong to something else, if they are to", () => {
    const args = ["-m1", "name", "--kernel", "-x", "--", "y"];
    const { values, positionals } = parseCommandLine("tskvm exec", TABLE, args, true);
    expect(values).toEqual({ memory: "1" });
    expect(positionals).toEqual(args.slice(1));
  });

  test("values apart or after =, flags, short options, and what is no option", () => {
    const { values, positionals } = parse("--kernel", "a b", "--debug-exit", "-m512", "x", "--module=--y", "--", "-z");
    expect(values).toEqual({ kernel: "a b", "debug-exit": true, memory: "512", module: ["--y"] });
    expect(positionals).toEqual(["x", "-z"]);
  });

  test("the last of several counts, unless all do", () => {
    const { values } = parse("--kernel", "a", "--module", "1", "--kernel", "b", "--module", "2");
    expect(values).toEqual({ kernel: "b", module: ["1", "2"] });
  });

  test("an empty value and a lone dash are values", () => {
    expect(parse("--kernel", "", "--memory", "-").values).toEqual({ kernel: "", memory: "-" });
  });
});

describe("mistakes", () => {
  test.each<[args: string[], message: string, remedy: RegExp]>([
    [["--kernle"], "unknown option --kernle", /^Did you mean --kernel\? `tskvm run --help`/],
    [["--mem=1"], "unknown option --mem", /--memory/],
    [["--frobnicate"], "unknown option --frobnicate", /^`tskvm run --help` lists/],
    [["-debug-exit"], "unknown option -debug-exit", /two dashes here: --debug-exit/],
    [["-smp", "2"], "unknown option -smp", /--cpus/],
    [["-x"], "unknown option -x", /lists/],
    [["--constructor"], "unknown option --constructor", /lists/],
    [["--kernel"], "--kernel needs a value", /--kernel FILE/],
    [["--kernel", "--help"], '--kernel needs a value, and "--help" looks like an option', /--kernel=--help/],
    [["--help=yes"], "--help takes no value", /alone/],
  ])("%j", (args, message, remedy) => {
    expect(failure(...args).message).toBe(message);
    expect(failure(...args).remedy).toMatch(remedy);
  });
});
