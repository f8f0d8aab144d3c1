/** Block devices. [virtio 1.2 5.2] */

/** Feature bits, by number. [virtio 1.2 5.2.3] */
export const VIRTIO_BLK_F = {
  SEG_MAX: 2,
  RO: 5,
  BLK_SIZE: 6,
  FLUSH: 9,
  TOPOLOGY: 10,
  MQ: 12,
  DISCARD: 13,
  WRITE_ZEROES: 14,
} as const;

/** Types of a request. [virtio 1.2 5.2.6] */
export const VIRTIO_BLK_T = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;

/** Status of a request. */
export const VIRTIO_BLK_S = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;

/** The header of a request: type, reserved, sector. */
export const BLK_REQUEST = { TYPE: 0, SECTOR: 8, BYTES: 16 } as const;
/** A range of DISCARD and WRITE_ZEROES. */
export const BLK_RANGE = { SECTOR: 0, COUNT: 8, FLAGS: 12, BYTES: 16, UNMAP: 1 } as const;
export const BLK_ID_BYTES = 20;

/** Capacity and requests count sectors of this size, whatever the block size is. [virtio 1.2 5.2.4] */
export const BLK_SECTOR = 512;

/** Offsets in the device configuration. [virtio 1.2 5.2.4] */
export const BLK_CFG = {
  capacity: 0,
  size_max: 8,
  seg_max: 12,
  geometry: 16,
  blk_size: 20,
  physical_block_exp: 24,
  alignment_offset: 25,
  min_io_size: 26,
  opt_io_size: 28,
  writeback: 32,
  num_queues: 34,
  max_discard_sectors: 36,
  max_discard_seg: 40,
  discard_sector_alignment: 44,
  max_write_zeroes_sectors: 48,
  max_write_zeroes_seg: 52,
  write_zeroes_may_unmap: 56,
  length: 60,
} as const;
