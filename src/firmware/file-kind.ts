import { asciiAt } from "./bytes.ts";

interface FileKind {
  /** "a gzip-compressed file" */
  readonly name: string;
  readonly remedy: string;
}

interface Signature extends FileKind {
  readonly offset: number;
  readonly magic: string;
}

const UNPACK = "Unpack it and give the kernel inside.";
const NOT_A_KERNEL = "Give a Linux bzImage (vmlinuz), an ELF kernel with a PVH entry, or a multiboot kernel.";

/** First bytes of files that people give in place of a kernel, as Latin-1 text. */
const SIGNATURES: readonly Signature[] = [
  {
    name: "a gzip-compressed file",
    offset: 0,
    magic: "\x1f\x8b",
    remedy: "Decompress it with gunzip and give the result.",
  },
  {
    name: "an xz-compressed file",
    offset: 0,
    magic: "\xfd7zXZ\0",
    remedy: "Decompress it with unxz and give the result.",
  },
  {
    name: "a zstd-compressed file",
    offset: 0,
    magic: "\x28\xb5\x2f\xfd",
    remedy: "Decompress it with unzstd and give the result.",
  },
  {
    name: "a bzip2-compressed file",
    offset: 0,
    magic: "BZh",
    remedy: "Decompress it with bunzip2 and give the result.",
  },
  { name: "an ARM64 Linux kernel", offset: 56, magic: "ARM\x64", remedy: "Give a kernel for i386 or x86-64." },
  { name: "a RISC-V Linux kernel", offset: 48, magic: "RISCV\0\0\0", remedy: "Give a kernel for i386 or x86-64." },
  { name: "a U-Boot image", offset: 0, magic: "\x27\x05\x19\x56", remedy: UNPACK },
  { name: "a Debian package or other ar archive", offset: 0, magic: "!<arch>\n", remedy: UNPACK },
  {
    name: "a cpio archive, as an initrd is",
    offset: 0,
    magic: "070701",
    remedy: "Give the kernel here and this file as the initrd.",
  },
  { name: "a tar archive", offset: 257, magic: "ustar", remedy: UNPACK },
  { name: "a zip archive", offset: 0, magic: "PK\x03\x04", remedy: UNPACK },
  { name: "a qcow2 disk image", offset: 0, magic: "QFI\xfb", remedy: NOT_A_KERNEL },
  { name: "an ISO 9660 CD image", offset: 0x8001, magic: "CD001", remedy: NOT_A_KERNEL },
  { name: "an EFI or Windows program", offset: 0, magic: "MZ", remedy: NOT_A_KERNEL },
  { name: "a boot sector or disk image", offset: 510, magic: "\x55\xaa", remedy: NOT_A_KERNEL },
];

const SAMPLE = 512;

/** What a file that is no kernel looks like, and what its owner may do. */
export function fileKind(file: Uint8Array): FileKind {
  if (file.length === 0) return { name: "an empty file", remedy: "Download or build the kernel again." };
  const known = SIGNATURES.find(({ offset, magic }) => hasText(file, offset, magic));
  if (known) return known;
  const sample = file.subarray(0, SAMPLE);
  if (sample.every((byte) => byte === 0)) return { name: "a file that starts with zeros", remedy: NOT_A_KERNEL };
  if (sample.every(isTextByte)) return textKind(file);
  return { name: "of a kind that is not known", remedy: NOT_A_KERNEL };
}

function textKind(file: Uint8Array): FileKind {
  const start = asciiAt(file, 0, 64).trimStart().toLowerCase();
  if (start.startsWith("<!doctype html") || start.startsWith("<html"))
    return { name: "a web page", remedy: "A download probably got an error page: check the address." };
  return { name: start.startsWith("#!") ? "a script" : "a text file", remedy: NOT_A_KERNEL };
}

/** Printable ASCII, white space, or part of a UTF-8 character. */
function isTextByte(byte: number): boolean {
  return byte >= 0x80 || (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d);
}

function hasText(file: Uint8Array, offset: number, text: string): boolean {
  if (file.length < offset + text.length) return false;
  for (let i = 0; i < text.length; i++) if (file[offset + i] !== text.charCodeAt(i)) return false;
  return true;
}
