import { PNP_ID } from "../../spec/acpi/aml.ts";
import { DSDT_REVISION } from "../../spec/acpi/table.ts";
import { concat } from "../bytes.ts";
import { device, eisaId, integer, name, pkg, scope, string, type Term } from "./aml.ts";
import type { AcpiDescription, DeviceDescription, PciDescription } from "./description.ts";
import { dwordMemory, io, irqNoFlags, memory32Fixed, resourceTemplate, wordSpace } from "./resource.ts";
import { describedTable } from "./table.ts";

const HPET_LENGTH = 0x400;
const PCI_SLOTS = 32;

/** The Differentiated System Description Table: soft off, processors and the devices that nothing else announces. */
export function dsdt(machine: AcpiDescription): Uint8Array {
  const terms = [
    softOff(machine.pm.sleepTypeS5),
    scope("_SB", ...processors(machine.vcpus), ...devices(machine), ...pci(machine)),
  ];
  return describedTable("DSDT", DSDT_REVISION, concat(terms));
}

/** `\_S5`: SLP_TYPa, SLP_TYPb and two reserved elements. [ACPI 6.5 7.4.2] */
function softOff(sleepType: number): Term {
  return name("_S5", pkg(integer(sleepType), integer(sleepType), integer(0), integer(0)));
}

/** Processor devices; their _UID is the one in the MADT. [ACPI 6.5 8.4] */
function processors(count: number): Term[] {
  return Array.from({ length: count }, (_, uid) => {
    const hex = uid.toString(16).toUpperCase().padStart(3, "0");
    return device(`C${hex}`, name("_HID", string(PNP_ID.PROCESSOR)), name("_UID", integer(uid)));
  });
}

function devices(machine: AcpiDescription): Term[] {
  const all = machine.hpet ? [...machine.devices, hpetDevice(machine.hpet.address)] : machine.devices;
  return all.map(deviceTerm);
}

/** The host bridge with what it passes on and where its interrupts go, and a device that keeps its ECAM from others. */
function pci({ pci: bus }: AcpiDescription): Term[] {
  if (!bus) return [];
  const { window, ecam, configPorts } = bus;
  const behindPorts = configPorts.first + configPorts.length;
  const resources = resourceTemplate(
    wordSpace("bus", 0, 0),
    io(configPorts.first, configPorts.length),
    wordSpace("io", 0, configPorts.first - 1),
    wordSpace("io", behindPorts, 0xffff),
    dwordMemory(window.address, window.address + window.length - 1),
  );
  const id = name("_HID", eisaId(PNP_ID.PCI_HOST));
  const bridge = device("PCI0", id, name("_UID", integer(0)), name("_CRS", resources), name("_PRT", routes(bus)));
  const memory = [{ address: ecam.address, length: ecam.length }];
  return [bridge, deviceTerm({ name: "ECAM", hid: PNP_ID.MOTHERBOARD, uid: 1, memory })];
}

/** `_PRT`: address (any function of a slot), pin, no link device, global system interrupt. [ACPI 6.5 6.2.13] */
function routes({ interrupts }: PciDescription): Term {
  const anyFunction = 0xffff;
  const slots = Array.from({ length: PCI_SLOTS }, (_, slot) => slot);
  return pkg(
    ...slots.map((slot) => {
      const gsi = interrupts[slot % interrupts.length]!;
      return pkg(integer(slot * 0x1_0000 + anyFunction), integer(0), integer(0), integer(gsi));
    }),
  );
}

function hpetDevice(address: number): DeviceDescription {
  return { name: "HPET", hid: PNP_ID.HPET, memory: [{ address, length: HPET_LENGTH }] };
}

function deviceTerm({ name: deviceName, hid, uid, ports = [], memory = [], irqs = [] }: DeviceDescription): Term {
  const resources = [
    ...ports.map(({ port, length }) => io(port, length)),
    ...memory.map(({ address, length }) => memory32Fixed(address, length)),
    ...irqs.map(irqNoFlags),
  ];
  const unique = uid === undefined ? [] : [name("_UID", integer(uid))];
  return device(deviceName, name("_HID", eisaId(hid)), ...unique, name("_CRS", resourceTemplate(...resources)));
}
