import { XSAVE, XSAVE_COMPONENTS } from "../spec/x86/xsave.ts";

/** Bytes of an XSAVE area in standard format that can hold the components of `xcr0` (its low half). [SDM 1 13.4.3] */
export function standardSize(xcr0: number): number {
  let end: number = XSAVE.EXTENDED;
  for (const { number, offset, bytes } of XSAVE_COMPONENTS)
    if ((xcr0 >>> number) & 1) end = Math.max(end, offset + bytes);
  return end;
}

/** The same in compacted format, where components follow each other. */
export function compactedSize(xcr0: number): number {
  let end: number = XSAVE.EXTENDED;
  for (const { number, bytes } of XSAVE_COMPONENTS) if ((xcr0 >>> number) & 1) end += bytes;
  return end;
}
