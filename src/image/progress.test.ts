import { describe, expect, test } from "vitest";
import { formatBytes, progressOn } from "./progress.ts";

function recorder(isTTY: boolean, columns = 80): { stream: Parameters<typeof progressOn>[0]; written: string[] } {
  const written: string[] = [];
  return { written, stream: { isTTY, columns, write: (text: string) => written.push(text) } };
}

describe("progress", () => {
  test("in a pipe: one plain line for each thing", () => {
    const { stream, written } = recorder(false);
    const progress = progressOn(stream);
    for (const done of [0, 500_000, 1_000_000]) progress.advance("a.deb", done, 1_000_000);
    progress.advance("b.deb", 250_000, 1_000_000);
    progress.note("warning: x");
    progress.end();
    expect(written).toEqual(["a.deb (1.0 MB)\n", "b.deb (1.0 MB, resumed at 250 kB)\n", "warning: x\n"]);
  });

  test("on a terminal: a bar that fits its width, drawn seldom, gone at the end", () => {
    const { stream, written } = recorder(true, 60);
    let time = 0;
    const progress = progressOn(stream, () => time);
    for (let done = 0; done <= 1000; done++) {
      time += 1;
      progress.advance("a rather long name of some package 1:2.3-4", done * 1000, 1_000_000);
    }
    expect(written.length).toBeGreaterThan(5);
    expect(written.length).toBeLessThan(20);
    expect(written.at(-1)).toContain("100%");
    for (const line of written) expect(line.replace("\r", "").replace("\x1b[K", "").length).toBeLessThan(60);
    progress.end();
    expect(written.at(-1)).toBe("\r\x1b[K");
  });

  test("sizes", () => {
    expect([0, 999, 1500, 26_713_492].map(formatBytes)).toEqual(["0 B", "999 B", "2 kB", "26.7 MB"]);
  });
});
