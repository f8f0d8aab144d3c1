/** Structs of a VM: memory, interrupt controllers, routing, event file descriptors, clock; x86. [linux/kvm.h, asm/kvm.h] */
import { array, at, bytes, flexible, type StructView, struct, union } from "../../base/struct-layout.ts";

export const KVM_MEM_LOG_DIRTY_PAGES = 1 << 0;
export const KVM_MEM_READONLY = 1 << 1;

/** KVM_SET_USER_MEMORY_REGION */
export const kvm_userspace_memory_region = struct("kvm_userspace_memory_region", 32, {
  slot: "u32",
  flags: "u32",
  guest_phys_addr: "u64",
  memory_size: "u64",
  userspace_addr: "u64",
});

/** KVM_GET_DIRTY_LOG; `dirty_bitmap` is the address of one bit a page. */
export const kvm_dirty_log = struct("kvm_dirty_log", 16, { slot: "u32", padding1: "u32", dirty_bitmap: "u64" });

/** KVM_CLEAR_DIRTY_LOG; `dirty_bitmap` is the address of one bit a page from `first_page` on. */
export const kvm_clear_dirty_log = struct("kvm_clear_dirty_log", 24, {
  slot: "u32",
  num_pages: "u32",
  first_page: "u64",
  dirty_bitmap: "u64",
});

/** KVM_ENABLE_CAP of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, and what the capability counts. */
export const KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE = 1 << 0;
export const KVM_DIRTY_LOG_INITIALLY_SET = 1 << 1;

/** An entry of a vCPU's dirty ring: page `offset` of slot `slot`. */
export const kvm_dirty_gfn = struct("kvm_dirty_gfn", 16, { flags: "u32", slot: "u32", offset: "u64" });
export const KVM_DIRTY_GFN_F_DIRTY = 1 << 0;
export const KVM_DIRTY_GFN_F_RESET = 1 << 1;
/** Pages into the mapping of a vCPU at which its dirty ring begins. [asm/kvm.h] */
export const KVM_DIRTY_LOG_PAGE_OFFSET = 64;

/** KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO */
export const kvm_coalesced_mmio_zone = struct("kvm_coalesced_mmio_zone", 16, { addr: "u64", size: "u32", pio: "u32" });
/** A write that waits in the ring. */
export const kvm_coalesced_mmio = struct("kvm_coalesced_mmio", 24, {
  phys_addr: "u64",
  len: "u32",
  pio: "u32",
  data: bytes(8),
});
/** The ring in the vCPU's mapping: entries from `first` up to `last` wait. */
export const kvm_coalesced_mmio_ring = struct("kvm_coalesced_mmio_ring", 8, {
  first: "u32",
  last: "u32",
  coalesced_mmio: flexible(kvm_coalesced_mmio),
});

export const KVM_MSR_FILTER_READ = 1 << 0;
export const KVM_MSR_FILTER_WRITE = 1 << 1;
export const KVM_MSR_FILTER_MAX_RANGES = 16;
export const KVM_MSR_FILTER_DEFAULT_ALLOW = 0;
export const KVM_MSR_FILTER_DEFAULT_DENY = 1 << 0;
/** `bitmap` is the address of a bit for each of `nmsrs` MSRs from `base` on: 1 allows what `flags` says. */
export const kvm_msr_filter_range = struct("kvm_msr_filter_range", 24, {
  flags: "u32",
  nmsrs: "u32",
  base: "u32",
  bitmap: "u64",
});
/** KVM_X86_SET_MSR_FILTER */
export const kvm_msr_filter = struct("kvm_msr_filter", 392, {
  flags: "u32",
  ranges: array(kvm_msr_filter_range, KVM_MSR_FILTER_MAX_RANGES),
});

/** KVM_IRQ_LINE, KVM_IRQ_LINE_STATUS; `irq` (in) is the GSI, `status` (out) lies at the same place. */
export const kvm_irq_level = struct("kvm_irq_level", 8, { irq: "u32", status: at(0, "s32"), level: "u32" });

export const KVM_IRQCHIP_PIC_MASTER = 0;
export const KVM_IRQCHIP_PIC_SLAVE = 1;
export const KVM_IRQCHIP_IOAPIC = 2;
export const KVM_IOAPIC_NUM_PINS = 24;

/** One 8259A. */
export const kvm_pic_state = struct("kvm_pic_state", 16, {
  last_irr: "u8",
  irr: "u8",
  imr: "u8",
  isr: "u8",
  priority_add: "u8",
  irq_base: "u8",
  read_reg_select: "u8",
  poll: "u8",
  special_mask: "u8",
  init_state: "u8",
  auto_eoi: "u8",
  rotate_on_auto_eoi: "u8",
  special_fully_nested_mode: "u8",
  init4: "u8",
  elcr: "u8",
  elcr_mask: "u8",
});

/** The I/O APIC; a `redirtbl` entry has the 64 bits of the register. */
export const kvm_ioapic_state = struct("kvm_ioapic_state", 216, {
  base_address: "u64",
  ioregsel: "u32",
  id: "u32",
  irr: "u32",
  pad: "u32",
  redirtbl: array("u64", KVM_IOAPIC_NUM_PINS),
});

/** KVM_GET_IRQCHIP, KVM_SET_IRQCHIP */
export const kvm_irqchip = struct("kvm_irqchip", 520, {
  chip_id: "u32",
  pad: "u32",
  chip: union("chip", 512, { dummy: bytes(512), pic: kvm_pic_state, ioapic: kvm_ioapic_state }),
});

/** KVM_REINJECT_CONTROL: whether ticks that the guest missed come later. */
export const kvm_reinject_control = struct("kvm_reinject_control", 32, { pit_reinject: "u8", reserved: bytes(31) });

export const KVM_PIT_SPEAKER_DUMMY = 1;

/** KVM_CREATE_PIT2 */
export const kvm_pit_config = struct("kvm_pit_config", 64, { flags: "u32", pad: array("u32", 15) });

/** One channel of the 8254; `count_load_time` is in ns of the VM's monotonic clock. */
export const kvm_pit_channel_state = struct("kvm_pit_channel_state", 24, {
  count: "u32",
  latched_count: "u16",
  count_latched: "u8",
  status_latched: "u8",
  status: "u8",
  read_state: "u8",
  write_state: "u8",
  write_latch: "u8",
  rw_mode: "u8",
  mode: "u8",
  bcd: "u8",
  gate: "u8",
  count_load_time: "s64",
});

export const KVM_PIT_FLAGS_HPET_LEGACY = 0x00000001;
export const KVM_PIT_FLAGS_SPEAKER_DATA_ON = 0x00000002;

/** KVM_GET_PIT2, KVM_SET_PIT2 */
export const kvm_pit_state2 = struct("kvm_pit_state2", 112, {
  channels: array(kvm_pit_channel_state, 3),
  flags: "u32",
  reserved: array("u32", 9),
});

export const KVM_CLOCK_TSC_STABLE = 2;
export const KVM_CLOCK_REALTIME = 1 << 2;
export const KVM_CLOCK_HOST_TSC = 1 << 3;

/** KVM_GET_CLOCK, KVM_SET_CLOCK: `clock` is kvmclock in ns, `realtime` ns since 1970. */
export const kvm_clock_data = struct("kvm_clock_data", 48, {
  clock: "u64",
  flags: "u32",
  pad0: "u32",
  realtime: "u64",
  host_tsc: "u64",
  pad: array("u32", 4),
});

export const KVM_IRQ_ROUTING_IRQCHIP = 1;
export const KVM_IRQ_ROUTING_MSI = 2;

export const kvm_irq_routing_irqchip = struct("kvm_irq_routing_irqchip", 8, { irqchip: "u32", pin: "u32" });

export const kvm_irq_routing_msi = struct("kvm_irq_routing_msi", 16, {
  address_lo: "u32",
  address_hi: "u32",
  data: "u32",
  devid: "u32",
});

export const kvm_irq_routing_entry = struct("kvm_irq_routing_entry", 48, {
  gsi: "u32",
  type: "u32",
  flags: "u32",
  pad: "u32",
  u: union("u", 32, { irqchip: kvm_irq_routing_irqchip, msi: kvm_irq_routing_msi, pad: at(0, array("u32", 8)) }),
});

/** KVM_SET_GSI_ROUTING */
export const kvm_irq_routing = struct("kvm_irq_routing", 8, {
  nr: "u32",
  flags: "u32",
  entries: flexible(kvm_irq_routing_entry),
});

export const KVM_MSI_VALID_DEVID = 1 << 0;

/** KVM_SIGNAL_MSI */
export const kvm_msi = struct("kvm_msi", 32, {
  address_lo: "u32",
  address_hi: "u32",
  data: "u32",
  flags: "u32",
  devid: "u32",
  pad: bytes(12),
});

export const KVM_IRQFD_FLAG_DEASSIGN = 1 << 0;
export const KVM_IRQFD_FLAG_RESAMPLE = 1 << 1;

/** KVM_IRQFD */
export const kvm_irqfd = struct("kvm_irqfd", 32, {
  fd: "u32",
  gsi: "u32",
  flags: "u32",
  resamplefd: "u32",
  pad: bytes(16),
});

export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1 << 0;
export const KVM_IOEVENTFD_FLAG_PIO = 1 << 1;
export const KVM_IOEVENTFD_FLAG_DEASSIGN = 1 << 2;

/** KVM_IOEVENTFD: `len` is 1, 2, 4 or 8 bytes, or 0 for any length. */
export const kvm_ioeventfd = struct("kvm_ioeventfd", 64, {
  datamatch: "u64",
  addr: "u64",
  len: "u32",
  fd: "s32",
  flags: "u32",
  pad: bytes(36),
});

/** KVM_ENABLE_CAP */
export const kvm_enable_cap = struct("kvm_enable_cap", 104, {
  cap: "u32",
  flags: "u32",
  args: array("u64", 4),
  pad: bytes(64),
});

export type KvmUserspaceMemoryRegion = StructView<typeof kvm_userspace_memory_region>;
export type KvmDirtyLog = StructView<typeof kvm_dirty_log>;
export type KvmClearDirtyLog = StructView<typeof kvm_clear_dirty_log>;
export type KvmCoalescedMmioZone = StructView<typeof kvm_coalesced_mmio_zone>;
export type KvmIrqLevel = StructView<typeof kvm_irq_level>;
export type KvmPicState = StructView<typeof kvm_pic_state>;
export type KvmIoapicState = StructView<typeof kvm_ioapic_state>;
export type KvmIrqchip = StructView<typeof kvm_irqchip>;
export type KvmPitConfig = StructView<typeof kvm_pit_config>;
export type KvmPitChannelState = StructView<typeof kvm_pit_channel_state>;
export type KvmPitState2 = StructView<typeof kvm_pit_state2>;
export type KvmClockData = StructView<typeof kvm_clock_data>;
export type KvmIrqRoutingEntry = StructView<typeof kvm_irq_routing_entry>;
export type KvmIrqRouting = StructView<typeof kvm_irq_routing>;
export type KvmMsi = StructView<typeof kvm_msi>;
export type KvmIrqfd = StructView<typeof kvm_irqfd>;
export type KvmIoeventfd = StructView<typeof kvm_ioeventfd>;
export type KvmEnableCap = StructView<typeof kvm_enable_cap>;
