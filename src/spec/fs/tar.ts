/** The tar format: POSIX pax interchange format [IEEE Std 1003.1, pax], and GNU's extensions that are in use. */

/** Headers and bodies take whole blocks. */
export const TAR_BLOCK = 512;

/** Fields of a header: offset and length. */
export const TAR_FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 6],
  deviceMajor: [329, 8],
  deviceMinor: [337, 8],
  prefix: [345, 155],
} as const;

/** What magic a header with a prefix has; GNU's older one ends in a space. */
export const USTAR_MAGIC = "ustar\0";

/** Type flags. */
export const TAR_TYPE = {
  hardLink: "1",
  symbolicLink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
  paxHeader: "x",
  paxGlobal: "g",
  gnuLongName: "L",
  gnuLongLink: "K",
  gnuSparse: "S",
  /** Regular files: also the old form and contiguous files. */
  files: ["0", "\0", "7"],
} as const;

/** Names of the records of a pax header that hold extended attributes begin so. */
export const PAX_XATTR = "SCHILY.xattr.";

/** What marks deletions in a layer [OCI image-spec, layer.md, "Whiteouts"]. */
export const WHITEOUT = { prefix: ".wh.", opaque: ".wh..wh..opq", reserved: ".wh..wh." } as const;
