/** The on-disk format of ext4 [Linux Documentation/filesystems/ext4, fs/ext4/ext4.h]; numbers are little-endian. */

/** Bytes; the only size of block that is written here. */
export const BLOCK_SIZE = 4096;
/** A bitmap of one block covers a group. */
export const BLOCKS_PER_GROUP = 8 * BLOCK_SIZE;
/** Groups whose bitmaps and inode tables lie together [flex_bg]. */
export const LOG_GROUPS_PER_FLEX = 4;

/** [super.rst] */
export const SUPERBLOCK = {
  offset: 1024,
  size: 1024,
  magic: 0xef53,
  stateClean: 1,
  errorsContinue: 1,
  dynamicRevision: 1,
  /** s_flags: names are hashed as unsigned characters. */
  unsignedHash: 2,
  hashHalfMd4: 1,
  journalBackupBlocks: 1,
} as const;

/** s_feature_compat, s_feature_incompat, s_feature_ro_compat. */
export const FEATURES = {
  compatible: { hasJournal: 0x4, extendedAttributes: 0x8, directoryIndex: 0x20 },
  incompatible: { fileType: 0x2, extents: 0x40, flexGroups: 0x200 },
  readOnlyCompatible: { sparseSuper: 0x1, largeFile: 0x2, hugeFile: 0x8, directoryLinks: 0x20, extraInodeSize: 0x40 },
} as const;

/** Numbers of special inodes [special_inodes.rst]. */
export const INODE_NUMBER = { root: 2, journal: 8, firstFree: 11 } as const;

/** [inodes.rst] */
export const INODE = {
  size: 256,
  /** Bytes of an inode that every version has. */
  base: 128,
  /** i_extra_isize: fields up to i_projid. */
  extra: 32,
  blockOffset: 0x28,
  blockSize: 60,
  /** i_links_count says 1 for a directory with more. */
  linksMaximum: 65_000,
  flags: { index: 0x1000, extents: 0x8_0000 },
} as const;

/** st_mode file types, and the types in directory entries [inode(7), directory.rst]. */
export const FILE_TYPE = {
  file: { mode: 0o100000, entry: 1 },
  directory: { mode: 0o040000, entry: 2 },
  character: { mode: 0o020000, entry: 3 },
  block: { mode: 0o060000, entry: 4 },
  fifo: { mode: 0o010000, entry: 5 },
  socket: { mode: 0o140000, entry: 6 },
  symlink: { mode: 0o120000, entry: 7 },
} as const;

/** [group_descr.rst] Without the feature 64bit. */
export const GROUP_DESCRIPTOR_SIZE = 32;

/** [ifork.rst, "Extent Tree"] */
export const EXTENT = {
  magic: 0xf30a,
  headerSize: 12,
  entrySize: 12,
  /** Blocks in an extent that is initialised. */
  lengthMaximum: 32_768,
  /** Entries in an inode and in a block. */
  inInode: 4,
  inBlock: 340,
} as const;

/** [directory.rst] */
export const DIRECTORY = {
  entryHeader: 8,
  nameMaximum: 255,
  /** Places in the root and in an inner block of a hash tree, the one with limit and count among them. */
  rootLimit: 508,
  nodeLimit: 511,
  rootInfoOffset: 0x18,
  rootInfoSize: 8,
  rootEntriesOffset: 0x20,
  nodeEntriesOffset: 8,
} as const;

/** [attributes.rst] */
export const XATTR = {
  magic: 0xea02_0000,
  blockHeader: 32,
  entryHeader: 16,
  /** Numbers of the prefixes that names are stored without. */
  prefixes: { "user.": 1, "trusted.": 4, "security.": 6 },
  nameHashShift: 5,
  valueHashShift: 16,
} as const;

/** The journal's superblock; its numbers are big-endian [journal.rst]. */
export const JOURNAL = { magic: 0xc03b_3998, superblockV2: 4, firstBlock: 1, firstSequence: 1 } as const;

/** The constants of the rounds of the directory hash, half of MD4 [fs/ext4/hash.c]. */
export const HALF_MD4 = {
  initial: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
  add: [0, 0x5a82_7999, 0x6ed9_eba1],
  words: [
    [0, 1, 2, 3, 4, 5, 6, 7],
    [1, 3, 5, 7, 0, 2, 4, 6],
    [3, 7, 2, 6, 1, 5, 0, 4],
  ],
  shifts: [
    [3, 7, 11, 19],
    [3, 5, 9, 13],
    [3, 9, 11, 15],
  ],
  /** The largest hash stands for the end of a directory, so a name with it gets the one before. */
  end: 0xffff_fffe,
} as const;
