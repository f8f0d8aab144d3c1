/** A byte in the notation of opcodes: two hex digits. */
export const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, "0");

/** Condition codes in the order of their encoding. [SDM 1 B.1] */
export const CONDITIONS = [
  "O",
  "NO",
  "B",
  "NB",
  "Z",
  "NZ",
  "BE",
  "NBE",
  "S",
  "NS",
  "P",
  "NP",
  "L",
  "NL",
  "LE",
  "NLE",
] as const;
