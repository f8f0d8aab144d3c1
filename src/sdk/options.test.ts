import { expect, test } from "vitest";
import { memoryBytes } from "./options.ts";

const MIB = 1 << 20;

test.each([
  [undefined, 512 * MIB],
  ["512M", 512 * MIB],
  ["64", 64 * MIB],
  ["1g", 1024 * MIB],
  ["1.5G", 1536 * MIB],
  ["65536 KiB", 64 * MIB],
  [128 * MIB, 128 * MIB],
])("%s", (memory, bytes) => expect(memoryBytes(memory)).toBe(bytes));

test.each(["", "M", "1T", "-1", "0x100", "1e3M", "31M", "3073M", "33.5M", 1, Number.NaN])("%s is refused", (memory) =>
  expect(() => memoryBytes(memory)).toThrow(/memory/),
);
