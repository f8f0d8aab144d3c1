import { expect, test } from "vitest";
import { parseImageName } from "../roots/image-name.ts";
import { formatReference, parseReference } from "./reference.ts";

const DIGEST = `sha256:${"0a".repeat(32)}`;

test.each([
  ["alpine", "docker.io/library/alpine:latest"],
  ["alpine:3.20", "docker.io/library/alpine:3.20"],
  ["owner/name", "docker.io/owner/name:latest"],
  ["docker.io/library/debian:12", "docker.io/library/debian:12"],
  ["ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1"],
  ["localhost/x", "localhost/x:latest"],
  ["localhost:5000/x:y", "localhost:5000/x:y"],
  ["127.0.0.1:5000/x", "127.0.0.1:5000/x:latest"],
  [`quay.io/x/y:tag@${DIGEST}`, `quay.io/x/y@${DIGEST}`],
])("%s is %s", (text, whole) => expect(formatReference(parseReference(text))).toBe(whole));

test.each([
  "",
  "Alpine",
  "a b",
  "a//b",
  "/etc/passwd",
  "a:",
  "a:b:c",
  "a@sha256:1",
  "../x",
  "host.io/",
  "a/../b",
  "-x",
])('"%s" is refused', (text) => expect(() => parseReference(text)).toThrow(/is no name of an image/));

test("debian:12 is ours, docker.io/library/debian:12 the registry's", () => {
  expect(parseImageName("debian:12")).toEqual({ kind: "debian", name: "debian:12", suite: "bookworm" });
  expect(parseImageName("debian:bookworm")).toEqual(parseImageName("debian:12"));
  expect(parseImageName("docker.io/library/debian:12").kind).toBe("registry");
  expect(parseImageName("debian")).toEqual({ kind: "kernel", name: "debian" });
  expect(parseImageName("debian:11").kind).toBe("registry");
  expect(parseImageName("oci:a/b:c:d")).toMatchObject({ kind: "layout", tag: "c:d" });
});
