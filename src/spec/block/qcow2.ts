/**
 * The qcow2 image format: [qcow2] = QEMU's docs/interop/qcow2.txt. All numbers are big-endian; an offset is a byte
 * offset in the file.
 */

/** "QFI\xfb" [qcow2 "Header"] */
export const QCOW2_MAGIC = 0x514649fb;

/** Offsets of the header's fields; the names are the document's. [qcow2 "Header"] */
export const HEADER = {
  magic: 0,
  version: 4,
  backing_file_offset: 8,
  backing_file_size: 16,
  cluster_bits: 20,
  size: 24,
  crypt_method: 32,
  l1_size: 36,
  l1_table_offset: 40,
  refcount_table_offset: 48,
  refcount_table_clusters: 56,
  nb_snapshots: 60,
  snapshots_offset: 64,
  // version 3
  incompatible_features: 72,
  compatible_features: 80,
  autoclear_features: 88,
  refcount_order: 96,
  header_length: 100,
  compression_type: 104,
} as const;

/** Bytes of a version 2 header, of the shortest version 3 header, and of the one with a compression type. */
export const HEADER_LENGTH = { v2: 72, v3: 104, withCompression: 112 } as const;

/** Bits of incompatible_features. [qcow2 "Header"] */
export const INCOMPATIBLE = { dirty: 1, corrupt: 2, externalData: 4, compressionType: 8, extendedL2: 16 } as const;
/** Bits of compatible_features. */
export const COMPATIBLE = { lazyRefcounts: 1 } as const;

/** compression_type. */
export const COMPRESSION = { zlib: 0, zstd: 1 } as const;

/** Types of header extensions. [qcow2 "Header extensions"] */
export const EXTENSION = { end: 0, backingFormat: 0xe2792aca, featureNames: 0x6803f857 } as const;

/** An entry of the feature name table: type, bit, and a name padded to 46 bytes. [qcow2 "Feature name table"] */
export const FEATURE_NAME = { size: 48, name: 2 } as const;

/** cluster_bits and refcount_order that are valid. [qcow2 "Header"] */
export const CLUSTER_BITS = { minimum: 9, maximum: 21 } as const;
export const REFCOUNT_ORDER = { v2: 4, maximum: 6 } as const;

/** The longest backing file name, in bytes. [qcow2 "Header"] */
export const BACKING_NAME_MAXIMUM = 1023;

/** Bits of the upper word of L1 and L2 entries. [qcow2 "Cluster mapping"] */
export const ENTRY_HIGH = {
  /** The refcount of the cluster or L2 table is exactly one. */
  copied: 0x8000_0000,
  /** L2: the cluster is compressed. */
  compressed: 0x4000_0000,
  /** Bits 32 to 55 of the offset. */
  offset: 0x00ff_ffff,
} as const;
/** Bits of the lower word. */
export const ENTRY_LOW = {
  /** L2: the cluster reads as zeros. */
  zero: 1,
  offset: 0xffff_fe00,
} as const;

/** Of a compressed cluster's descriptor: additional sectors are of this size. [qcow2 "Compressed Clusters Descriptor"] */
export const SECTOR = 512;

/** Offsets of a snapshot table entry's fields; id, name and extra data follow. [qcow2 "Snapshots"] */
export const SNAPSHOT = {
  l1_table_offset: 0,
  l1_size: 8,
  id_str_size: 12,
  name_size: 14,
  date_sec: 16,
  date_nsec: 20,
  vm_clock_nsec: 24,
  vm_state_size: 32,
  extra_data_size: 36,
  extra_data: 40,
} as const;

/** Extra data: VM state size (64 bits), virtual disk size, icount. */
export const SNAPSHOT_EXTRA = { vm_state_size: 0, disk_size: 8, icount: 16, length: 24 } as const;
