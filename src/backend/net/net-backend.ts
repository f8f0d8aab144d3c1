/** What a network card is connected to. Frames are Ethernet frames behind a virtio_net_hdr of 12 bytes. [virtio 1.2 5.1.6] */
export interface NetBackend {
  /** A place for a frame from the guest; undefined if it has to wait. */
  reserve(length: number): Uint8Array | undefined;
  /** Sends the frame that was put into the reserved place. */
  commit(length: number): void;
  /** Tells the other side that frames were sent. */
  notify(): void;
  /** The oldest frame to the guest; undefined if there is none. */
  peek(): Uint8Array | undefined;
  drop(): void;
  /** What the guest's driver takes: frames without checksums, and TCP segments larger than the MTU. */
  setOffloads(checksum: boolean, segmentation: boolean): void;
}
