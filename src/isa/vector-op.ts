/** The last argument of the helper `gather_elements`: bytes of an element, of an index, number of elements, power of two of the scale. */
export const GATHER = { bytes: 15, indexShift: 4, countShift: 8, countMask: 15, scaleShift: 12 } as const;
