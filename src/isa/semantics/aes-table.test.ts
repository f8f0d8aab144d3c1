import { expect, test } from "vitest";
import { inverseSubstitution, substitution } from "./aes-table.ts";

test("SubBytes has the values of FIPS 197 figure 7", () => {
  expect([0x00, 0x01, 0x53, 0x9a, 0xff].map((byte) => substitution[byte])).toEqual([0x63, 0x7c, 0xed, 0xb8, 0x16]);
});

test("InvSubBytes undoes SubBytes", () => {
  for (let byte = 0; byte < 256; byte++) expect(inverseSubstitution[substitution[byte]!]).toBe(byte);
});
