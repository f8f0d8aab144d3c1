/** Virtual I/O devices: [virtio 1.2] = OASIS Virtual I/O Device (VIRTIO) Version 1.2. */

/** Device types. [virtio 1.2 5] */
export const VIRTIO_ID = { NET: 1, BLOCK: 2, CONSOLE: 3, ENTROPY: 4, BALLOON: 5, P9: 9, VSOCK: 19 } as const;

/** Bits of the device status. [virtio 1.2 2.1] */
export const VIRTIO_STATUS = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  NEEDS_RESET: 0x40,
  FAILED: 0x80,
} as const;

/** Feature bits of every device, by number. [virtio 1.2 6] */
export const VIRTIO_F = { INDIRECT_DESC: 28, EVENT_IDX: 29, VERSION_1: 32, RING_PACKED: 34, RING_RESET: 40 } as const;

/** A queue's largest size. [virtio 1.2 2.7] */
export const QUEUE_SIZE_MAXIMUM = 32_768;

/** Flags of a descriptor; AVAIL and USED in packed queues only. [virtio 1.2 2.7.5, 2.8.1] */
export const DESC_F = { NEXT: 1, WRITE: 2, INDIRECT: 4, AVAIL: 0x80, USED: 0x8000 } as const;
export const DESC_BYTES = 16;

/** Offsets in a descriptor of a split queue. [virtio 1.2 2.7.5] */
export const SPLIT_DESC = { ADDR: 0, LEN: 8, FLAGS: 12, NEXT: 14 } as const;
/** Offsets in a descriptor of a packed queue. [virtio 1.2 2.8.13] */
export const PACKED_DESC = { ADDR: 0, LEN: 8, ID: 12, FLAGS: 14 } as const;

/** Offsets in the available and in the used ring. [virtio 1.2 2.7.6, 2.7.8] */
export const RING = { FLAGS: 0, IDX: 2, ENTRIES: 4, USED_ENTRY_BYTES: 8 } as const;
/** Flag of the available ring: the driver wants no interrupts; of the used ring: the device wants no notifications. */
export const RING_F = { NO_INTERRUPT: 1, NO_NOTIFY: 1 } as const;

/** The event suppression structure of a packed queue: offset and wrap counter, then flags. [virtio 1.2 2.8.14] */
export const EVENT = { DESC: 0, FLAGS: 2 } as const;
export const EVENT_FLAGS = { ENABLE: 0, DISABLE: 1, DESC: 2, MASK: 3 } as const;

/** Bits of the ISR status. [virtio 1.2 4.1.4.5] */
export const ISR = { QUEUE: 1, CONFIG: 2 } as const;
