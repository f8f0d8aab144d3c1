import { checkVersion, type Device, type DeviceState } from "../../bus/device.ts";
import type { AccessSize, RegisterBlock } from "../../bus/register-block.ts";
import type { GuestMemory } from "../../memory/guest-memory.ts";
import { ISR } from "../../spec/virtio/virtio.ts";
import { COMMON_CFG, NO_VECTOR, PCI_CAP, VIRTIO_PCI, VIRTIO_PCI_CAP } from "../../spec/virtio/virtio-pci.ts";
import { PciDevice, type PciDeviceState, type PciGlue, type PciPlacement } from "../pci/pci-device.ts";
import { VirtioDevice, type VirtioDeviceState, type VirtioFunction } from "./virtio-device.ts";

const VERSION = 1;
/** The parts of BAR 0, a page each so that a hypervisor can map them apart. */
const PART = { common: 0x0000, isr: 0x1000, device: 0x2000, notify: 0x3000, table: 0x4000, pending: 0x5000 } as const;
const PART_BYTES = 0x1000;
const BAR_BYTES = 0x8000;
const NOTIFY_MULTIPLIER = 4;

export interface VirtioPciConfig {
  /** Base class, sub-class and programming interface. */
  readonly classCode: number;
}

export interface VirtioPciState extends DeviceState {
  selected: { deviceFeature: number; driverFeature: number; queue: number };
  vectors: { config: number; queues: number[] };
  isr: number;
  device: VirtioDeviceState;
  pci: PciDeviceState;
}

/** A virtio device behind PCI, without the legacy interface. [virtio 1.2 4.1] */
export class VirtioPci implements Device<VirtioPciState> {
  // config
  readonly name: string;
  readonly pci: PciDevice;
  private readonly what: VirtioFunction;
  // glue
  private readonly device: VirtioDevice;
  // state
  private selected = { deviceFeature: 0, driverFeature: 0, queue: 0 };
  private vectors: VirtioPciState["vectors"];
  private isr = 0;

  constructor(what: VirtioFunction, config: VirtioPciConfig, glue: PciGlue & { readonly memory: GuestMemory }) {
    this.name = what.name;
    this.what = what;
    this.vectors = noVectors(what);
    this.device = new VirtioDevice(what, glue.memory, {
      queueInterrupt: (queue) => this.interrupt(ISR.QUEUE, this.vectors.queues[queue]!),
      configInterrupt: () => this.interrupt(ISR.CONFIG, this.vectors.config),
    });
    const queues = what.queueSizes.length;
    this.pci = new PciDevice(
      {
        identity: {
          vendorId: VIRTIO_PCI.VENDOR_ID,
          deviceId: VIRTIO_PCI.DEVICE_ID_BASE + what.type,
          revision: VIRTIO_PCI.REVISION,
          classCode: config.classCode,
          subsystemVendorId: VIRTIO_PCI.VENDOR_ID,
          subsystemId: VIRTIO_PCI.SUBSYSTEM_ID,
        },
        barBytes: BAR_BYTES,
        registers: this.registers(),
        vectors: queues + 1,
        tableOffset: PART.table,
        pendingOffset: PART.pending,
        capabilities: capabilities(what),
      },
      glue,
    );
  }

  /** The function has something for the buffers of a queue. */
  wake(queue: number): void {
    this.device.notify(queue);
  }

  /** Puts the function where firmware would. */
  place(placement: PciPlacement): void {
    this.pci.place(placement);
  }

  reset(): void {
    this.resetTransport();
    this.device.reset();
    this.pci.reset();
  }

  snapshot(): VirtioPciState {
    return {
      version: VERSION,
      selected: { ...this.selected },
      vectors: { config: this.vectors.config, queues: [...this.vectors.queues] },
      isr: this.isr,
      device: this.device.snapshot(),
      pci: this.pci.snapshot(),
    };
  }

  restore(state: VirtioPciState): void {
    checkVersion(this.name, state, VERSION);
    this.selected = { ...state.selected };
    this.vectors = { config: state.vectors.config, queues: [...state.vectors.queues] };
    this.isr = state.isr;
    this.device.restore(state.device);
    this.pci.restore(state.pci);
    this.pci.setInterrupt(this.isr !== 0);
  }

  private resetTransport(): void {
    this.selected = { deviceFeature: 0, driverFeature: 0, queue: 0 };
    this.vectors = noVectors(this.what);
    this.isr = 0;
  }

  /** With MSI-X a message; without it the ISR status tells, and INTA. */
  private interrupt(cause: number, vector: number): void {
    if (this.pci.msix.enabled) return this.pci.msix.raise(vector);
    this.isr |= cause;
    this.pci.setInterrupt(true);
  }

  private registers(): RegisterBlock {
    const parts: readonly (RegisterBlock | undefined)[] = [
      { width: 4, read: this.readCommon, write: this.writeCommon },
      { width: 4, read: this.readIsr, write() {} },
      { width: 4, read: this.readDevice, write: this.writeDevice },
      { width: 4, read: () => 0, write: (offset) => this.device.notify(offset / NOTIFY_MULTIPLIER) },
      {
        width: 4,
        read: (...at) => this.pci.msix.table.read(...at),
        write: (...at) => this.pci.msix.table.write(...at),
      },
      { width: 4, read: (...at) => this.pci.msix.pendingBits.read(...at), write() {} },
    ];
    const part = (offset: number) => parts[Math.floor(offset / PART_BYTES)];
    return {
      width: 4,
      read: (offset, size) => part(offset)?.read(offset % PART_BYTES, size) ?? 0,
      write: (offset, size, value) => part(offset)?.write(offset % PART_BYTES, size, value),
    };
  }

  private readonly readIsr = (): number => {
    const { isr } = this;
    this.isr = 0;
    this.pci.setInterrupt(false);
    return isr;
  };

  private readonly readDevice = (offset: number, size: AccessSize): number => {
    let value = 0;
    for (let n = 0; n < size; n++) value |= (this.what.config[offset + n] ?? 0) << (8 * n);
    return value >>> 0;
  };

  private readonly writeDevice = (offset: number, size: AccessSize, value: number): void => {
    for (let n = 0; n < size; n++) this.what.writeConfig?.(offset + n, (value >>> (8 * n)) & 0xff);
  };

  private readonly readCommon = (offset: number): number => {
    const { device, selected, vectors } = this;
    const queue = device.queue(selected.queue);
    switch (offset) {
      case COMMON_CFG.device_feature_select:
        return selected.deviceFeature;
      case COMMON_CFG.device_feature:
        return device.offered(selected.deviceFeature);
      case COMMON_CFG.driver_feature_select:
        return selected.driverFeature;
      case COMMON_CFG.driver_feature:
        return device.accepted(selected.driverFeature);
      case COMMON_CFG.config_msix_vector:
        return vectors.config;
      case COMMON_CFG.num_queues:
        return this.what.queueSizes.length;
      case COMMON_CFG.device_status:
        return device.status;
      case COMMON_CFG.queue_select:
        return selected.queue;
      case COMMON_CFG.queue_size:
        return queue?.size ?? 0;
      case COMMON_CFG.queue_msix_vector:
        return vectors.queues[selected.queue] ?? NO_VECTOR;
      case COMMON_CFG.queue_enable:
        return queue?.enabled ? 1 : 0;
      case COMMON_CFG.queue_notify_off:
        return queue ? selected.queue : 0;
      default:
        return queueAddress(queue, offset)?.[0] ?? 0;
    }
  };

  private readonly writeCommon = (offset: number, _size: AccessSize, value: number): void => {
    const { device, selected, vectors } = this;
    switch (offset) {
      case COMMON_CFG.device_feature_select:
        selected.deviceFeature = value;
        return;
      case COMMON_CFG.driver_feature_select:
        selected.driverFeature = value;
        return;
      case COMMON_CFG.driver_feature:
        return device.accept(selected.driverFeature, value);
      case COMMON_CFG.config_msix_vector:
        vectors.config = this.vector(value);
        return;
      case COMMON_CFG.device_status:
        if (value === 0) this.driverReset();
        else device.setStatus(value & 0xff);
        return;
      case COMMON_CFG.queue_select:
        selected.queue = value & 0xffff;
        return;
      case COMMON_CFG.queue_size:
        return device.setQueueSize(selected.queue, value & 0xffff);
      case COMMON_CFG.queue_msix_vector:
        if (device.queue(selected.queue)) vectors.queues[selected.queue] = this.vector(value);
        return;
      case COMMON_CFG.queue_enable:
        if (value === 1) device.enableQueue(selected.queue);
        return;
      default:
        return this.writeQueueAddress(offset, value);
    }
  };

  private writeQueueAddress(offset: number, value: number): void {
    const queue = this.device.queue(this.selected.queue);
    const place = queueAddress(queue, offset);
    if (place && !queue!.enabled) place[1](value >>> 0);
  }

  private vector(value: number): number {
    return (value & 0xffff) <= this.what.queueSizes.length ? value & 0xffff : NO_VECTOR;
  }

  /** A driver's reset leaves the PCI function's place as it is. */
  private driverReset(): void {
    this.resetTransport();
    this.device.reset();
    this.pci.setInterrupt(false);
  }
}

/** A half of a queue's address: its value, and how to change it. */
function queueAddress(queue: ReturnType<VirtioDevice["queue"]>, offset: number) {
  if (!queue || offset < COMMON_CFG.queue_desc_low || offset > COMMON_CFG.queue_device_high) return undefined;
  const index = (offset - COMMON_CFG.queue_desc_low) >>> 2;
  const pair = [queue.desc, queue.driver, queue.device][index >>> 1]!;
  const half = (index & 1) as 0 | 1;
  const change = (value: number) => {
    pair[half] = value;
  };
  return [pair[half], change] as const;
}

function noVectors({ queueSizes }: VirtioFunction): VirtioPciState["vectors"] {
  return { config: NO_VECTOR, queues: queueSizes.map(() => NO_VECTOR) };
}

function capabilities({ config }: VirtioFunction): Uint8Array[] {
  return [
    capability(VIRTIO_PCI_CAP.COMMON, PART.common, COMMON_CFG.length),
    capability(VIRTIO_PCI_CAP.ISR, PART.isr, 1),
    ...(config.length > 0 ? [capability(VIRTIO_PCI_CAP.DEVICE, PART.device, config.length)] : []),
    capability(VIRTIO_PCI_CAP.NOTIFY, PART.notify, PART_BYTES, NOTIFY_MULTIPLIER),
  ];
}

/** A capability behind its ID and link. [virtio 1.2 4.1.4] */
function capability(type: number, offset: number, length: number, multiplier?: number): Uint8Array {
  const bytes = new Uint8Array(PCI_CAP.BYTES + (multiplier === undefined ? 0 : 4));
  const view = new DataView(bytes.buffer);
  view.setUint8(PCI_CAP.LEN, bytes.length);
  view.setUint8(PCI_CAP.CFG_TYPE, type);
  view.setUint32(PCI_CAP.OFFSET, offset, true);
  view.setUint32(PCI_CAP.LENGTH, length, true);
  if (multiplier !== undefined) view.setUint32(PCI_CAP.NOTIFY_MULTIPLIER, multiplier, true);
  return bytes.subarray(2);
}
