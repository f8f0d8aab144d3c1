/** Messages of the Domain Name System. [RFC 1035 4.1] */

export const DNS_PORT = 53;
export const DNS = {
  ID: 0,
  FLAGS: 2,
  QUESTIONS: 4,
  ANSWERS: 6,
  LENGTH: 12,
  /** Flags: a response, recursion desired, recursion available. */
  RESPONSE: 0x8000,
  OPCODE: 0x7800,
  RECURSION_DESIRED: 0x0100,
  RECURSION_AVAILABLE: 0x0080,
  /** Response codes. */
  SERVER_FAILURE: 2,
  NAME_ERROR: 3,
  /** A name that is a pointer to offset 12, the question's. */
  POINTER_TO_QUESTION: 0xc00c,
  CLASS_IN: 1,
  LABEL_MAXIMUM: 63,
} as const;
export const DNS_TYPE = { A: 1, AAAA: 28 } as const;
