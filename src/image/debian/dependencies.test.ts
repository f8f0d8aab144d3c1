import { expect, test } from "vitest";
import type { Package, PackageIndexes } from "./archive.ts";
import { resolveDependencies } from "./dependencies.ts";

/** An index of packages: what each depends on, and what it provides. */
function indexOf(packages: Readonly<Record<string, readonly [depends: string, provides?: string]>>): PackageIndexes {
  const find = (name: string): Package => {
    const [depends, provides = ""] = packages[name]!;
    const deb = { urls: [], size: 0, sha256: "", label: name };
    return { name, version: "1", depends, preDepends: "", provides, archiveUri: "", deb };
  };
  return {
    find,
    has: (name) => Object.hasOwn(packages, name),
    select: (pattern) => Object.keys(packages).filter((name) => pattern.test(`Provides: ${packages[name]![1] ?? ""}`)),
    signatureChecked: true,
  };
}

const names = (indexes: PackageIndexes, wanted: string[]) =>
  resolveDependencies(indexes, wanted).map(({ name }) => name);

test("dependencies come with their own; of alternatives one that is chosen, else the first that there is", () => {
  const indexes = indexOf({
    aa: ["bb (>= 2:1.0-1), missing | cc [amd64], dd | ee"],
    bb: ["aa, libx:any"],
    cc: [""],
    dd: ["never"],
    ee: [""],
    libx: [""],
  });
  expect(names(indexes, ["aa", "ee"]).sort()).toEqual(["aa", "bb", "cc", "ee", "libx"]);
});

test("a virtual package is what is chosen already, else what first provides it", () => {
  const indexes = indexOf({ base: ["awk"], gawk: ["", "awk"], mawk: ["", "x, awk (= 1)"], gawkish: ["", "awk-extra"] });
  expect(names(indexes, ["base", "mawk"])).toEqual(["base", "mawk"]);
  expect(names(indexes, ["base"])).toEqual(["base", "gawk"]);
});

test("what no package is or provides is an error that names who needs it", () => {
  expect(() => names(indexOf({ a: ["nothing (>= 1)"] }), ["a"])).toThrow("a needs nothing (>= 1)");
});
