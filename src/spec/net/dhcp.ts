/** DHCP for IPv4. [RFC 2131 2, RFC 2132] */

export const DHCP_PORT = { SERVER: 67, CLIENT: 68 } as const;
export const BOOTP = {
  OP: 0,
  HTYPE: 1,
  HLEN: 2,
  XID: 4,
  FLAGS: 10,
  CIADDR: 12,
  YIADDR: 16,
  SIADDR: 20,
  CHADDR: 28,
  COOKIE: 236,
  OPTIONS: 240,
  REQUEST: 1,
  REPLY: 2,
  ETHERNET: 1,
  COOKIE_VALUE: 0x63825363,
} as const;
export const DHCP_OPTION = {
  PAD: 0,
  SUBNET_MASK: 1,
  ROUTER: 3,
  DNS: 6,
  HOST_NAME: 12,
  MTU: 26,
  REQUESTED_ADDRESS: 50,
  LEASE_TIME: 51,
  MESSAGE_TYPE: 53,
  SERVER_ID: 54,
  END: 255,
} as const;
export const DHCP_MESSAGE = {
  DISCOVER: 1,
  OFFER: 2,
  REQUEST: 3,
  DECLINE: 4,
  ACK: 5,
  NAK: 6,
  RELEASE: 7,
  INFORM: 8,
} as const;
