import { expect, test } from "vitest";
import { PortSpace } from "../../bus/pio.ts";
import { ResetControl } from "../system-control.ts";
import { PciConfigPorts } from "./config-ports.ts";
import { HostBridge } from "./host-bridge.ts";

function create() {
  let resets = 0;
  const resetControl = new ResetControl({ onReset: () => resets++ });
  const bridge = new HostBridge({ vendorId: 0x1b36, deviceId: 0x0008, subsystemVendorId: 0x1111, subsystemId: 0x2222 });
  const config = new PciConfigPorts(new Map([[0, bridge]]), new Map([[1, resetControl]]));
  const ports = new PortSpace();
  ports.claim("pci", 0xcf8, 8, config);
  return { ports, config, resets: () => resets };
}

test("a driver's probe for mechanism #1 succeeds [PCI 3.0 3.2.2.3.2]", () => {
  const { ports } = create();
  ports.write(0xcfb, 1, 0x01);
  ports.write(0xcf8, 4, 0x8000_0000);
  expect(ports.read(0xcf8, 4)).toBe(0x8000_0000);
  ports.write(0xcf8, 4, 0xffff_ffff);
  expect(ports.read(0xcf8, 4)).toBe(0x80ff_fffc);
});

test("there is a host bridge at 00:00.0 and nothing else", () => {
  const { ports } = create();
  const found: number[] = [];
  for (let id = 0; id < 0x200; id++) {
    ports.write(0xcf8, 4, 0x8000_0000 + id * 0x100);
    if (ports.read(0xcfc, 4) !== 0xffff_ffff) found.push(id);
  }
  expect(found).toEqual([0]);
  ports.write(0xcf8, 4, 0x8000_0008);
  expect([ports.read(0xcfe, 2), ports.read(0xcff, 1)]).toEqual([0x0600, 0x06]);
  ports.write(0xcf8, 4, 0x8000_0000);
  ports.write(0xcfc, 4, 0);
  expect([ports.read(0xcfc, 2), ports.read(0xcfe, 2)]).toEqual([0x1b36, 0x0008]);
  ports.write(0xcf8, 4, 0x0000_0000);
  expect(ports.read(0xcfc, 4)).toBe(0xffff_ffff);
});

test("byte accesses at 0xcf9 reach the reset control register and leave the address alone", () => {
  const { ports, resets } = create();
  ports.write(0xcf8, 4, 0x8000_1234);
  ports.write(0xcf9, 1, 0x02);
  ports.write(0xcf9, 1, 0x06);
  expect([resets(), ports.read(0xcf9, 1), ports.read(0xcf8, 1), ports.read(0xcf8, 4)]).toEqual([
    1, 6, 0xff, 0x8000_1234,
  ]);
});
