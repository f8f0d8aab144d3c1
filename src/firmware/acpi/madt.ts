import {
  ALL_PROCESSORS,
  FIRST_X2APIC_ID,
  INTERRUPT_SOURCE_OVERRIDE,
  IO_APIC,
  LOCAL_APIC_NMI,
  MADT,
  MADT_REVISION,
  MADT_TYPE,
  MPS_INTI,
  PCAT_COMPAT,
  PROCESSOR_ENABLED,
  PROCESSOR_LOCAL_APIC,
  PROCESSOR_LOCAL_X2APIC,
} from "../../spec/acpi/madt.ts";
import { concat } from "../bytes.ts";
import type { AcpiDescription, InterruptOverride, IoApicDescription } from "./description.ts";
import { finish, record } from "./table.ts";

const NMI_PIN = 1;

/** The Multiple APIC Description Table: processors, the I/O APIC and how ISA interrupts reach it. [ACPI 6.5 5.2.12] */
export function madt(machine: AcpiDescription): Uint8Array {
  const head = record(MADT, { LocalInterruptControllerAddress: machine.localApicAddress, Flags: PCAT_COMPAT });
  const processors = Array.from({ length: machine.vcpus }, (_, id) => processor(id));
  const overrides = machine.overrides.map(interruptOverride);
  return finish(concat([head, ...processors, ioApic(machine.ioapic), ...overrides, nmi()]), "APIC", MADT_REVISION);
}

function processor(id: number): Uint8Array {
  const Flags = PROCESSOR_ENABLED;
  if (id < FIRST_X2APIC_ID) {
    const { size: Length } = PROCESSOR_LOCAL_APIC;
    const Type = MADT_TYPE.PROCESSOR_LOCAL_APIC;
    return record(PROCESSOR_LOCAL_APIC, { Type, Length, ACPIProcessorUID: id, APICID: id, Flags });
  }
  const { size: Length } = PROCESSOR_LOCAL_X2APIC;
  const Type = MADT_TYPE.PROCESSOR_LOCAL_X2APIC;
  return record(PROCESSOR_LOCAL_X2APIC, { Type, Length, X2APICID: id, ACPIProcessorUID: id, Flags });
}

function ioApic({ id, address, gsiBase }: IoApicDescription): Uint8Array {
  return record(IO_APIC, {
    Type: MADT_TYPE.IO_APIC,
    Length: IO_APIC.size,
    IOAPICID: id,
    IOAPICAddress: address,
    GlobalSystemInterruptBase: gsiBase,
  });
}

function interruptOverride({ irq, gsi, trigger, polarity }: InterruptOverride): Uint8Array {
  const triggers = { isa: 0, edge: MPS_INTI.EDGE, level: MPS_INTI.LEVEL };
  const polarities = { isa: 0, high: MPS_INTI.ACTIVE_HIGH, low: MPS_INTI.ACTIVE_LOW };
  return record(INTERRUPT_SOURCE_OVERRIDE, {
    Type: MADT_TYPE.INTERRUPT_SOURCE_OVERRIDE,
    Length: INTERRUPT_SOURCE_OVERRIDE.size,
    Source: irq,
    GlobalSystemInterrupt: gsi,
    Flags: triggers[trigger] | polarities[polarity],
  });
}

function nmi(): Uint8Array {
  return record(LOCAL_APIC_NMI, {
    Type: MADT_TYPE.LOCAL_APIC_NMI,
    Length: LOCAL_APIC_NMI.size,
    ACPIProcessorUID: ALL_PROCESSORS,
    LINT: NMI_PIN,
  });
}
