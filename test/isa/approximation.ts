import type { Form } from "../../src/isa/table/row.ts";

/** The greatest relative error of RCPPS and RSQRTPS. [SDM 2B RCPPS, RSQRTPS] */
const ERROR = 1.5 * 2 ** -12;
/** Results that are smaller, or hardly greater, may be 0. [SDM 2B RCPPS] */
const TINY = 2 ** -125;

/** Whether an instruction gives an approximation, of which only the greatest error is architectural. */
export function isApproximate({ row }: Form): boolean {
  return /^V?R(CP|SQRT)[PS]S$/.test(row.mnemonic);
}

/** Whether two vectors of single precision may both approximate the same numbers. */
export function areApproximations(one: Uint8Array, other: Uint8Array): boolean {
  const views = [one, other].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)) as [
    DataView,
    DataView,
  ];
  for (let at = 0; at < one.length; at += 4) {
    const [bits, otherBits] = [views[0].getUint32(at, true), views[1].getUint32(at, true)];
    if (bits !== otherBits && !areNear(views[0].getFloat32(at, true), views[1].getFloat32(at, true))) return false;
  }
  return true;
}

function areNear(one: number, other: number): boolean {
  if (Math.max(Math.abs(one), Math.abs(other)) < TINY) return true;
  return Math.abs(one - other) <= 2 * ERROR * Math.min(Math.abs(one), Math.abs(other)) * (1 + ERROR);
}
