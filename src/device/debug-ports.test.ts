import { expect, test } from "vitest";
import { MemoryBackend } from "../backend/chardev/memory-backend.ts";
import { DebugConsole, DebugExit, PostPort } from "./debug-ports.ts";

test("debug exit turns V into (V << 1) | 1, in 32 bits", () => {
  const seen: number[] = [];
  const port = new DebugExit({ onExit: (status) => seen.push(status) });
  for (const value of [0, 1, 0x10, 0xffff_ffff]) port.write(0, 4, value);
  expect(seen).toEqual([1, 3, 0x21, 0xffff_ffff]);
});

test("the debug console sends bytes and tells that it is there", () => {
  const backend = new MemoryBackend();
  const port = new DebugConsole({ backend });
  port.write(0, 1, 0x41);
  expect([port.read(), backend.text()]).toEqual([0xe9, "A"]);
});

test("the POST port keeps the last code", () => {
  const port = new PostPort();
  port.write(0, 1, 0x55);
  expect([port.code, port.read(0, 1)]).toEqual([0x55, 0xff]);
});
