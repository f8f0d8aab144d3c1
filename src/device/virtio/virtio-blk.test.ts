import { describe, expect, test } from "vitest";
import { type Registers, VirtioDriver } from "../../../test/device/virtio-driver.ts";
import { Random } from "../../../test/isa/random.ts";
import { MemoryDisk } from "../../backend/block/memory-disk.ts";
import { LatchedLine } from "../../bus/interrupt-line.ts";
import type { RegisterBlock } from "../../bus/register-block.ts";
import { createFlatMemory } from "../../memory/slot-memory.ts";
import { MSIX, PCI_CLASS, PCI_HEADER } from "../../spec/pci/config-space.ts";
import { VIRTIO_STATUS } from "../../spec/virtio/virtio.ts";
import { VIRTIO_BLK_S, VIRTIO_BLK_T } from "../../spec/virtio/virtio-blk.ts";
import { COMMON_CFG } from "../../spec/virtio/virtio-pci.ts";
import { VirtioBlk } from "./virtio-blk.ts";
import { VirtioPci } from "./virtio-pci.ts";

const MEMORY = 0x20000;
const SECTORS = 64;
const MSIX_AT = 0x40;

function create(disk = new MemoryDisk(SECTORS * 512)) {
  const memory = createFlatMemory(MEMORY);
  const interrupt = new LatchedLine();
  const messages: number[] = [];
  const errors: string[] = [];
  let registers: RegisterBlock | undefined;
  const window = {
    map: (_address: number, _length: number, block: RegisterBlock) => {
      registers = block;
    },
    unmap: () => {
      registers = undefined;
    },
  };
  const signalMsi = (low: number, _high: number, data: number) => void messages.push(low + data);
  const blk = new VirtioBlk({ name: "disk", serial: "abc" }, { disk, memory, onError: (e) => errors.push(e.message) });
  const device = new VirtioPci(blk, { classCode: PCI_CLASS.SCSI }, { window, interrupt, signalMsi, memory });
  device.place({ address: 0xc000_0000, interruptLine: 10 });
  const access: Registers = {
    read: (offset, size) => registers!.read(offset, size),
    write: (offset, size, value) => registers!.write(offset, size, value),
  };
  return { disk, memory, interrupt, messages, errors, device, access, mapped: () => registers !== undefined };
}

function header(type: number, sector = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, type, true);
  new DataView(bytes.buffer).setUint32(8, sector, true);
  return bytes;
}

function range(sector: number, count: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, sector, true);
  view.setUint32(8, count, true);
  view.setUint32(12, flags, true);
  return bytes;
}

const QUEUES = [
  { packed: false, indirect: false },
  { packed: false, indirect: true },
  { packed: true, indirect: false },
  { packed: true, indirect: true },
];

describe.each(QUEUES)("a disk with a queue that is %o", (options) => {
  function running(disk?: MemoryDisk) {
    const parts = create(disk);
    const driver = new VirtioDriver(parts.access, parts.memory, options);
    expect(driver.start() & VIRTIO_STATUS.FEATURES_OK).not.toBe(0);
    return { ...parts, driver };
  }

  test("is written and read, many times around the ring", () => {
    const { disk, driver, interrupt, access } = running();
    for (let n = 0; n < 100; n++) {
      const data = new Uint8Array(1024).fill(n + 1);
      const sector = n % (SECTORS - 1);
      expect(driver.request([header(VIRTIO_BLK_T.OUT, sector), data, 1])).toEqual([Uint8Array.of(VIRTIO_BLK_S.OK)]);
      expect(disk.bytes[sector * 512 + 1023]).toBe(n + 1);
      const read = driver.request([header(VIRTIO_BLK_T.IN, sector), 512, 512, 1]);
      expect(read).toEqual([data.subarray(0, 512), data.subarray(512), Uint8Array.of(VIRTIO_BLK_S.OK)]);
      expect([interrupt.level, access.read(0x1000, 1), interrupt.level]).toEqual([true, 1, false]);
    }
  });

  test("is flushed, told apart, trimmed and zeroed", () => {
    const { disk, driver } = running();
    disk.bytes.fill(9);
    expect(driver.request([header(VIRTIO_BLK_T.FLUSH), 1])).toEqual([Uint8Array.of(0)]);
    expect(disk.flushes).toBe(1);
    const [id] = driver.request([header(VIRTIO_BLK_T.GET_ID), 20, 1])!;
    expect(String.fromCharCode(...id!.subarray(0, 4))).toBe("abc\0");
    expect(driver.request([header(VIRTIO_BLK_T.WRITE_ZEROES), range(2, 3, 1), 1])).toEqual([Uint8Array.of(0)]);
    expect([disk.bytes[1023], disk.bytes[1024], disk.bytes[2559], disk.bytes[2560]]).toEqual([9, 0, 0, 9]);
    expect(driver.request([header(VIRTIO_BLK_T.DISCARD), range(60, 5), 1])).toEqual([Uint8Array.of(1)]);
    expect(driver.request([header(99), 1])).toEqual([Uint8Array.of(VIRTIO_BLK_S.UNSUPP)]);
  });

  test("refuses what is beyond its end, in halves of sectors, or to be written when it is read-only", () => {
    const { driver } = running();
    expect(driver.request([header(VIRTIO_BLK_T.IN, SECTORS - 1), 1024, 1])?.[1]).toEqual(Uint8Array.of(1));
    expect(driver.request([header(VIRTIO_BLK_T.IN, 0xffff_ffff), 512, 1])?.[1]).toEqual(Uint8Array.of(1));
    expect(driver.request([header(VIRTIO_BLK_T.OUT, 0), new Uint8Array(100), 1])).toEqual([Uint8Array.of(1)]);
    const other = running(new MemoryDisk(512, true));
    expect(other.driver.request([header(VIRTIO_BLK_T.OUT, 0), new Uint8Array(512), 1])).toEqual([Uint8Array.of(1)]);
  });

  test("an error of the host's fails the request alone", () => {
    const disk = new MemoryDisk(SECTORS * 512);
    const { driver, errors } = running(disk);
    disk.flush = () => {
      throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    };
    expect(driver.request([header(VIRTIO_BLK_T.FLUSH), 1])).toEqual([Uint8Array.of(VIRTIO_BLK_S.IOERR)]);
    expect(errors).toEqual(["no space left"]);
    expect(driver.request([header(VIRTIO_BLK_T.IN), 512, 1])?.[1]).toEqual(Uint8Array.of(0));
  });

  test("stops at a broken buffer until it is reset", () => {
    const { driver, access } = running();
    expect(driver.request([header(VIRTIO_BLK_T.IN), 512])).toBeDefined();
    expect(driver.request([new Uint8Array(3), 1])).toBeUndefined();
    expect(access.read(COMMON_CFG.device_status, 1) & VIRTIO_STATUS.NEEDS_RESET).not.toBe(0);
    const again = new VirtioDriver(access, driver.memory, options);
    again.start();
    expect(again.request([header(VIRTIO_BLK_T.FLUSH), 1])).toEqual([Uint8Array.of(0)]);
  });

  test("goes on where a snapshot of it was taken", () => {
    const { driver, device, disk } = running();
    driver.request([header(VIRTIO_BLK_T.OUT, 1), new Uint8Array(512).fill(5), 1]);
    const state = JSON.parse(JSON.stringify(device.snapshot()));
    device.reset();
    device.restore(state);
    expect(driver.request([header(VIRTIO_BLK_T.IN, 1), 512, 1])?.[0]).toEqual(disk.bytes.subarray(512, 1024));
  });
});

test("MSI-X messages come at once, or when the mask goes", () => {
  const { device, access, memory, messages, interrupt } = create();
  const driver = new VirtioDriver(access, memory);
  driver.start();
  device.pci.writeConfig(MSIX_AT + 2, 2, MSIX.CONTROL_ENABLE);
  access.write(COMMON_CFG.queue_msix_vector, 2, 1);
  for (const [at, value] of [
    [16, 0xfee0_0000],
    [24, 0x41],
  ] as const)
    access.write(0x4000 + at, 4, value);
  driver.request([header(VIRTIO_BLK_T.FLUSH), 1]);
  expect([messages, access.read(0x5000, 4)]).toEqual([[], 2]);
  access.write(0x4000 + 28, 4, 0);
  driver.request([header(VIRTIO_BLK_T.FLUSH), 1]);
  expect([messages, access.read(0x5000, 4), interrupt.edges]).toEqual([[0xfee0_0041, 0xfee0_0041], 0, 0]);
});

test("its memory is where the driver puts it, while decoding is on", () => {
  const { device, mapped } = create();
  expect(mapped()).toBe(true);
  device.pci.writeConfig(PCI_HEADER.COMMAND, 2, 0);
  expect(mapped()).toBe(false);
  device.pci.writeConfig(PCI_HEADER.BASE_ADDRESS_0, 4, 0xffff_ffff);
  expect(device.pci.readConfig(PCI_HEADER.BASE_ADDRESS_0, 4)).toBe(0xffff_8004);
});

test("features that were not offered are not agreed upon", () => {
  const { access } = create();
  access.write(COMMON_CFG.device_status, 1, 3);
  access.write(COMMON_CFG.driver_feature_select, 4, 1);
  access.write(COMMON_CFG.driver_feature, 4, 0xffff_ffff);
  access.write(COMMON_CFG.device_status, 1, 3 | VIRTIO_STATUS.FEATURES_OK);
  expect(access.read(COMMON_CFG.device_status, 1)).toBe(3);
});

const SEED = Number(process.env.SEED ?? 20261124);

test(`a hostile driver breaks its own device at most, seed ${SEED}`, () => {
  console.log(`seed ${SEED} (SEED=n takes another)`);
  const random = new Random(SEED);
  const next = (below: number) => random.below(below);
  for (let round = 0; round < 300; round++) {
    const disk = new MemoryDisk(SECTORS * 512);
    const { access, memory } = create(disk);
    new VirtioDriver(access, memory, { packed: next(2) === 1, indirect: next(2) === 1 }).start();
    for (let step = 0; step < 40; step++) {
      for (let n = next(30); n > 0; n--) {
        const value = [next(65_536), next(32), next(MEMORY), 0x8080, 0xffff_ffff][next(5)]!;
        memory.writeU32(0x1000 + 4 * next(0x1400), value >>> 0);
      }
      for (let index = 0; index < 8; index++) memory.writeU16(0x2002, next(4) === 0 ? next(65_536) : index);
      access.write(0x3000, 2, next(3));
      if (next(8) === 0) access.write(next(60), 4, next(65_536));
    }
    const driver = new VirtioDriver(access, memory);
    driver.start();
    expect(driver.request([header(VIRTIO_BLK_T.FLUSH), 1]), `round ${round}`).toEqual([Uint8Array.of(0)]);
  }
});
