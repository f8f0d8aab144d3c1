import { expect, test } from "vitest";
import { parseVolume } from "./volume-option.ts";

test.each([
  [".:/work", ".", "/work", false],
  ["/a b:/c d:ro", "/a b", "/c d", true],
  ["/a:/b:rw", "/a", "/b", false],
])("%s", (text, hostPath, guestPath, readOnly) => expect(parseVolume(text)).toEqual({ hostPath, guestPath, readOnly }));

test.each(["", "/a", "/a:", ":/b", "/a:b", "/a:/b:rx"])("%j is refused", (text) =>
  expect(() => parseVolume(text)).toThrow(/does not name two folders/),
);
