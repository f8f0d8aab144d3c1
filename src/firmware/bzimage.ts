import { UserError } from "../base/assert.ts";
import { type StructView, view } from "../base/struct-layout.ts";
import {
  BOOT_FLAG,
  KERNEL_LOAD_ADDRESS,
  LOADED_HIGH,
  PROTOCOL,
  SETUP_DEFAULTS,
  SETUP_HEADER_JUMP_BASE,
  SETUP_HEADER_MAGIC,
  SETUP_HEADER_OFFSET,
  SETUP_SECTOR,
  setup_header,
  XLF_KERNEL_64,
} from "../spec/boot/linux.ts";
import { PCI_HOLE } from "../spec/x86/low-memory.ts";
import { asciiAt, readableSize } from "./bytes.ts";
import { roundUp } from "./placement.ts";

/** What a bzImage says of itself, with the protocol's defaults where its version lacks a field. Sizes in bytes. */
export interface BzImage {
  /** (major << 8) | minor. */
  readonly protocol: number;
  /** "6.1.0-18-amd64 (builder@host) #1 SMP ..."; other kernels with Linux's header have their name here; empty if absent. */
  readonly version: string;
  /** The setup header as it stands in the file, to be copied into boot_params. */
  readonly header: Uint8Array;
  /** The protected-mode part: what is loaded. */
  readonly image: Uint8Array;
  /** Whether it has the 64-bit entry. */
  readonly kernel64: boolean;
  readonly relocatable: boolean;
  readonly kernelAlignment: number;
  /** Where it is loaded. */
  readonly loadAddress: number;
  /** Where it unpacks itself and what memory it needs from there on before it knows the memory map. */
  readonly runtimeStart: number;
  readonly initSize: number;
  /** Longest command line, without the zero byte. */
  readonly commandLineSize: number;
  /** The highest address that an initrd's last byte may have. */
  readonly initrdAddrMax: number;
  /** The compressed kernel within `image`; empty if the header does not say, or names a place outside. */
  readonly payload: Uint8Array;
}

const DAMAGED = "Download or build the kernel again.";

/** Whether the file carries Linux's setup header. */
export function isBzImage(file: Uint8Array): boolean {
  if (file.length < SETUP_HEADER_JUMP_BASE + 6) return false;
  const data = new DataView(file.buffer, file.byteOffset);
  return (
    data.getUint16(SETUP_HEADER_JUMP_BASE - 4, true) === BOOT_FLAG &&
    data.getUint32(SETUP_HEADER_JUMP_BASE, true) === SETUP_HEADER_MAGIC
  );
}

/** Reads the setup header. `name` is what messages call the file. [Linux Documentation/arch/x86/boot.rst] */
export function parseBzImage(file: Uint8Array, name: string): BzImage {
  const raw = file.slice(SETUP_HEADER_OFFSET, headerEnd(file));
  const padded = new Uint8Array(setup_header.size);
  padded.set(raw);
  const hdr = view(setup_header, padded);
  checkProtocol(hdr, name);
  const image = protectedModePart(file, hdr, name);
  return {
    protocol: hdr.version,
    version: versionText(file, hdr),
    header: raw,
    image,
    kernel64: hdr.version >= PROTOCOL.xloadflags && (hdr.xloadflags & XLF_KERNEL_64) !== 0,
    ...memoryNeeds(hdr, image.length, name),
    commandLineSize: hdr.version >= PROTOCOL.cmdline_size ? hdr.cmdline_size : SETUP_DEFAULTS.cmdline_size,
    initrdAddrMax: hdr.version >= PROTOCOL.initrd_addr_max ? hdr.initrd_addr_max : SETUP_DEFAULTS.initrd_addr_max,
    payload: payloadIn(image, hdr),
  };
}

type SetupHeader = StructView<typeof setup_header>;

function payloadIn(image: Uint8Array, { version, payload_offset, payload_length }: SetupHeader): Uint8Array {
  const end = payload_offset + payload_length;
  return version >= PROTOCOL.payload_offset && end <= image.length
    ? image.subarray(payload_offset, end)
    : image.subarray(0, 0);
}

/** The jump instruction at 0x200 leads past the header; fields that we do not know are left behind. */
function headerEnd(file: Uint8Array): number {
  return Math.min(
    SETUP_HEADER_JUMP_BASE + file[SETUP_HEADER_JUMP_BASE - 1]!,
    SETUP_HEADER_OFFSET + setup_header.size,
    file.length,
  );
}

function checkProtocol(hdr: SetupHeader, name: string): void {
  if (hdr.version < PROTOCOL.cmd_line_ptr || !(hdr.loadflags & LOADED_HIGH))
    throw new UserError(
      `${name} is a Linux kernel of a kind that is no longer supported (boot protocol ${hdr.version >> 8}.${hdr.version & 0xff}${hdr.loadflags & LOADED_HIGH ? "" : ", zImage"})`,
      "Give a bzImage of Linux 2.4 or later.",
    );
}

function protectedModePart(file: Uint8Array, hdr: SetupHeader, name: string): Uint8Array {
  const start = ((hdr.setup_sects || SETUP_DEFAULTS.setup_sects) + 1) * SETUP_SECTOR;
  const end = start + hdr.syssize * 16;
  if (start >= file.length) throw truncated(name, file.length, end);
  // syssize counts in 16 bytes; a file may lack up to 15 bytes of padding at its end.
  if (end - file.length >= 16) throw truncated(name, file.length, end);
  return file.subarray(start, end);
}

function truncated(name: string, length: number, expected: number): UserError {
  return new UserError(
    `${name} is a truncated Linux kernel: ${readableSize(length)} of ${readableSize(expected)}`,
    DAMAGED,
  );
}

/** [boot.rst, "Field name: kernel_version"] */
function versionText(file: Uint8Array, hdr: SetupHeader): string {
  const { kernel_version, setup_sects } = hdr;
  const present = kernel_version !== 0 && kernel_version < setup_sects * SETUP_SECTOR;
  return present ? asciiAt(file, kernel_version + SETUP_SECTOR, 256) : "";
}

/**
 * A kernel is loaded at its preferred address, where it unpacks itself in place. Moving a relocatable one lower would win
 * nothing: it goes up to that address by itself. [boot.rst, "Field name: init_size"]
 */
function memoryNeeds(hdr: SetupHeader, imageSize: number, name: string) {
  const known = hdr.version >= PROTOCOL.init_size;
  const relocatable = hdr.version >= PROTOCOL.relocatable_kernel && hdr.relocatable_kernel !== 0;
  const kernelAlignment = hdr.version >= PROTOCOL.relocatable_kernel ? hdr.kernel_alignment : 1;
  const loadAddress = known ? hdr.pref_address_num : KERNEL_LOAD_ADDRESS;
  if (loadAddress < KERNEL_LOAD_ADDRESS || loadAddress >= PCI_HOLE || (relocatable && !isPowerOfTwo(kernelAlignment)))
    throw new UserError(
      `${name} is a damaged Linux kernel: it asks to be loaded at 0x${loadAddress.toString(16)}`,
      DAMAGED,
    );
  const runtimeStart = relocatable ? roundUp(loadAddress, kernelAlignment) : loadAddress;
  const initSize = Math.max(known ? hdr.init_size : 0, imageSize);
  return { relocatable, kernelAlignment, loadAddress, runtimeStart, initSize };
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}
