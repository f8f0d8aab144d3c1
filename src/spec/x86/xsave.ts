/** Byte offsets in the XSAVE area behind the FXSAVE image, and of the extended components in standard format. [SDM 1 13.4, 13.5] */
export const XSAVE = {
  XSTATE_BV: 512,
  XCOMP_BV: 520,
  RESERVED: 528,
  EXTENDED: 576,
  AVX: 576,
  AVX_BYTES: 256,
  PKRU: 2688,
  PKRU_BYTES: 8,
  ALIGNMENT: 64,
} as const;

/** A state component behind the legacy region: its number is its bit in XCR0. [SDM 1 13.1, SDM 2A CPUID leaf 0DH] */
export interface XsaveComponent {
  readonly number: number;
  /** The CPUID feature it comes with. */
  readonly feature: string;
  readonly bytes: number;
  /** In standard format. */
  readonly offset: number;
}

export const XSAVE_COMPONENTS: readonly XsaveComponent[] = [
  { number: 2, feature: "avx", bytes: XSAVE.AVX_BYTES, offset: XSAVE.AVX },
  { number: 9, feature: "pku", bytes: XSAVE.PKRU_BYTES, offset: XSAVE.PKRU },
];
