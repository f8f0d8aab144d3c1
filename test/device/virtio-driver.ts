import type { GuestMemory } from "../../src/memory/guest-memory.ts";
import { DESC_BYTES, DESC_F, VIRTIO_F, VIRTIO_STATUS } from "../../src/spec/virtio/virtio.ts";
import { COMMON_CFG } from "../../src/spec/virtio/virtio-pci.ts";

/** The registers of a virtio function as its driver reaches them. */
export interface Registers {
  read(offset: number, size: 1 | 2 | 4): number;
  write(offset: number, size: 1 | 2 | 4, value: number): void;
}

/** One piece of a buffer: bytes that the device reads, or a length that it writes. */
export type Piece = Uint8Array | number;

/** Where the driver keeps its things in guest memory. */
const LAYOUT = { desc: 0x1000, driver: 0x2000, device: 0x3000, indirect: 0x4000, data: 0x8000 } as const;
const NOTIFY = 0x3000;
const SIZE = 16;

/** A driver with one queue of 16 entries and one buffer at a time, split or packed, with or without indirect tables. */
export class VirtioDriver {
  readonly memory: GuestMemory;
  readonly registers: Registers;
  readonly #packed: boolean;
  readonly #indirect: boolean;
  #next = 0;
  #wrap = true;

  constructor(registers: Registers, memory: GuestMemory, { packed = false, indirect = false } = {}) {
    this.registers = registers;
    this.memory = memory;
    this.#packed = packed;
    this.#indirect = indirect;
  }

  /** Goes through the steps of [virtio 1.2 3.1.1]; returns the device status. */
  start(): number {
    const { registers } = this;
    const status = (value: number) => registers.write(COMMON_CFG.device_status, 1, value);
    status(0);
    let value: number = VIRTIO_STATUS.ACKNOWLEDGE | VIRTIO_STATUS.DRIVER;
    status(value);
    const features = [0, this.#packed ? 1 << (VIRTIO_F.RING_PACKED - 32) : 0];
    features[0]! |= this.#indirect ? 1 << VIRTIO_F.INDIRECT_DESC : 0;
    features[1]! |= 1 << (VIRTIO_F.VERSION_1 - 32);
    features.forEach((word, index) => {
      registers.write(COMMON_CFG.driver_feature_select, 4, index);
      registers.write(COMMON_CFG.driver_feature, 4, word);
    });
    value |= VIRTIO_STATUS.FEATURES_OK;
    status(value);
    this.memory.fill(LAYOUT.desc, LAYOUT.indirect - LAYOUT.desc, 0);
    this.#setUpQueue();
    status(value | VIRTIO_STATUS.DRIVER_OK);
    return registers.read(COMMON_CFG.device_status, 1);
  }

  /** Gives a buffer to the device; returns what it wrote, or undefined if it did not give the buffer back. */
  request(pieces: readonly Piece[]): Uint8Array[] | undefined {
    const places = this.#place(pieces);
    if (this.#packed) this.#offerPacked(places);
    else this.#offerSplit(places);
    this.registers.write(NOTIFY, 2, 0);
    if (!(this.#packed ? this.#usedPacked() : this.#usedSplit())) return undefined;
    return places.filter(({ write }) => write).map(({ address, length }) => this.#bytes(address, length));
  }

  #setUpQueue(): void {
    const { registers } = this;
    registers.write(COMMON_CFG.queue_select, 2, 0);
    registers.write(COMMON_CFG.queue_size, 2, SIZE);
    registers.write(COMMON_CFG.queue_desc_low, 4, LAYOUT.desc);
    registers.write(COMMON_CFG.queue_driver_low, 4, LAYOUT.driver);
    registers.write(COMMON_CFG.queue_device_low, 4, LAYOUT.device);
    registers.write(COMMON_CFG.queue_enable, 2, 1);
  }

  #bytes(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.memory.read(address, bytes);
    return bytes;
  }

  #place(pieces: readonly Piece[]) {
    let address: number = LAYOUT.data;
    return pieces.map((piece) => {
      const write = typeof piece === "number";
      const place = { address, length: write ? piece : piece.length, write };
      if (!write) this.memory.write(address, piece);
      address += place.length;
      return place;
    });
  }

  #descriptor(at: number, place: ReturnType<typeof this.place>[number], flags: number, tail: number): void {
    this.memory.writeU64(at, place.address);
    this.memory.writeU32(at + 8, place.length);
    this.memory.writeU16(at + (this.#packed ? 14 : 12), flags | (place.write ? DESC_F.WRITE : 0));
    this.memory.writeU16(at + (this.#packed ? 12 : 14), tail);
  }

  private readonly place = (pieces: readonly Piece[]) => this.#place(pieces);

  #offerSplit(places: ReturnType<typeof this.place>): void {
    const table = this.#indirect ? LAYOUT.indirect : LAYOUT.desc;
    places.forEach((place, n) => {
      const more = n + 1 < places.length;
      this.#descriptor(table + n * DESC_BYTES, place, more ? DESC_F.NEXT : 0, n + 1);
    });
    if (this.#indirect) {
      const whole = { address: LAYOUT.indirect, length: places.length * DESC_BYTES, write: false };
      this.#descriptor(LAYOUT.desc, whole, DESC_F.INDIRECT, 0);
    }
    this.memory.writeU16(LAYOUT.driver + 4 + 2 * (this.#next % SIZE), 0);
    this.#next = (this.#next + 1) & 0xffff;
    this.memory.writeU16(LAYOUT.driver + 2, this.#next);
  }

  #usedSplit(): boolean {
    return this.memory.readU16(LAYOUT.device + 2) === this.#next;
  }

  #offerPacked(places: ReturnType<typeof this.place>): void {
    if (this.#indirect) {
      for (const [n, place] of places.entries()) this.#descriptor(LAYOUT.indirect + n * DESC_BYTES, place, 0, 0);
      const whole = { address: LAYOUT.indirect, length: places.length * DESC_BYTES, write: false };
      return this.#offerRing([whole], DESC_F.INDIRECT);
    }
    this.#offerRing(places, 0);
  }

  #offerRing(places: ReturnType<typeof this.place>, flags: number): void {
    this.#first = this.#next;
    this.#firstWrap = this.#wrap;
    places.forEach((place, n) => {
      const owner = this.#wrap ? DESC_F.AVAIL : DESC_F.USED;
      const more = n + 1 < places.length ? DESC_F.NEXT : 0;
      this.#descriptor(LAYOUT.desc + this.#next * DESC_BYTES, place, flags | owner | more, 7);
      this.#next++;
      if (this.#next < SIZE) return;
      this.#next = 0;
      this.#wrap = !this.#wrap;
    });
  }

  #first = 0;
  #firstWrap = true;

  #usedPacked(): boolean {
    const flags = this.memory.readU16(LAYOUT.desc + this.#first * DESC_BYTES + 14) & (DESC_F.AVAIL | DESC_F.USED);
    return flags === (this.#firstWrap ? DESC_F.AVAIL | DESC_F.USED : 0);
  }
}
