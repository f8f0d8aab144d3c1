import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "vitest";

/**
 * Compares text with the committed file test/golden/`name`. With BLESS=1 in the environment the text is accepted: it is
 * written to the file.
 */
export function expectGolden(name: string, text: string): void {
  const file = new URL(name, import.meta.url);
  if (process.env.BLESS === "1") {
    mkdirSync(dirname(file.pathname), { recursive: true });
    writeFileSync(file, text);
  }
  if (!existsSync(file))
    throw new Error(`test/golden/${name} does not exist; run the test with BLESS=1 to accept its output`);
  expect(text, `test/golden/${name} (BLESS=1 accepts the new output)`).toBe(readFileSync(file, "utf8"));
}

/** Bytes as lines of 16: offset, hexadecimal, ASCII. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = Array.from(bytes.subarray(at, at + 16));
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = part.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(47)}  ${ascii}\n`);
  }
  return lines.join("");
}
