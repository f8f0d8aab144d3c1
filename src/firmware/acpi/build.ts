import { assert } from "../../base/assert.ts";
import { create } from "../../base/struct-layout.ts";
import type { GuestMemory } from "../../memory/guest-memory.ts";
import {
  FACS,
  FACS_ALIGN,
  FACS_VERSION,
  GAS_SYSTEM_MEMORY,
  HPET,
  HPET_REVISION,
  MCFG,
  MCFG_ALLOCATION,
  MCFG_REVISION,
  RSDP,
  RSDP_ALIGN,
  RSDP_REVISION,
  RSDP_SIGNATURE,
  RSDP_V1_LENGTH,
  RSDT_REVISION,
  XSDT_REVISION,
} from "../../spec/acpi/table.ts";
import { LOW_MEMORY } from "../../spec/x86/low-memory.ts";
import { concat, utf8 } from "../bytes.ts";
import { roundUp } from "../placement.ts";
import { littleEndian } from "./aml.ts";
import type { AcpiDescription, PciDescription } from "./description.ts";
import { dsdt } from "./dsdt.ts";
import { fadt } from "./fadt.ts";
import { madt } from "./madt.ts";
import { checksum, describedTable, finish, OEM_ID, record } from "./table.ts";

/** A table and where it belongs in guest-physical memory. */
export interface PlacedTable {
  readonly signature: string;
  readonly addr: number;
  readonly bytes: Uint8Array;
}

/** All tables of a machine; `rsdp` is the address of the root pointer. */
export interface AcpiTables {
  readonly rsdp: number;
  readonly tables: readonly PlacedTable[];
}

/** Builds the tables for addresses from `base` on, where an operating system without EFI searches for the root pointer. */
export function buildAcpiTables(machine: AcpiDescription, base: number = LOW_MEMORY.BIOS): AcpiTables {
  const tables: PlacedTable[] = [];
  let next = base + roundUp(RSDP.size, RSDP_ALIGN);
  const add = (signature: string, bytes: Uint8Array): number => {
    const addr = roundUp(next, FACS_ALIGN);
    tables.push({ signature, addr, bytes });
    next = addr + bytes.length;
    return addr;
  };
  const facsAt = add("FACS", facs());
  const dsdtAt = add("DSDT", dsdt(machine));
  const listed = [add("FACP", fadt(machine, facsAt, dsdtAt)), add("APIC", madt(machine))];
  if (machine.hpet) listed.push(add("HPET", hpet(machine.hpet)));
  if (machine.pci) listed.push(add("MCFG", mcfg(machine.pci)));
  const rsdtAt = add("RSDT", describedTable("RSDT", RSDT_REVISION, addressList(listed, 4)));
  const xsdtAt = add("XSDT", describedTable("XSDT", XSDT_REVISION, addressList(listed, 8)));
  tables.unshift({ signature: RSDP_SIGNATURE, addr: base, bytes: rsdp(rsdtAt, xsdtAt) });
  return { rsdp: base, tables };
}

/** Puts the tables into the BIOS area, which the memory map reserves; returns the root pointer's address. */
export function writeAcpiTables(memory: GuestMemory, machine: AcpiDescription): number {
  const { rsdp: address, tables } = buildAcpiTables(machine);
  const end = Math.max(...tables.map((table) => table.addr + table.bytes.length));
  assert(end <= LOW_MEMORY.EXTENDED, `ACPI tables for ${machine.vcpus} processors fit in the BIOS area`);
  for (const table of tables) memory.write(table.addr, table.bytes);
  return address;
}

function addressList(addresses: readonly number[], size: number): Uint8Array {
  return concat(addresses.map((address) => littleEndian(address, size)));
}

function rsdp(rsdt: number, xsdt: number): Uint8Array {
  const pointer = create(RSDP, {
    Signature: utf8(RSDP_SIGNATURE),
    OEMID: OEM_ID,
    Revision: RSDP_REVISION,
    RsdtAddress: rsdt,
    Length: RSDP.size,
    XsdtAddress: xsdt,
  });
  pointer.Checksum = checksum(pointer.bytes.subarray(0, RSDP_V1_LENGTH));
  pointer.ExtendedChecksum = checksum(pointer.bytes);
  return pointer.bytes;
}

function facs(): Uint8Array {
  return record(FACS, { Signature: utf8("FACS"), Length: FACS.size, Version: FACS_VERSION });
}

function mcfg({ ecam }: PciDescription): Uint8Array {
  const allocation = record(MCFG_ALLOCATION, { BaseAddress: ecam.address });
  return finish(concat([record(MCFG, {}), allocation]), "MCFG", MCFG_REVISION);
}

function hpet({ address, eventTimerBlockId, minimumTick }: NonNullable<AcpiDescription["hpet"]>): Uint8Array {
  const table = record(HPET, {
    EventTimerBlockID: eventTimerBlockId,
    BaseAddress: { AddressSpaceID: GAS_SYSTEM_MEMORY, RegisterBitWidth: 64, Address: address },
    MinimumTick: minimumTick,
  });
  return finish(table, "HPET", HPET_REVISION);
}
