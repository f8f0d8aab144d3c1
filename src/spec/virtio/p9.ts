/**
 * 9P2000.L, the protocol of shared folders: [9p] = Linux include/net/9p/9p.h and the protocol's description in
 * diod's protocol.md; [9p2000] = Plan 9 manual section 5.
 */

/** Types of messages; a reply's is one more than its request's. [9p enum p9_msg_t] */
export const P9 = {
  RLERROR: 7,
  TSTATFS: 8,
  TLOPEN: 12,
  TLCREATE: 14,
  TSYMLINK: 16,
  TREADLINK: 22,
  TGETATTR: 24,
  TSETATTR: 26,
  TREADDIR: 40,
  TFSYNC: 50,
  TLOCK: 52,
  TGETLOCK: 54,
  TLINK: 70,
  TMKDIR: 72,
  TRENAMEAT: 74,
  TUNLINKAT: 76,
  TVERSION: 100,
  TATTACH: 104,
  TFLUSH: 108,
  TWALK: 110,
  TREAD: 116,
  TWRITE: 118,
  TCLUNK: 120,
  TREMOVE: 122,
} as const;

/** size[4] type[1] tag[2] in front of every message. [9p2000 intro(5)] */
export const P9_HEADER = { SIZE: 0, TYPE: 4, TAG: 5, BYTES: 7 } as const;
export const P9_VERSION = "9P2000.L";
/** Names in one walk. [9p P9_MAXWELEM] */
export const P9_WALK_MAXIMUM = 16;
/** Kinds of a qid. [9p P9_QT*] */
export const QID = { DIRECTORY: 0x80, SYMLINK: 0x02, FILE: 0, BYTES: 13 } as const;

/** What a getattr reply holds: all but creation time, generation and data version. [9p P9_STATS_BASIC] */
export const GETATTR_BASIC = 0x7ff;
/** What a setattr sets. [9p P9_ATTR_*] */
export const SETATTR = {
  MODE: 1,
  UID: 2,
  GID: 4,
  SIZE: 8,
  ATIME: 0x10,
  MTIME: 0x20,
  ATIME_SET: 0x80,
  MTIME_SET: 0x100,
} as const;
/** Flag of unlinkat for directories; others are Linux's open flags of every architecture. [9p P9_DOTL_*] */
export const P9_DOTL = {
  ACCMODE: 0o3,
  WRONLY: 0o1,
  RDWR: 0o2,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  AT_REMOVEDIR: 0x200,
} as const;
/** Of a lock's reply and of a lock that is not there. [9p P9_LOCK_*] */
export const P9_LOCK = { SUCCESS: 0, TYPE_UNLCK: 2 } as const;
/** Types in a directory's entries. [readdir(3) DT_*] */
export const DT = { DIRECTORY: 4, FILE: 8, SYMLINK: 10, UNKNOWN: 0 } as const;

/** What statfs says the file system is. [statfs(2) V9FS_MAGIC] */
export const V9FS_MAGIC = 0x0102_1997;

/** virtio's 9P transport: the feature that there is a tag, and the configuration. [virtio 1.2 5.12, Linux virtio_9p.h] */
export const VIRTIO_9P_F = { MOUNT_TAG: 0 } as const;
export const P9_CFG = { tag_len: 0, tag: 2 } as const;
