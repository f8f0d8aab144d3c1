import {
  ADDRESS_SPACE,
  IO_DECODE_16,
  MEMORY_READ_WRITE,
  MEMORY32_FIXED_LENGTH,
  RESOURCE,
} from "../../spec/acpi/aml.ts";
import { concat } from "../bytes.ts";
import { buffer, littleEndian, type Term } from "./aml.ts";

/** `ResourceTemplate () { descriptors }` [ACPI 6.5 6.4] */
export function resourceTemplate(...descriptors: readonly Uint8Array[]): Term {
  const noChecksum = 0;
  return buffer(concat([...descriptors, Uint8Array.of(RESOURCE.END_TAG, noChecksum)]));
}

/** `IO (Decode16, port, port, 1, length)`; at most 255 ports. [ACPI 6.5 6.4.2.5] */
export function io(port: number, length: number): Uint8Array {
  const base = littleEndian(port, 2);
  return concat([Uint8Array.of(RESOURCE.IO_PORT, IO_DECODE_16), base, base, Uint8Array.of(1, length)]);
}

/** `IRQNoFlags () { irq }`: edge-triggered, active high, exclusive, as on the ISA bus. [ACPI 6.5 6.4.2.1] */
export function irqNoFlags(irq: number): Uint8Array {
  return concat([Uint8Array.of(RESOURCE.IRQ_NO_FLAGS), littleEndian(1 << irq, 2)]);
}

/** `WordBusNumber`, `WordIO`: bus numbers or ports `first` to `last` that a bridge passes on. [ACPI 6.5 6.4.3.5.3] */
export function wordSpace(type: "bus" | "io", first: number, last: number): Uint8Array {
  const kind = type === "bus" ? [ADDRESS_SPACE.BUS, 0] : [ADDRESS_SPACE.IO, ADDRESS_SPACE.ENTIRE_RANGE];
  return addressSpace(RESOURCE.WORD_ADDRESS_SPACE, 2, kind as [number, number], first, last);
}

/** `DWordMemory`: addresses `first` to `last` that a bridge passes on. [ACPI 6.5 6.4.3.5.2] */
export function dwordMemory(first: number, last: number): Uint8Array {
  const kind = [ADDRESS_SPACE.MEMORY, ADDRESS_SPACE.READ_WRITE] as [number, number];
  return addressSpace(RESOURCE.DWORD_ADDRESS_SPACE, 4, kind, first, last);
}

function addressSpace(tag: number, width: number, [type, flags]: [number, number], first: number, last: number) {
  const numbers = [0, first, last, 0, last - first + 1].map((value) => littleEndian(value, width));
  const body = concat([Uint8Array.of(type, ADDRESS_SPACE.MIN_AND_MAX_FIXED, flags), ...numbers]);
  return concat([Uint8Array.of(tag), littleEndian(body.length, 2), body]);
}

/** `Memory32Fixed (ReadWrite, address, length)` [ACPI 6.5 6.4.3.4] */
export function memory32Fixed(address: number, length: number): Uint8Array {
  const head = concat([Uint8Array.of(RESOURCE.MEMORY32_FIXED), littleEndian(MEMORY32_FIXED_LENGTH, 2)]);
  return concat([head, Uint8Array.of(MEMORY_READ_WRITE), littleEndian(address, 4), littleEndian(length, 4)]);
}
