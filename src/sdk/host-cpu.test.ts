import { expect, test } from "vitest";
import { parseCpuInfo } from "./host-cpu.ts";

const text = (vendor: string) => `processor\t: 0
vendor_id\t: ${vendor}
cpu family\t: 25
model\t\t: 97
model name\t: AMD Ryzen 9 7950X 16-Core Processor
stepping\t: 2

processor\t: 1
vendor_id\t: ${vendor}
`;

test("the first processor of /proc/cpuinfo", () => {
  const brand = "AMD Ryzen 9 7950X 16-Core Processor";
  expect(parseCpuInfo(text("AuthenticAMD"))).toEqual({
    vendor: "AuthenticAMD",
    family: 25,
    model: 97,
    stepping: 2,
    brand,
  });
});

test("other vendors and other architectures have no identity", () => {
  expect(parseCpuInfo(text("CentaurHauls"))).toBeUndefined();
  expect(parseCpuInfo("processor\t: 0\nCPU implementer\t: 0x41\n")).toBeUndefined();
});
