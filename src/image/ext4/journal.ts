import { BLOCK_SIZE, JOURNAL } from "../../spec/fs/ext4.ts";

const MIB_OF_BLOCKS = (1 << 20) / BLOCK_SIZE;

/** Blocks of the journal of a file system with so many blocks: larger ones have more to write at once. */
export function journalBlocks(blocks: number): number {
  if (blocks < 128 * MIB_OF_BLOCKS) return 4 * MIB_OF_BLOCKS;
  if (blocks < 1024 * MIB_OF_BLOCKS) return 16 * MIB_OF_BLOCKS;
  return 64 * MIB_OF_BLOCKS;
}

/** The first block of an empty journal [journal.rst, "Super Block"]. */
export function encodeJournalSuperblock(blocks: number, uuid: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BLOCK_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0x00, JOURNAL.magic);
  view.setUint32(0x04, JOURNAL.superblockV2);
  view.setUint32(0x0c, BLOCK_SIZE);
  view.setUint32(0x10, blocks);
  view.setUint32(0x14, JOURNAL.firstBlock);
  view.setUint32(0x18, JOURNAL.firstSequence);
  bytes.set(uuid, 0x30);
  view.setUint32(0x40, 1); // file systems that use it
  return bytes;
}
