import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAptProxies, proxyFor } from "./apt-proxy.ts";
import { mirrorArchives, parseDeb822Sources, parseOneLineSources, readAptSources } from "./apt-sources.ts";
import { findPackage, parseStanzas } from "./control.ts";

describe("control files", () => {
  test("stanzas, continuations, comments", () => {
    const [first, second] = parseStanzas("A: 1\n# no\nB:\n x\n .\n y\n\n\nA:2\n");
    expect(first?.get("b")).toBe("\nx\n.\ny");
    expect(second?.get("a")).toBe("2");
  });

  test("packages are found by their whole name, wherever they stand", () => {
    const index = Buffer.from("Package: a\nVersion: 1\n\nPackage: a-b\nVersion: 2\n\nArch: x\nPackage: a\nVersion: 3");
    expect(findPackage(index, "a").map((stanza) => stanza.get("version"))).toEqual(["1", "3"]);
    expect(findPackage(index, "a-b").map((stanza) => stanza.get("version"))).toEqual(["2"]);
    expect(findPackage(index, "b")).toEqual([]);
  });
});

describe("apt's sources", () => {
  test("one-line style", () => {
    const text =
      "# deb http://no x main\ndeb-src http://no x main\ndeb [arch=amd64 signed-by=/k.gpg] http://h/d/ s/ main c # z\n";
    expect(parseOneLineSources(text)).toEqual([
      {
        uri: "http://h/d",
        suite: "s",
        components: ["main", "c"],
        signedBy: "/k.gpg",
        trusted: false,
        checkValidUntil: true,
      },
    ]);
  });

  test("deb822 style", () => {
    const text =
      "Types: deb deb-src\nURIs: http://a http://b\nSuites: x y\nComponents: main\nTrusted: yes\n\n" +
      "Types: deb\nEnabled: no\nURIs: http://c\nSuites: x\nComponents: main\n";
    const archives = parseDeb822Sources(text);
    expect(archives.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
      "http://a x",
      "http://a y",
      "http://b x",
      "http://b y",
    ]);
    expect(archives.every(({ trusted }) => trusted)).toBe(true);
  });

  test("of a directory: Debian's archives, and no others", async () => {
    const directory = await mkdtemp(join(tmpdir(), "tskvm-test-"));
    try {
      await expect(readAptSources(directory)).rejects.toThrow(/no Debian archive/);
      await mkdir(join(directory, "sources.list.d"));
      await writeFile(
        join(directory, "sources.list"),
        "deb http://h/debian bookworm main\ndeb cdrom:[x]/ bookworm main\n",
      );
      const thirdParties =
        "deb http://t bookworm stable\ndeb http://t sdk-bookworm main\ndeb http://t bookworm-pgdg main\n";
      await writeFile(join(directory, "sources.list.d", "third.list"), thirdParties);
      const security = "Types: deb\nURIs: http://s\nSuites: bookworm-security\nComponents: main\n";
      await writeFile(join(directory, "sources.list.d", "s.sources"), security);
      const found = await readAptSources(directory);
      expect(found.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
        "http://h/debian bookworm",
        "http://s bookworm-security",
      ]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("a mirror stands for its suites, and takes a source line's options", () => {
    const found = mirrorArchives("[trusted=yes] http://h/debian/");
    expect(found.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
      "http://h/debian bookworm",
      "http://h/debian bookworm-updates",
      "http://h/debian bookworm-security",
      "http://h/debian-security bookworm-security",
    ]);
    expect(found.every(({ trusted }) => trusted)).toBe(true);
    expect(() => mirrorArchives("somewhere")).toThrow(/not a mirror/);
  });
});

describe("proxies", () => {
  const config = parseAptProxies(
    'Acquire "";\nAcquire::http::Proxy "http://p:3142";\nAcquire::http::Proxy::direct.example "DIRECT";\n',
  );

  test.each([
    ["http://h/", {}, "http://p:3142"],
    ["https://h/", {}, "http://p:3142"],
    ["http://direct.example/", { http_proxy: "http://e" }, undefined],
    ["http://127.0.0.1:8000/", {}, undefined],
  ])("apt's: %s", (url, env, expected) => expect(proxyFor(new URL(url), config, env)).toBe(expected));

  test.each([
    ["http://h/", { http_proxy: "http://e" }, "http://e"],
    ["https://h/", { HTTPS_PROXY: "http://e" }, "http://e"],
    ["http://a.h/", { http_proxy: "http://e", no_proxy: "x, .h" }, undefined],
    ["http://ah/", { http_proxy: "http://e", no_proxy: "h" }, "http://e"],
    ["http://h/", {}, undefined],
  ])("the environment's: %s %j", (url, env, expected) => expect(proxyFor(new URL(url), new Map(), env)).toBe(expected));
});
