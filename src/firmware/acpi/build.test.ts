import { describe, expect, test } from "vitest";
import { expectGolden, hexDump } from "../../../test/golden/golden.ts";
import { view } from "../../base/struct-layout.ts";
import { createFlatMemory } from "../../memory/slot-memory.ts";
import { FADT } from "../../spec/acpi/fadt.ts";
import { RSDP } from "../../spec/acpi/table.ts";
import { type AcpiTables, buildAcpiTables, writeAcpiTables } from "./build.ts";
import { type AcpiDescription, comPort, keyboard, mouse, rtc } from "./description.ts";

const PC: AcpiDescription = {
  vcpus: 2,
  localApicAddress: 0xfee0_0000,
  ioapic: { id: 0, address: 0xfec0_0000, gsiBase: 0 },
  overrides: [
    { irq: 0, gsi: 2, trigger: "isa", polarity: "isa" },
    { irq: 9, gsi: 9, trigger: "level", polarity: "high" },
  ],
  pm: {
    eventPort: 0x600,
    controlPort: 0x604,
    timerPort: 0x608,
    timerBits: 24,
    sciIrq: 9,
    smiCommand: { port: 0xb2, enable: 0xf1, disable: 0xf0 },
    sleepTypeS5: 5,
  },
  reset: { port: 0xcf9, value: 0x0f },
  devices: [comPort(1, 0x3f8, 4), comPort(2, 0x2f8, 3), rtc(0x70, 8), keyboard(0x60, 0x64, 1), mouse(12)],
  vga: false,
};
const WITH_HPET: AcpiDescription = {
  ...PC,
  hpet: { address: 0xfed0_0000, eventTimerBlockId: 0x8086_a201, minimumTick: 0x80 },
};
const WITH_PCI: AcpiDescription = {
  ...PC,
  pci: {
    window: { address: 0xc000_0000, length: 0x2000_0000 },
    ecam: { address: 0xe000_0000, length: 0x10_0000 },
    interrupts: [10, 11],
    configPorts: { first: 0xcf8, length: 8 },
  },
};

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => total + byte, 0) & 0xff;
}

function dump({ tables }: AcpiTables): string {
  return tables
    .map(({ signature, addr, bytes }) => `${signature.trim()} at 0x${addr.toString(16)}\n${hexDump(bytes)}`)
    .join("\n");
}

function find(tables: AcpiTables, signature: string): Uint8Array {
  return tables.tables.find((table) => table.signature === signature)!.bytes;
}

describe("the ACPI tables", () => {
  test("have the accepted bytes", () => {
    expectGolden("acpi/pc.txt", dump(buildAcpiTables(PC)));
    expectGolden("acpi/pc-hpet.txt", dump(buildAcpiTables(WITH_HPET)));
    expectGolden("acpi/pc-pci.txt", dump(buildAcpiTables(WITH_PCI)));
  });

  test.each([1, 2, 255, 300, 1024])("of %i processors add up, say their length and do not overlap", (vcpus) => {
    const { tables } = buildAcpiTables({ ...WITH_HPET, vcpus });
    for (const { signature, bytes } of tables) {
      if (signature !== "FACS") expect(sum(bytes), signature).toBe(0);
      if (signature !== "RSD PTR ") expect(new DataView(bytes.buffer).getUint32(4, true), signature).toBe(bytes.length);
    }
    tables.slice(1).forEach((table, index) => {
      expect(table.addr).toBeGreaterThanOrEqual(tables[index]!.addr + tables[index]!.bytes.length);
    });
  });

  test("are reached from the root pointer", () => {
    const built = buildAcpiTables(WITH_HPET);
    const at = new Map(built.tables.map((table) => [table.addr, table]));
    const root = view(RSDP, find(built, "RSD PTR "));
    expect(sum(root.bytes.subarray(0, 20))).toBe(0);
    const [rsdt, xsdt] = [at.get(root.RsdtAddress)!, at.get(root.XsdtAddress_num)!];
    expect([rsdt.signature, xsdt.signature]).toEqual(["RSDT", "XSDT"]);
    const listed = [36, 40, 44].map(
      (offset) => at.get(new DataView(rsdt.bytes.buffer).getUint32(offset, true))?.signature,
    );
    expect(listed).toEqual(["FACP", "APIC", "HPET"]);
    const same = [36, 44, 52].map(
      (offset) => at.get(new DataView(xsdt.bytes.buffer).getUint32(offset, true))?.signature,
    );
    expect(same).toEqual(listed);
    const fixed = view(FADT, find(built, "FACP"));
    expect([fixed.FIRMWARE_CTRL, fixed.DSDT, fixed.X_DSDT_num].map((addr) => at.get(addr)?.signature)).toEqual([
      "FACS",
      "DSDT",
      "DSDT",
    ]);
    expect(fixed.FIRMWARE_CTRL % 64).toBe(0);
  });

  test("say what the machine has", () => {
    const full = view(FADT, find(buildAcpiTables(PC), "FACP"));
    const bare = view(FADT, find(buildAcpiTables({ ...PC, devices: [], vga: true, reset: undefined }), "FACP"));
    expect([full.IAPC_BOOT_ARCH, bare.IAPC_BOOT_ARCH]).toEqual([0b000111, 0b100000]);
    expect([full.Flags & 0x400, bare.Flags & 0x400]).toEqual([0x400, 0]);
    expect([full.CENTURY, bare.CENTURY]).toEqual([0x32, 0]);
    expect([full.RESET_REG.Address_num, full.RESET_VALUE, bare.RESET_REG.Address_num]).toEqual([0xcf9, 0x0f, 0]);
  });

  test("use x2APIC structures for the processors that need them", () => {
    const bytes = find(buildAcpiTables({ ...PC, vcpus: 257 }), "APIC");
    const entry = 44 + 255 * 8;
    expect([...bytes.subarray(entry - 8, entry)]).toEqual([0, 8, 254, 254, 1, 0, 0, 0]);
    expect([...bytes.subarray(entry, entry + 16)]).toEqual([9, 16, 0, 0, 255, 0, 0, 0, 1, 0, 0, 0, 255, 0, 0, 0]);
  });

  test("go to the BIOS area, where the root pointer is searched for", () => {
    const memory = createFlatMemory(0x10_0000);
    const address = writeAcpiTables(memory, PC);
    const signature = new Uint8Array(8);
    memory.read(address, signature);
    expect(String.fromCharCode(...signature)).toBe("RSD PTR ");
    expect([address >= 0xe0000, address % 16]).toEqual([true, 0]);
  });
});
