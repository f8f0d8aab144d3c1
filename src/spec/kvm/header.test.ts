import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bareType, type FieldType, type StructLayout, sizeOf } from "../../base/struct-layout.ts";
import * as capability from "./capability.ts";
import * as errno from "./errno.ts";
import * as exit from "./exit.ts";
import * as ioctl from "./ioctl.ts";
import * as runStruct from "./run-struct.ts";
import * as vcpuStruct from "./vcpu-struct.ts";
import * as vmStruct from "./vm-struct.ts";

/** Everything src/spec/kvm says, asked of the C compiler and the kernel's own headers. */
const HEADERS = ["errno.h", "stddef.h", "stdio.h", "sys/ioctl.h", "linux/kvm.h"];
const exported: [string, unknown][] = [capability, errno, exit, ioctl, runStruct, vcpuStruct, vmStruct].flatMap(
  (module): [string, unknown][] => Object.entries(module),
);

function isLayout(value: unknown): value is StructLayout {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "struct";
}

const layouts = exported.map(([, value]) => value).filter(isLayout);
const constants = exported.filter((entry): entry is [string, number] => typeof entry[1] === "number");

interface Fact {
  readonly name: string;
  readonly value: number;
  /** A C expression of the same. */
  readonly expression: string;
}

function structFacts(layout: StructLayout): Fact[] {
  const type = `struct ${layout.name}`;
  return [{ name: type, value: layout.size, expression: `sizeof(${type})` }, ...memberFacts(type, "", 0, layout)];
}

function memberFacts(type: string, prefix: string, base: number, layout: StructLayout): Fact[] {
  return Object.entries(layout.fields).flatMap(([name, declared]) => {
    const member = bareType(declared);
    const path = prefix + name;
    const offset = base + layout.offsets[name]!;
    const facts = [{ name: `${type}.${path}`, value: offset, expression: `offsetof(${type}, ${path})` }];
    if (!isFlexible(member))
      facts.push({
        name: `size of ${type}.${path}`,
        value: sizeOf(member),
        expression: `sizeof(((${type} *)0)->${path})`,
      });
    return isLayout(member) ? [...facts, ...memberFacts(type, `${path}.`, offset, member)] : facts;
  });
}

function isFlexible(type: FieldType): boolean {
  return typeof type !== "string" && type.kind === "array" && type.length === undefined;
}

function program(facts: Fact[]): string {
  const structs = facts.map((fact) => `  printf("%llu\\n", (unsigned long long)(${fact.expression}));`);
  const macros = constants.map(
    ([name]) => `#ifdef ${name}\n  printf("%llu\\n", (unsigned long long)(${name}));\n#else\n  puts("absent");\n#endif`,
  );
  const includes = HEADERS.map((header) => `#include <${header}>`);
  return [...includes, "int main(void) {", ...structs, ...macros, "  return 0;", "}", ""].join("\n");
}

/** Why the compiler cannot be asked; undefined if it can. */
function obstacle(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return "the host is not x86-64 Linux";
  const includes = HEADERS.map((header) => `#include <${header}>\n`).join("");
  const result = spawnSync("cc", ["-fsyntax-only", "-x", "c", "-"], { input: includes });
  if (result.error) return "there is no C compiler";
  return result.status === 0 ? undefined : "there are no kernel headers (linux-libc-dev)";
}

describe("src/spec/kvm says what linux/kvm.h says", () => {
  const folder = mkdtempSync(join(tmpdir(), "kvm-header-"));
  const facts = layouts.flatMap(structFacts);
  const missing = obstacle();
  let answers: string[] = [];

  beforeAll(() => {
    if (missing) return;
    writeFileSync(join(folder, "facts.c"), program(facts));
    execFileSync("cc", ["-o", join(folder, "facts"), join(folder, "facts.c")]);
    answers = execFileSync(join(folder, "facts"), { encoding: "utf8" }).trim().split("\n");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("sizes and offsets", (context) => {
    context.skip(missing !== undefined, missing);
    expect(layouts.length).toBeGreaterThan(35);
    const wrong = facts.filter((fact, index) => String(fact.value) !== answers[index]);
    expect(wrong).toEqual([]);
  });

  test("constants, as far as this header has them", (context) => {
    context.skip(missing !== undefined, missing);
    const given = answers.slice(facts.length);
    expect(given.length).toBe(constants.length);
    expect(given.filter((value) => value !== "absent").length).toBeGreaterThan(200);
    const wrong = constants.filter(
      ([, value], index) => given[index] !== "absent" && String(value >>> 0) !== given[index],
    );
    expect(wrong).toEqual([]);
  });
});

describe("names", () => {
  test("of errors and exits, with a fallback", () => {
    expect(errno.errnoName(errno.EINVAL)).toBe("EINVAL");
    expect(errno.errnoName(200)).toBe("errno 200");
    expect(exit.exitReasonName(exit.KVM_EXIT_SHUTDOWN)).toBe("KVM_EXIT_SHUTDOWN");
    expect(exit.exitReasonName(99)).toBe("exit reason 99");
  });

  test("every errno and exit reason has its own", () => {
    const errors = Object.entries(errno).filter((entry) => typeof entry[1] === "number");
    for (const [name, value] of errors) expect(errno.errnoName(value as number)).toBe(name);
    for (const [name, value] of Object.entries(exit))
      if (/^KVM_EXIT_(?!IO_)/.test(name)) expect(exit.exitReasonName(value as number)).toBe(name);
  });
});
