/** Packets of the Internet, as offsets and numbers. All fields are big-endian. */

/** [IEEE 802.3 3.1.1] */
export const ETHERNET = { DESTINATION: 0, SOURCE: 6, TYPE: 12, LENGTH: 14 } as const;
export const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806, IPV6: 0x86dd } as const;

/** ARP for Ethernet and IPv4. [RFC 826] */
export const ARP = {
  HARDWARE: 0,
  PROTOCOL: 2,
  SIZES: 4,
  OPERATION: 6,
  SENDER_MAC: 8,
  SENDER_IP: 14,
  TARGET_MAC: 18,
  TARGET_IP: 24,
  LENGTH: 28,
  ETHERNET: 1,
  /** 6 bytes of hardware address, 4 of protocol address. */
  SIZES_VALUE: 0x0604,
  REQUEST: 1,
  REPLY: 2,
} as const;

/** [RFC 791 3.1] */
export const IPV4 = {
  VERSION_IHL: 0,
  TOTAL_LENGTH: 2,
  IDENTIFICATION: 4,
  FRAGMENT: 6,
  TTL: 8,
  PROTOCOL: 9,
  CHECKSUM: 10,
  SOURCE: 12,
  DESTINATION: 16,
  LENGTH: 20,
  /** Version 4, five words of header. */
  VERSION_IHL_VALUE: 0x45,
  DONT_FRAGMENT: 0x4000,
  /** More fragments, or an offset. */
  FRAGMENTED: 0x3fff,
} as const;

/** [RFC 790, IANA Protocol Numbers] */
export const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17 } as const;

/** [RFC 792] */
export const ICMP = {
  TYPE: 0,
  CODE: 1,
  CHECKSUM: 2,
  REST: 4,
  LENGTH: 8,
  ECHO_REPLY: 0,
  UNREACHABLE: 3,
  ECHO: 8,
  CODE_PORT: 3,
  CODE_PROHIBITED: 13,
} as const;

/** [RFC 768] */
export const UDP = { SOURCE: 0, DESTINATION: 2, LENGTH_FIELD: 4, CHECKSUM: 6, LENGTH: 8 } as const;

/** [RFC 9293 3.1] */
export const TCP = {
  SOURCE: 0,
  DESTINATION: 2,
  SEQUENCE: 4,
  ACKNOWLEDGMENT: 8,
  DATA_OFFSET: 12,
  FLAGS: 13,
  WINDOW: 14,
  CHECKSUM: 16,
  LENGTH: 20,
} as const;
export const TCP_FLAG = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;
/** Kinds of options. [RFC 9293 3.2, RFC 7323 2.2] */
export const TCP_OPTION = { END: 0, NOP: 1, MSS: 2, WINDOW_SCALE: 3 } as const;
