/** Console devices. [virtio 1.2 5.3] */

/** Feature bits, by number. [virtio 1.2 5.3.3] */
export const VIRTIO_CONSOLE_F = { SIZE: 0, MULTIPORT: 1 } as const;

/** Offsets in the device configuration. [virtio 1.2 5.3.4] */
export const CONSOLE_CFG = { cols: 0, rows: 2, max_nr_ports: 4, emerg_wr: 8, length: 12 } as const;

/** Queues: two of port 0, two of control messages, then two of each further port. [virtio 1.2 5.3.2] */
export const CONSOLE_QUEUE = { CONTROL_RECEIVE: 2, CONTROL_TRANSMIT: 3 } as const;

/** A control message: a port, what happens, and a value. [virtio 1.2 5.3.6.2] */
export const CONSOLE_CONTROL = { ID: 0, EVENT: 4, VALUE: 6, BYTES: 8 } as const;
export const CONSOLE_EVENT = {
  DEVICE_READY: 0,
  DEVICE_ADD: 1,
  DEVICE_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const;

/** What follows a RESIZE. [virtio 1.2 5.3.6.2] */
export const CONSOLE_RESIZE = { COLS: 8, ROWS: 10, BYTES: 12 } as const;
