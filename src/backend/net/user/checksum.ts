/** The Internet checksum: sums are kept unfolded until they are finished. [RFC 1071] */

/** Adds bytes `start` to `end - 1` to a sum. */
export function sumBytes(bytes: Uint8Array, start: number, end: number, sum = 0): number {
  let total = sum;
  let at = start;
  for (; at + 1 < end; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!;
  return at < end ? total + (bytes[at]! << 8) : total;
}

/** The sum of the pseudo-header of IPv4. [RFC 9293 3.1] */
export function sumPseudoHeader(source: number, destination: number, protocol: number, length: number): number {
  const halves = (address: number) => (address >>> 16) + (address & 0xffff);
  return halves(source) + halves(destination) + protocol + length;
}

/** A sum in 16 bits. */
export function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = Math.floor(folded / 0x1_0000) + (folded & 0xffff);
  return folded;
}

/** What is written into a packet: the complement of the sum. */
export function finishChecksum(sum: number): number {
  return ~fold(sum) & 0xffff;
}
