/** The instructions of the XSAVE family, as their helpers take them. [SDM 1 13.7-13.12] */
export const XSAVE_FORM = { plain: 0, optimized: 1, compacted: 2, supervisor: 3 } as const;
