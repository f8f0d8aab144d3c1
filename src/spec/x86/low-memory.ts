/** The PC's first mebibyte and the hole below 4 GiB: addresses in bytes. */
export const LOW_MEMORY = {
  /** BIOS data area: word with the EBDA's segment. [Ralf Brown's Interrupt List, memory 0040h:000Eh] */
  BDA_EBDA_SEGMENT: 0x40e,
  /** BIOS data area: word with the size of base memory in KiB. [Ralf Brown's Interrupt List, memory 0040h:0013h] */
  BDA_BASE_MEMORY_KIB: 0x413,
  /** Extended BIOS data area: the last KiB of base memory. */
  EBDA: 0x9fc00,
  /** Legacy video memory; not RAM to the guest. */
  VGA: 0xa0000,
  /** Where an operating system looks for the RSDP, up to 1 MiB. [ACPI 6.5 5.2.5.1] */
  BIOS: 0xe0000,
  /** Where extended memory begins. */
  EXTENDED: 0x10_0000,
} as const;

/** RAM never reaches into [PCI_HOLE, FOUR_GIB): PCI windows, IOAPIC, HPET, local APICs and the firmware are there. */
export const PCI_HOLE = 0xc000_0000;
export const FOUR_GIB = 0x1_0000_0000;
