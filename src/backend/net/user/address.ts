import { UserError } from "../../../base/assert.ts";

/** IPv4 addresses are unsigned 32-bit numbers: 10.0.2.15 is 0x0a00020f. */

/** Reads dotted decimal; undefined if it is not that. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  const parts = match?.slice(1).map(Number);
  if (!parts?.every((part) => part <= 255)) return undefined;
  return parts.reduce((value, part) => value * 256 + part, 0);
}

/** Writes dotted decimal. */
export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

/** Addresses that begin with the same bits. */
export interface Prefix {
  readonly address: number;
  readonly length: number;
}

/** Reads "10.0.0.0/8" or a single address. Throws UserError. */
export function parsePrefix(text: string): Prefix {
  const [host = "", bits = "32"] = text.split("/");
  const address = parseIpv4(host);
  const length = /^\d{1,2}$/.test(bits) ? Number(bits) : 33;
  if (address === undefined || length > 32) throw new UserError(`"${text}" is no address`, "Write it like 10.0.0.0/8.");
  return { address: (address & maskOf(length)) >>> 0, length };
}

/** The netmask of a prefix of `length` bits. */
export function maskOf(length: number): number {
  return length === 0 ? 0 : (0xffff_ffff << (32 - length)) >>> 0;
}

/** Whether an address begins with a prefix's bits. */
export function isInside(address: number, { address: start, length }: Prefix): boolean {
  return (address & maskOf(length)) >>> 0 === start;
}
