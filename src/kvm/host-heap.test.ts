import { describe, expect, test } from "vitest";
import { HostHeap } from "./host-heap.ts";

const WASM_PAGE = 0x1_0000;

function heap(maximum = 4) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum, shared: true });
  return { memory, heap: new HostHeap(memory, 0x1234, 4 * WASM_PAGE) };
}

describe("HostHeap", () => {
  test("gives pages above the engine's own and grows the memory", () => {
    const { memory, heap: map } = heap();
    expect(map.map(0x1000)).toBe(0x2000);
    expect(memory.buffer.byteLength).toBe(WASM_PAGE);
    expect(map.map(WASM_PAGE)).toBe(0x3000);
    expect(memory.buffer.byteLength).toBe(2 * WASM_PAGE);
  });

  test("what it gives is zero, also the second time and beyond the first size", () => {
    const { memory, heap: map } = heap();
    const at = map.map(2 * WASM_PAGE);
    new Uint8Array(memory.buffer, at, 2 * WASM_PAGE).fill(0xaa);
    map.unmap(at, 2 * WASM_PAGE);
    expect(map.map(0x1000)).toBe(at);
    expect(new Uint8Array(memory.buffer, at, 0x1000).every((byte) => byte === 0)).toBe(true);
    const rest = map.map(2 * WASM_PAGE);
    expect(new Uint8Array(memory.buffer, rest, 2 * WASM_PAGE).every((byte) => byte === 0)).toBe(true);
  });

  test("ENOMEM beyond its end, and where the memory cannot grow; then the pages are free again", () => {
    expect(() => heap().heap.map(5 * WASM_PAGE)).toThrow("mmap: ENOMEM");
    const { heap: small } = heap(2);
    expect(() => small.map(3 * WASM_PAGE)).toThrow("mmap: ENOMEM");
    expect(small.map(0x1000)).toBe(0x2000);
  });

  test("EINVAL for what it did not give", () => {
    const { heap: map } = heap();
    map.map(0x2000);
    expect(() => map.unmap(0x2000, 0x1000)).toThrow("munmap: EINVAL");
    expect(() => map.unmap(0x1000, 0x1000)).toThrow("munmap: EINVAL");
  });
});
