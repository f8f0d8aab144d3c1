import { describe, expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { create } from "../base/struct-layout.ts";
import {
  KVM_MEM_LOG_DIRTY_PAGES,
  kvm_clock_data,
  kvm_enable_cap,
  kvm_ioeventfd,
  kvm_irq_routing,
  kvm_irqchip,
  kvm_irqfd,
  kvm_pit_config,
  kvm_pit_state2,
  kvm_userspace_memory_region,
} from "../spec/kvm/vm-struct.ts";
import { KvmError } from "./errno.ts";
import { SharedEventFd } from "./eventfd.ts";
import { HostHeap } from "./host-heap.ts";
import type { IrqchipModel } from "./irq-lines.ts";
import type { Vcpu } from "./vcpu.ts";
import { type PitModel, VmCore } from "./vm-core.ts";

/** A VM with neither processor nor chips, which says what would reach them. */
class ModelVm extends VmCore {
  readonly log: string[] = [];

  constructor() {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 16, shared: true });
    super({ heap: new HostHeap(memory, 0, 0x10_0000), clock: new ManualClock(), maxVcpuId: 2 });
  }

  checkExtension(): number {
    return 0;
  }

  protected newVcpu(id: number): Vcpu {
    return { id, close: () => this.log.push(`close ${id}`) } as unknown as Vcpu;
  }

  protected newIrqchip(): IrqchipModel {
    return {
      setPicLine: (pin, level) => this.log.push(`pic ${pin} ${level}`),
      setIoapicLine: (pin, level) => this.log.push(`ioapic ${pin} ${level}`),
      deliverMsi: (_lo, _hi, data) => data !== 0,
      getState: (chip) => this.log.push(`get ${chip.chip_id}`),
      setState: (chip) => this.log.push(`set ${chip.chip_id}`),
    };
  }

  protected newPit(flags: number): PitModel {
    this.log.push(`pit ${flags}`);
    return { getState: (into) => (into.flags = 7), setState: (state) => this.log.push(`pit state ${state.flags}`) };
  }
}

function withIrqchip() {
  const vm = new ModelVm();
  vm.createIrqchip();
  return vm;
}

/** What a call throws: "IOCTL ERRNO". */
function errorOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof KvmError) return `${error.ioctl} ${error.code}`;
    throw error;
  }
  return "none";
}

const page = { guest_phys_addr: 0, memory_size: 0x1000 };

describe("memory", () => {
  test("a slot of mmapped memory is guest memory", () => {
    const vm = new ModelVm();
    const userspace_addr = vm.mmap(0x8_0000);
    vm.setUserMemoryRegion(create(kvm_userspace_memory_region, { memory_size: 0x8_0000, userspace_addr }));
    vm.memory.writeU32(0x7_fffc, 0xdead_beef);
    expect(new DataView(vm.hostMemory.buffer).getUint32(userspace_addr + 0x7_fffc, true)).toBe(0xdead_beef);
  });

  test("the dirty log is read and cleared", () => {
    const vm = new ModelVm();
    const region = { ...page, memory_size: 0x4000, userspace_addr: vm.mmap(0x4000), flags: KVM_MEM_LOG_DIRTY_PAGES };
    vm.setUserMemoryRegion(create(kvm_userspace_memory_region, region));
    vm.memory.writeU8(0x3000, 1);
    const bitmap = new Uint8Array(8);
    vm.getDirtyLog(0, bitmap);
    expect(bitmap[0]).toBe(0b1000);
    vm.getDirtyLog(0, bitmap);
    expect(bitmap[0]).toBe(0);
    expect(errorOf(() => vm.getDirtyLog(0, new Uint8Array(7)))).toBe("KVM_GET_DIRTY_LOG EINVAL");
    expect(errorOf(() => vm.getDirtyLog(1, bitmap))).toBe("KVM_GET_DIRTY_LOG ENOENT");
    expect(errorOf(() => vm.getDirtyLog(9999, bitmap))).toBe("KVM_GET_DIRTY_LOG EINVAL");
  });

  test("memory that a slot uses stays mapped", () => {
    const vm = new ModelVm();
    const userspace_addr = vm.mmap(0x1000);
    vm.setUserMemoryRegion(create(kvm_userspace_memory_region, { ...page, userspace_addr }));
    expect(errorOf(() => vm.munmap(userspace_addr, 0x1000))).toBe("munmap EINVAL");
    vm.setUserMemoryRegion(create(kvm_userspace_memory_region));
    expect(errorOf(() => vm.munmap(userspace_addr, 0x1000))).toBe("none");
  });

  test("errors carry the ioctl", () => {
    const vm = new ModelVm();
    vm.mmap(0x1000);
    vm.setUserMemoryRegion(create(kvm_userspace_memory_region, page));
    const overlap = create(kvm_userspace_memory_region, { ...page, slot: 1 });
    expect(errorOf(() => vm.setUserMemoryRegion(overlap))).toBe("KVM_SET_USER_MEMORY_REGION EEXIST");
    expect(errorOf(() => vm.mmap(0x1000_0000))).toBe("mmap ENOMEM");
  });
});

describe("vCPUs and chips", () => {
  test("IDs are unique and below the limit", () => {
    const vm = new ModelVm();
    expect(vm.createVcpu(1).id).toBe(1);
    expect(errorOf(() => vm.createVcpu(1))).toBe("KVM_CREATE_VCPU EEXIST");
    for (const id of [-1, 2, 0.5]) expect(errorOf(() => vm.createVcpu(id))).toBe("KVM_CREATE_VCPU EINVAL");
  });

  test("the irqchip comes once, and before the first vCPU", () => {
    expect(errorOf(() => withIrqchip().createIrqchip())).toBe("KVM_CREATE_IRQCHIP EEXIST");
    const vm = new ModelVm();
    vm.createVcpu(0);
    expect(errorOf(() => vm.createIrqchip())).toBe("KVM_CREATE_IRQCHIP EINVAL");
  });

  test("the PIT comes once, after the irqchip", () => {
    const config = create(kvm_pit_config, { flags: 1 });
    expect(errorOf(() => new ModelVm().createPit2(config))).toBe("KVM_CREATE_PIT2 ENOENT");
    const vm = withIrqchip();
    expect(errorOf(() => vm.getPit2())).toBe("KVM_GET_PIT2 ENXIO");
    expect(errorOf(() => vm.setPit2(create(kvm_pit_state2)))).toBe("KVM_SET_PIT2 ENXIO");
    vm.createPit2(config);
    expect(errorOf(() => vm.createPit2(config))).toBe("KVM_CREATE_PIT2 EEXIST");
    expect(vm.getPit2().flags).toBe(7);
    vm.setPit2(create(kvm_pit_state2, { flags: 2 }));
    expect(vm.log).toEqual(["pit 1", "pit state 2"]);
  });

  test("chip state goes to the chip named", () => {
    const vm = withIrqchip();
    vm.getIrqchip(create(kvm_irqchip, { chip_id: 2 }));
    vm.setIrqchip(create(kvm_irqchip, { chip_id: 1 }));
    expect(vm.log).toEqual(["get 2", "set 1"]);
    expect(errorOf(() => vm.getIrqchip(create(kvm_irqchip, { chip_id: 3 })))).toBe("KVM_GET_IRQCHIP EINVAL");
    expect(errorOf(() => new ModelVm().setIrqchip(create(kvm_irqchip)))).toBe("KVM_SET_IRQCHIP ENXIO");
  });

  test("without an irqchip nothing takes an interrupt", () => {
    const vm = new ModelVm();
    expect(errorOf(() => vm.irqLine(4, 1))).toBe("KVM_IRQ_LINE ENXIO");
    expect(errorOf(() => vm.signalMsi(0xfee0_0000, 0, 0x41))).toBe("KVM_SIGNAL_MSI EINVAL");
    expect(errorOf(() => vm.setGsiRouting(create(kvm_irq_routing)))).toBe("KVM_SET_GSI_ROUTING EINVAL");
    expect(errorOf(() => vm.irqfd(create(kvm_irqfd), new SharedEventFd()))).toBe("KVM_IRQFD EINVAL");
  });
});

describe("interrupts and events", () => {
  test("lines and messages reach the chips", () => {
    const vm = withIrqchip();
    vm.irqLine(3, 1);
    expect(vm.log).toEqual(["pic 3 true", "ioapic 3 true"]);
    expect([vm.signalMsi(0xfee0_0000, 0, 0x41), vm.signalMsi(0xfee0_0000, 0, 0)]).toEqual([true, false]);
    expect(errorOf(() => vm.setGsiRouting(create(kvm_irq_routing, { flags: 1 })))).toBe("KVM_SET_GSI_ROUTING EINVAL");
  });

  test("an ioeventfd bound to an irqfd is an interrupt", () => {
    const vm = withIrqchip();
    const event = new SharedEventFd();
    vm.ioeventfd(create(kvm_ioeventfd, { addr: 0xd000_0000, len: 4 }), event);
    vm.irqfd(create(kvm_irqfd, { gsi: 17 }), event);
    expect(vm.ioeventfds.writeMmio(0xd000_0000, 4, 1, 0)).toBe(true);
    expect(vm.log).toEqual(["ioapic 17 true", "ioapic 17 false"]);
    expect(errorOf(() => vm.ioeventfd(create(kvm_ioeventfd, { len: 3 }), event))).toBe("KVM_IOEVENTFD EINVAL");
    expect(errorOf(() => vm.irqfd(create(kvm_irqfd, { gsi: 18 }), event))).toBe("KVM_IRQFD EBUSY");
  });

  test("the guest's EOI lowers a resampled line", () => {
    const vm = withIrqchip();
    const [event, resample] = [new SharedEventFd(), new SharedEventFd()];
    vm.irqfd(create(kvm_irqfd, { gsi: 17, flags: 2 }), event, resample);
    event.signal();
    vm.lines.ioapicAcked(17);
    expect([vm.log, resample.take()]).toEqual([["ioapic 17 true", "ioapic 17 false"], 1]);
  });

  test("close ends the vCPUs and the bindings", () => {
    const vm = withIrqchip();
    vm.createVcpu(0);
    const event = new SharedEventFd();
    vm.irqfd(create(kvm_irqfd, { gsi: 17 }), event);
    vm.close();
    event.signal();
    expect(vm.log).toEqual(["close 0"]);
  });
});

test("the clock, the special pages, and capabilities that are not there", () => {
  const vm = new ModelVm();
  vm.setClock(create(kvm_clock_data, { clock: 77 }));
  expect(vm.getClock().clock).toBe(77n);
  expect(errorOf(() => vm.setClock(create(kvm_clock_data, { flags: 1 })))).toBe("KVM_SET_CLOCK EINVAL");
  vm.setTssAddr(0xffff_d000);
  expect(vm.tssAddr).toBe(0xffff_d000);
  expect(errorOf(() => vm.setTssAddr(0xffff_e000))).toBe("KVM_SET_TSS_ADDR EINVAL");
  vm.setIdentityMapAddr(0xffff_c000);
  expect(vm.identityMapAddr).toBe(0xffff_c000);
  vm.createVcpu(0);
  expect(errorOf(() => vm.setIdentityMapAddr(0))).toBe("KVM_SET_IDENTITY_MAP_ADDR EINVAL");
  expect(errorOf(() => vm.enableCap(create(kvm_enable_cap, { cap: 1 })))).toBe("KVM_ENABLE_CAP EINVAL");
});

test("KvmError says what failed", () => {
  const error = new KvmError("KVM_SET_SREGS", 22, "EFER.LMA without CR0.PG");
  expect(error.message).toBe("KVM_SET_SREGS: EINVAL: EFER.LMA without CR0.PG");
  expect([error.errno, error.code, error.name]).toEqual([22, "EINVAL", "KvmError"]);
  expect(new KvmError("KVM_RUN", 14).message).toBe("KVM_RUN: EFAULT");
});
