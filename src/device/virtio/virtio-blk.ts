import type { BlockBackend } from "../../backend/block/block.ts";
import type { GuestMemory } from "../../memory/guest-memory.ts";
import { VIRTIO_ID } from "../../spec/virtio/virtio.ts";
import {
  BLK_CFG,
  BLK_ID_BYTES,
  BLK_RANGE,
  BLK_REQUEST,
  BLK_SECTOR,
  VIRTIO_BLK_F,
  VIRTIO_BLK_S,
  VIRTIO_BLK_T,
} from "../../spec/virtio/virtio-blk.ts";
import type { DescriptorChain } from "./descriptor-chain.ts";
import { QueueError, SEGMENTS_MAXIMUM } from "./descriptor-chain.ts";
import type { BufferQueue, VirtioFunction } from "./virtio-device.ts";

export interface VirtioBlkConfig {
  readonly name: string;
  /** What the guest reads as serial number, up to 20 bytes of ASCII. */
  readonly serial: string;
}

export interface VirtioBlkGlue {
  readonly disk: BlockBackend;
  readonly memory: GuestMemory;
  /** Told of an error of the host's that a request failed with. */
  readonly onError?: ((error: Error) => void) | undefined;
}

const QUEUE_SIZE = 256;
/** Pieces of data in a request: a chain's less header and status. */
const SEG_MAX = QUEUE_SIZE - 2;
const RANGES_MAXIMUM = 32;
const SECTORS_MAXIMUM = 0x3f_ffff;
const STATUS_BYTES = 1;

/** A disk. [virtio 1.2 5.2] */
export class VirtioBlk implements VirtioFunction {
  readonly name: string;
  readonly type = VIRTIO_ID.BLOCK;
  readonly queueSizes = [QUEUE_SIZE];
  readonly features: readonly number[];
  readonly config: Uint8Array;
  readonly #serial: Uint8Array;
  readonly #glue: VirtioBlkGlue;
  readonly #header = new Uint8Array(BLK_REQUEST.BYTES);
  readonly #headerView = new DataView(this.#header.buffer);
  readonly #status = new Uint8Array(STATUS_BYTES);
  /** For memory that lies in several slots. */
  readonly #bounce = new Uint8Array(65_536);

  constructor({ name, serial }: VirtioBlkConfig, glue: VirtioBlkGlue) {
    this.name = name;
    this.#glue = glue;
    this.#serial = Uint8Array.from(serial.slice(0, BLK_ID_BYTES), (character) => character.charCodeAt(0) & 0x7f);
    const { RO, SEG_MAX: SEGMENTS, BLK_SIZE, FLUSH, DISCARD, WRITE_ZEROES } = VIRTIO_BLK_F;
    this.features = [SEGMENTS, BLK_SIZE, FLUSH, ...(glue.disk.readOnly ? [RO] : [DISCARD, WRITE_ZEROES])];
    this.config = configOf(glue.disk);
  }

  process(_queue: number, buffers: BufferQueue): void {
    for (let chain = buffers.take(); chain; chain = buffers.take()) buffers.give(chain, this.#request(chain));
  }

  /** Carries a request out; returns the bytes written to the guest. */
  #request(chain: DescriptorChain): number {
    if (chain.readable < BLK_REQUEST.BYTES || chain.writable < STATUS_BYTES || chain.count > SEGMENTS_MAXIMUM)
      throw new QueueError("a request has no header or no status");
    chain.read(0, this.#header);
    const data = chain.writable - STATUS_BYTES;
    this.#status[0] = this.#guarded(chain, data);
    chain.write(data, this.#status);
    const type = this.#headerView.getUint32(BLK_REQUEST.TYPE, true);
    const isRead = type === VIRTIO_BLK_T.IN || type === VIRTIO_BLK_T.GET_ID;
    return isRead ? data + STATUS_BYTES : STATUS_BYTES;
  }

  /** An error of the host's fails the request, and the guest goes on; what is wrong with the queue stops the device. */
  #guarded(chain: DescriptorChain, data: number): number {
    try {
      return this.#execute(chain, data);
    } catch (error) {
      if (error instanceof QueueError || (error instanceof RangeError && !("code" in error))) throw error;
      this.#glue.onError?.(error as Error);
      return VIRTIO_BLK_S.IOERR;
    }
  }

  #execute(chain: DescriptorChain, data: number): number {
    const low = this.#headerView.getUint32(BLK_REQUEST.SECTOR, true);
    const sector = this.#headerView.getUint32(BLK_REQUEST.SECTOR + 4, true) * 2 ** 32 + low;
    switch (this.#headerView.getUint32(BLK_REQUEST.TYPE, true)) {
      case VIRTIO_BLK_T.IN:
        return this.#transfer(chain, true, sector, data);
      case VIRTIO_BLK_T.OUT:
        return this.#transfer(chain, false, sector, chain.readable - BLK_REQUEST.BYTES);
      case VIRTIO_BLK_T.FLUSH:
        this.#glue.disk.flush();
        return VIRTIO_BLK_S.OK;
      case VIRTIO_BLK_T.GET_ID:
        return this.#identify(chain, data);
      case VIRTIO_BLK_T.DISCARD:
        return this.#ranges(chain, (offset, length) => this.#glue.disk.discard(offset, length));
      case VIRTIO_BLK_T.WRITE_ZEROES:
        return this.#ranges(chain, (offset, length, unmap) => this.#glue.disk.writeZeroes(offset, length, unmap));
      default:
        return VIRTIO_BLK_S.UNSUPP;
    }
  }

  #transfer(chain: DescriptorChain, toGuest: boolean, sector: number, length: number): number {
    const start = sector * BLK_SECTOR;
    if (length % BLK_SECTOR !== 0 || !this.#isInside(start, length)) return VIRTIO_BLK_S.IOERR;
    if (!toGuest && this.#glue.disk.readOnly) return VIRTIO_BLK_S.IOERR;
    let at = start;
    chain.forEach(toGuest, toGuest ? 0 : BLK_REQUEST.BYTES, length, (address, size) => {
      if (toGuest) this.#readTo(address, size, at);
      else this.#writeFrom(address, size, at);
      at += size;
    });
    return VIRTIO_BLK_S.OK;
  }

  #readTo(address: number, length: number, offset: number): void {
    const { memory, disk } = this.#glue;
    const view = memory.view(address, length);
    if (view) {
      disk.read(offset, view);
      return memory.written(address, length);
    }
    for (let done = 0; done < length; done += this.#bounce.length) {
      const part = this.#bounce.subarray(0, Math.min(this.#bounce.length, length - done));
      disk.read(offset + done, part);
      memory.write(address + done, part);
    }
  }

  #writeFrom(address: number, length: number, offset: number): void {
    const { memory, disk } = this.#glue;
    const view = memory.view(address, length);
    if (view) return disk.write(offset, view);
    for (let done = 0; done < length; done += this.#bounce.length) {
      const part = this.#bounce.subarray(0, Math.min(this.#bounce.length, length - done));
      memory.read(address + done, part);
      disk.write(offset + done, part);
    }
  }

  #identify(chain: DescriptorChain, data: number): number {
    const id = new Uint8Array(Math.min(data, BLK_ID_BYTES));
    id.set(this.#serial.subarray(0, id.length));
    chain.write(0, id);
    return VIRTIO_BLK_S.OK;
  }

  #ranges(chain: DescriptorChain, apply: (offset: number, length: number, unmap: boolean) => void): number {
    const length = chain.readable - BLK_REQUEST.BYTES;
    if (this.#glue.disk.readOnly || length % BLK_RANGE.BYTES !== 0 || length > RANGES_MAXIMUM * BLK_RANGE.BYTES)
      return VIRTIO_BLK_S.IOERR;
    const bytes = new Uint8Array(length);
    chain.read(BLK_REQUEST.BYTES, bytes);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < length; at += BLK_RANGE.BYTES) {
      const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      const count = view.getUint32(at + BLK_RANGE.COUNT, true);
      const flags = view.getUint32(at + BLK_RANGE.FLAGS, true);
      if (flags & ~BLK_RANGE.UNMAP) return VIRTIO_BLK_S.UNSUPP;
      if (count > SECTORS_MAXIMUM || !this.#isInside(sector * BLK_SECTOR, count * BLK_SECTOR))
        return VIRTIO_BLK_S.IOERR;
      apply(sector * BLK_SECTOR, count * BLK_SECTOR, (flags & BLK_RANGE.UNMAP) !== 0);
    }
    return VIRTIO_BLK_S.OK;
  }

  #isInside(offset: number, length: number): boolean {
    return offset + length <= Math.floor(this.#glue.disk.size / BLK_SECTOR) * BLK_SECTOR;
  }
}

function configOf(disk: BlockBackend): Uint8Array {
  const config = new Uint8Array(BLK_CFG.length);
  const view = new DataView(config.buffer);
  const sectors = Math.floor(disk.size / BLK_SECTOR);
  view.setUint32(BLK_CFG.capacity, sectors >>> 0, true);
  view.setUint32(BLK_CFG.capacity + 4, Math.floor(sectors / 2 ** 32), true);
  view.setUint32(BLK_CFG.seg_max, SEG_MAX, true);
  view.setUint32(BLK_CFG.blk_size, BLK_SECTOR, true);
  view.setUint16(BLK_CFG.num_queues, 1, true);
  view.setUint32(BLK_CFG.max_discard_sectors, SECTORS_MAXIMUM, true);
  view.setUint32(BLK_CFG.max_discard_seg, RANGES_MAXIMUM, true);
  view.setUint32(BLK_CFG.discard_sector_alignment, 1, true);
  view.setUint32(BLK_CFG.max_write_zeroes_sectors, SECTORS_MAXIMUM, true);
  view.setUint32(BLK_CFG.max_write_zeroes_seg, RANGES_MAXIMUM, true);
  view.setUint8(BLK_CFG.write_zeroes_may_unmap, 1);
  return config;
}
