/** Network devices. [virtio 1.2 5.1] */

/** Feature bits, by number. [virtio 1.2 5.1.3] */
export const VIRTIO_NET_F = {
  CSUM: 0,
  GUEST_CSUM: 1,
  MTU: 3,
  MAC: 5,
  GUEST_TSO4: 7,
  GUEST_TSO6: 8,
  HOST_TSO4: 11,
  HOST_TSO6: 12,
  MRG_RXBUF: 15,
  STATUS: 16,
} as const;

/** Queues of a device with one pair. [virtio 1.2 5.1.2] */
export const VIRTIO_NET_QUEUE = { RECEIVE: 0, TRANSMIT: 1 } as const;

/** The header in front of every packet. [virtio 1.2 5.1.6] */
export const NET_HDR = {
  FLAGS: 0,
  GSO_TYPE: 1,
  HDR_LEN: 2,
  GSO_SIZE: 4,
  CSUM_START: 6,
  CSUM_OFFSET: 8,
  NUM_BUFFERS: 10,
  LENGTH: 12,
  FLAG_NEEDS_CSUM: 1,
  GSO_NONE: 0,
  GSO_TCPV4: 1,
} as const;

/** Offsets in the device configuration. [virtio 1.2 5.1.4] */
export const NET_CFG = { mac: 0, status: 6, max_virtqueue_pairs: 8, mtu: 10, length: 12, STATUS_LINK_UP: 1 } as const;

/** The largest packet with offloads: an Ethernet header and 64 KiB less one of IP. */
export const NET_PACKET_MAXIMUM = 14 + 65_535;
