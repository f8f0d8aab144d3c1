/** Virtio over PCI. [virtio 1.2 4.1] */

/** Identity: a modern device has 0x1040 + its type. [virtio 1.2 4.1.2] */
export const VIRTIO_PCI = { VENDOR_ID: 0x1af4, DEVICE_ID_BASE: 0x1040, REVISION: 1, SUBSYSTEM_ID: 0x1100 } as const;

/** Types of a vendor capability. [virtio 1.2 4.1.4] */
export const VIRTIO_PCI_CAP = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;
/** Offsets in it; a notify capability has the multiplier behind, the PCI one a window of data. */
export const PCI_CAP = {
  LEN: 2,
  CFG_TYPE: 3,
  BAR: 4,
  OFFSET: 8,
  LENGTH: 12,
  BYTES: 16,
  NOTIFY_MULTIPLIER: 16,
} as const;

/** Offsets of the common configuration's registers, with their widths. [virtio 1.2 4.1.4.3] */
export const COMMON_CFG = {
  device_feature_select: 0,
  device_feature: 4,
  driver_feature_select: 8,
  driver_feature: 12,
  config_msix_vector: 16,
  num_queues: 18,
  device_status: 20,
  config_generation: 21,
  queue_select: 22,
  queue_size: 24,
  queue_msix_vector: 26,
  queue_enable: 28,
  queue_notify_off: 30,
  queue_desc_low: 32,
  queue_desc_high: 36,
  queue_driver_low: 40,
  queue_driver_high: 44,
  queue_device_low: 48,
  queue_device_high: 52,
  queue_notify_data: 56,
  queue_reset: 58,
  length: 60,
} as const;

/** "No vector": the event raises no MSI-X interrupt. [virtio 1.2 4.1.5.1.2] */
export const NO_VECTOR = 0xffff;
