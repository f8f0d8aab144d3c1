import { assign, create, type StructLayout, type StructView, view } from "../../base/struct-layout.ts";
import { DESCRIPTION_HEADER, GAS_SYSTEM_IO } from "../../spec/acpi/table.ts";
import { concat, utf8 } from "../bytes.ts";

/** Who made the tables: fixed-width, filled up with spaces. */
export const OEM_ID = utf8("TSKVM ");
const OEM_TABLE_ID = utf8("TSKVM   ");
const CREATOR_ID = utf8("TSKV");
const OEM_REVISION = 1;

/** A table: header, then `body`, with length and checksum. */
export function describedTable(signature: string, revision: number, body: Uint8Array): Uint8Array {
  return finish(concat([new Uint8Array(DESCRIPTION_HEADER.size), body]), signature, revision);
}

/** Fills in the header of a table whose first bytes are left for it. */
export function finish(table: Uint8Array, signature: string, revision: number): Uint8Array {
  const header = view(DESCRIPTION_HEADER, table);
  assign(DESCRIPTION_HEADER, header, {
    Signature: utf8(signature),
    Length: table.length,
    Revision: revision,
    OEMID: OEM_ID,
    OEMTableID: OEM_TABLE_ID,
    OEMRevision: OEM_REVISION,
    CreatorID: CREATOR_ID,
    CreatorRevision: OEM_REVISION,
  });
  header.Checksum = checksum(table);
  return table;
}

/** The byte that makes the sum of all bytes 0, where the checksum itself is still 0. [ACPI 6.5 5.2.6] */
export function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

/** The bytes of one struct. */
export function record<L extends StructLayout>(layout: L, fields: Parameters<typeof create<L>>[1]): Uint8Array {
  return (create(layout, fields) as StructView<StructLayout>).bytes;
}

/** An I/O port register of `bytes` bytes as a generic address; all zero for a port of 0, which says it is absent. */
export function ioAddress(port: number, bytes: number) {
  if (port === 0) return {};
  const accessSize = Math.log2(bytes) + 1;
  return { AddressSpaceID: GAS_SYSTEM_IO, RegisterBitWidth: bytes * 8, AccessSize: accessSize, Address: port };
}
