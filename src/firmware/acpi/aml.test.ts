import { describe, expect, test } from "vitest";
import { buffer, device, eisaId, integer, name, pkg, scope, string } from "./aml.ts";
import { io, irqNoFlags, memory32Fixed, resourceTemplate } from "./resource.ts";

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

describe("the AML encoder", () => {
  test("takes the shortest form of an integer", () => {
    expect([0, 1, 2, 0xff].map((value) => hex(integer(value)))).toEqual(["00", "01", "0a 02", "0a ff"]);
    expect(hex(integer(0x100))).toBe("0b 00 01");
    expect(hex(integer(0x1_0000))).toBe("0c 00 00 01 00");
    expect(hex(integer(0xffff_ffff))).toBe("0c ff ff ff ff");
    expect(hex(integer(0x1_2345_6789_abcd))).toBe("0e cd ab 89 67 45 23 01 00");
  });

  test("encodes names with their prefixes", () => {
    expect(hex(name("_S5", integer(0)))).toBe("08 5f 53 35 5f 00");
    expect(hex(name("\\_SB.COM1._UID", integer(1)))).toBe("08 5c 2f 03 5f 53 42 5f 43 4f 4d 31 5f 55 49 44 01");
    expect(hex(name("^A.B", integer(1)))).toBe("08 5e 2e 41 5f 5f 5f 42 5f 5f 5f 01");
    expect(hex(scope("\\"))).toBe("10 03 5c 00");
  });

  test("package lengths count themselves, at every size of theirs", () => {
    // A buffer's body is its size term (2 to 5 bytes) and its contents.
    expect(hex(buffer(new Uint8Array(0x3f - 1 - 2)).subarray(0, 4))).toBe("11 3f 0a 3c");
    expect(hex(buffer(new Uint8Array(0x3d)).subarray(0, 5))).toBe("11 41 04 0a 3d");
    expect(hex(buffer(new Uint8Array(0xfff - 2 - 3)).subarray(0, 6))).toBe("11 4f ff 0b fa 0f");
    expect(hex(buffer(new Uint8Array(0xffb)).subarray(0, 7))).toBe("11 81 00 01 0b fb 0f");
  });

  test("encodes terms with bodies", () => {
    expect(hex(pkg(integer(5), integer(0)))).toBe("12 05 02 0a 05 00");
    expect(hex(device("RTC", name("_UID", integer(0))))).toBe("5b 82 0b 52 54 43 5f 08 5f 55 49 44 00");
    expect(hex(string("ACPI0007"))).toBe("0d 41 43 50 49 30 30 30 37 00");
  });

  test("compresses EISA IDs", () => {
    expect(hex(eisaId("PNP0501"))).toBe("0c 41 d0 05 01");
    expect(hex(eisaId("PNP0F13"))).toBe("0c 41 d0 0f 13");
  });

  test("encodes resource templates", () => {
    const template = resourceTemplate(io(0x3f8, 8), irqNoFlags(12), memory32Fixed(0xfed0_0000, 0x400));
    const parts = ["47 01 f8 03 f8 03 01 08", "22 00 10", "86 09 00 01 00 00 d0 fe 00 04 00 00", "79 00"];
    expect(hex(template)).toBe(`11 1c 0a 19 ${parts.join(" ")}`);
  });
});
