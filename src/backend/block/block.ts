/** A disk as its device sees it. */

/** What is known of a run of bytes without reading it. */
export interface Extent {
  /** data: stored here or in a backing file; zero: reads as zeros; absent: nothing is stored in this layer. */
  readonly kind: "data" | "zero" | "absent";
  /** Bytes from the offset asked for; at least 1. */
  readonly length: number;
}

/**
 * Bytes 0 to `size` with the operations of a disk. Offsets and lengths are bytes, in any alignment, and must lie inside:
 * the caller checks what a guest asks for. Calls are synchronous: a device that must not wait runs them in a thread of
 * its own. They throw the host's error (code ENOSPC, EIO ...) or a UserError for a damaged image; what was flushed before
 * stays whole.
 */
export interface BlockBackend {
  readonly size: number;
  readonly readOnly: boolean;
  read(offset: number, into: Uint8Array): void;
  write(offset: number, data: Uint8Array): void;
  /** Makes a range read as zeros; `unmap` allows giving its space back. */
  writeZeroes(offset: number, length: number, unmap: boolean): void;
  /** The guest needs these bytes no more; what they read as afterwards is open. */
  discard(offset: number, length: number): void;
  /** Returns when all that was written is durable. */
  flush(): void;
  /** What is at an offset, for at most `length` bytes. */
  extent(offset: number, length: number): Extent;
  /** Flushes and lets go of the files. */
  close(): void;
}

/** A file of bytes under a disk format. It grows by writing beyond its end; gaps read as zeros. */
export interface Storage {
  /** What messages call it. */
  readonly name: string;
  readonly readOnly: boolean;
  /** Bytes. */
  size(): number;
  /** Fills `into`; what lies beyond the end is zeros. */
  read(offset: number, into: Uint8Array): void;
  write(offset: number, data: Uint8Array): void;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
