import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeDatabase } from "./dpkg-database.ts";

const scratch = mkdtempSync(join(tmpdir(), "tskvm-dpkg-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const bytes = (text: string) => new TextEncoder().encode(text);

test("dpkg finds packages unpacked, with their files, configuration files and triggers", (context) => {
  context.skip(spawnSync("dpkg-query", ["--version"]).error !== undefined, "needs dpkg");
  const describe = (name: string, more = "") =>
    `Package: ${name}\nVersion: 1\nArchitecture: amd64\nMaintainer: m <m@m>\n${more}Description: d\n`;
  const one = new Map([
    ["control", bytes(describe("one", "Multi-Arch: same\n"))],
    ["conffiles", bytes("/etc/one.conf\n/etc/not-there\n")],
    ["triggers", bytes("# a comment\ninterest-noawait /usr/lib/one\ninterest named\nactivate other\n")],
    ["postinst", bytes("#!/bin/sh\n")],
  ]);
  const packages = [
    { control: one, paths: ["/etc", "/etc/one.conf"], md5: new Map([["/etc/one.conf", "0".repeat(32)]]) },
    {
      control: new Map([["control", bytes(describe("two"))]]),
      paths: ["/usr/bin/two"],
      md5: new Map<string, string>(),
    },
  ];
  writeDatabase(packages, "amd64", (path, data, mode = 0o644) => {
    mkdirSync(dirname(join(scratch, path)), { recursive: true });
    writeFileSync(join(scratch, path), data, { mode });
  });
  const admin = join(scratch, "var/lib/dpkg");
  const query = (...args: string[]) =>
    spawnSync("dpkg-query", ["--admindir", admin, ...args], { encoding: "utf8" }).stdout;
  expect(query("-W", "-f", `\${Package} \${Status}\n`)).toBe("one install ok unpacked\ntwo install ok unpacked\n");
  expect(query("-L", "one:amd64")).toBe("/.\n/etc\n/etc/one.conf\n");
  expect(query("-S", "/usr/bin/two")).toBe("two: /usr/bin/two\n");
  expect(query("-W", "-f", `\${Conffiles}`, "one")).toBe(` /etc/one.conf ${"0".repeat(32)}`);
  expect(readFileSync(join(admin, "triggers/File"), "utf8")).toBe("/usr/lib/one one:amd64/noawait\n");
  expect(readFileSync(join(admin, "triggers/named"), "utf8")).toBe("one:amd64\n");
});
