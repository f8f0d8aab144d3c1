import { expect, test } from "vitest";
import { FwCfg } from "./fw-cfg.ts";

const SELECTOR = 0;
const DATA = 1;

function create() {
  const device = new FwCfg({
    cpus: 2,
    files: new Map([
      ["etc/a", Uint8Array.of(7, 8)],
      ["opt/b", Uint8Array.of(9)],
    ]),
  });
  const read = (key: number, length: number): number[] => {
    device.write(SELECTOR, 2, key);
    return Array.from({ length }, () => device.read(DATA, 1));
  };
  return { device, read };
}

const text = (bytes: readonly number[]): string => String.fromCharCode(...bytes.filter((byte) => byte !== 0));

test("signature, interface and processors; zeros after the end and for what is not there", () => {
  const { read } = create();
  expect(text(read(0x00, 4))).toBe("QEMU");
  expect(read(0x01, 5)).toEqual([1, 0, 0, 0, 0]);
  expect(read(0x05, 3)).toEqual([2, 0, 0]);
  expect(read(0x7777, 2)).toEqual([0, 0]);
});

test("files are found by the directory, whose numbers are big-endian", () => {
  const { read } = create();
  const directory = read(0x19, 4 + 2 * 64);
  expect(directory.slice(0, 4)).toEqual([0, 0, 0, 2]);
  const entry = (n: number) => directory.slice(4 + 64 * n, 4 + 64 * n + 64);
  expect([entry(0).slice(0, 6), text(entry(0).slice(8))]).toEqual([[0, 0, 0, 2, 0, 0x20], "etc/a"]);
  expect([entry(1).slice(0, 6), text(entry(1).slice(8))]).toEqual([[0, 0, 0, 1, 0, 0x21], "opt/b"]);
  expect([read(0x20, 2), read(0x21, 2)]).toEqual([
    [7, 8],
    [9, 0],
  ]);
});

test("other accesses read 0 and change nothing; a state goes on where it was", () => {
  const { device, read } = create();
  read(0x20, 1);
  device.write(DATA, 1, 5);
  device.write(SELECTOR, 1, 0x21);
  expect([device.read(SELECTOR, 2), device.read(DATA, 4)]).toEqual([0, 0]);
  const other = create().device;
  other.restore(JSON.parse(JSON.stringify(device.snapshot())));
  expect([device.read(DATA, 1), other.read(DATA, 1)]).toEqual([8, 8]);
  other.reset();
  expect(text([other.read(DATA, 1)])).toBe("Q");
});
