import { expect, test } from "vitest";
import { PcTestdev } from "./pc-testdev.ts";

function create() {
  const changes: string[] = [];
  const line = (number: number) => ({ set: (level: boolean) => void changes.push(`${number}:${level}`) });
  return { device: new PcTestdev({ line }), changes };
}

test("the echo register keeps what is written, byte by byte", () => {
  const { device } = create();
  device.echo.write(0, 4, 0x1234_5678);
  device.echo.write(1, 1, 0xff);
  expect([device.echo.read(0, 4), device.echo.read(2, 2)]).toEqual([0x1234_ff78, 0x1234]);
});

test("a line follows what is written to its byte", () => {
  const { device, changes } = create();
  device.lines.write(14, 1, 1);
  device.lines.write(14, 1, 0);
  expect(changes).toEqual(["14:true", "14:false"]);
});

test("state goes through a snapshot, and reset clears it", () => {
  const { device } = create();
  device.echo.write(0, 4, 0xffff_ffff);
  device.lines.write(23, 1, 1);
  device.memory.write(0xfffe, 2, 0xabcd);
  const { device: other, changes } = create();
  other.restore(JSON.parse(JSON.stringify(device.snapshot())));
  expect([other.echo.read(0, 4), other.memory.read(0xfffc, 4)]).toEqual([0xffff_ffff, 0xabcd_0000]);
  expect(changes).toContain("23:true");
  other.reset();
  expect(other.snapshot()).toEqual({ version: 1, echo: 0, lines: 0, memory: {} });
});
