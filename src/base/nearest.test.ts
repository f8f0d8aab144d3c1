import { expect, test } from "vitest";
import { nearest } from "./nearest.ts";

const WORDS = ["kernel", "initrd", "memory", "no-reboot", "module"];

test.each([
  ["kernle", "kernel"],
  ["Kernel", "kernel"],
  ["intird", "initrd"],
  ["mem", "memory"],
  ["noreboot", "no-reboot"],
  ["mo", "module"],
  ["m", undefined],
  ["disk", undefined],
  ["", undefined],
])("%s is meant as %s", (word, expected) => expect(nearest(word, WORDS)).toBe(expected));
