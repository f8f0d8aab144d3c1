import { create } from "../../base/struct-layout.ts";
import { apicBase } from "../../irqchip/apic-page.ts";
import type { VcpuInterrupts } from "../../irqchip/vcpu-interrupts.ts";
import { CPU, VECTOR } from "../../isa/state.ts";
import { AbsentVcpuCalls } from "../../kvm/absent-calls.ts";
import { CoalescedRing } from "../../kvm/coalesced-ring.ts";
import { KvmError } from "../../kvm/errno.ts";
import {
  checkCr4,
  checkDebugregs,
  checkMpState,
  checkSregs,
  checkVcpuEvents,
  checkXcrs,
} from "../../kvm/state-rules.ts";
import type { Vcpu } from "../../kvm/vcpu.ts";
import { EBUSY, EEXIST, EINVAL, ENOTTY, ENXIO } from "../../spec/kvm/errno.ts";
import {
  KVM_GUESTDBG_INJECT_BP,
  KVM_GUESTDBG_INJECT_DB,
  KVM_MP_STATE_UNINITIALIZED,
  type KvmCpuid2,
  type KvmDebugregs,
  type KvmFpu,
  type KvmGuestDebug,
  type KvmLapicState,
  type KvmMpState,
  type KvmMsrs,
  type KvmRegs,
  type KvmSregs,
  type KvmSregs2,
  type KvmTranslation,
  type KvmVcpuEvents,
  type KvmXcrs,
  type KvmXsave,
  kvm_debugregs,
  kvm_fpu,
  kvm_lapic_state,
  kvm_mp_state,
  kvm_regs,
  kvm_sregs,
  kvm_sregs2,
  kvm_vcpu_events,
  kvm_xcrs,
  kvm_xsave,
} from "../../spec/kvm/vcpu-struct.ts";
import { APIC_BASE, LAPIC_DEFAULT_BASE } from "../../spec/lapic.ts";
import { XCR0 } from "../../spec/x86/control-register.ts";
import type { CodeCache } from "./code-cache.ts";
import { CpuCells } from "./cpu-cells.ts";
import { CpuidTable, supportedXcr0 } from "./cpuid.ts";
import { makeEnvironment } from "./environment.ts";
import { Hypercalls } from "./hypercalls.ts";
import { RegionCache } from "./jit/region-cache.ts";
import { LapicSync } from "./lapic-sync.ts";
import { instantiate, type Library } from "./library.ts";
import { getMsrs, setMsrs } from "./msr-access.ts";
import { Msrs } from "./msrs.ts";
import { PvEoi } from "./pv-eoi.ts";
import { Pvclock } from "./pvclock.ts";
import { initState, resetState } from "./reset.ts";
import { type SharedVcpu, sharedVcpu } from "./shared-vcpu.ts";
import { checkSregs2, loadPdptrs, sregs2Of, sregsOf } from "./sregs2.ts";
import {
  readDebugregs,
  readFpu,
  readRegs,
  readSregs,
  writeDebugregs,
  writeFpu,
  writeGuestDebug,
  writeRegs,
  writeSregs,
} from "./state-records.ts";
import { TimeStampCounter } from "./time-stamp-counter.ts";
import { translate } from "./translate.ts";
import { makeCodeCache, placeTables } from "./vcpu-code.ts";
import { VcpuEvents } from "./vcpu-events.ts";
import type { LocalVcpu } from "./vcpu-group.ts";
import type { VcpuHost } from "./vcpu-host.ts";
import { VcpuRun } from "./vcpu-run.ts";
import type { VcpuWords } from "./vcpu-words.ts";
import { VCPU_REQUEST, VCPU_WORD, VM_WORD } from "./vm-plan.ts";
import { readXsave, writeXsave } from "./xsave-record.ts";

/** Default TSC rate: a tick a nanosecond. */
export const DEFAULT_TSC_KHZ = 1_000_000;

/** A vCPU of the software engine: KVM's calls on the state in linear memory. */
export class WasmVcpu extends AbsentVcpuCalls implements Vcpu, LocalVcpu {
  readonly id: number;
  readonly kvmRun: Uint8Array;
  readonly cells: CpuCells;
  readonly code: CodeCache;
  readonly library: Library;
  /** Compiled code; undefined: everything is interpreted. */
  readonly regions: RegionCache | undefined;
  readonly #vm: VcpuHost;
  /** What other threads reach of it. */
  readonly #words: VcpuWords;
  readonly #interrupts: VcpuInterrupts | undefined;
  readonly #cpuid = new CpuidTable();
  readonly #tsc: TimeStampCounter;
  readonly #msrs: Msrs;
  readonly #pvclock: Pvclock;
  readonly #pvEoi: PvEoi;
  /** Whether it ran: CPUID stays what it is then. */
  #started = false;
  /** IA32_APIC_BASE without a local APIC in the engine. */
  #userApicBase = APIC_BASE.BSP + APIC_BASE.EN + LAPIC_DEFAULT_BASE;
  readonly #lapicSync: LapicSync;
  readonly #ring: CoalescedRing;
  readonly #events: VcpuEvents;
  readonly #run: VcpuRun;

  constructor(vm: VcpuHost, id: number) {
    super();
    this.id = id;
    this.#vm = vm;
    const places = vm.plan.vcpu(id);
    this.#words = vm.group.vcpus[id]!;
    const { base, kvmRun } = places;
    this.kvmRun = kvmRun;
    this.#ring = new CoalescedRing(kvmRun);
    const { buffer } = vm.wasmMemory;
    this.cells = new CpuCells(buffer, base);
    this.#tsc = new TimeStampCounter(vm.clock.host, DEFAULT_TSC_KHZ);
    this.#pvclock = new Pvclock(vm.memory, vm.clock, this.#tsc);
    const lapic = () => this.#interrupts?.registers;
    this.#pvEoi = new PvEoi(vm.memory);
    this.#msrs = new Msrs({
      cells: this.cells,
      tsc: this.#tsc,
      pvclock: this.#pvclock,
      pvEoi: this.#pvEoi,
      cpuid: this.#cpuid,
      lapic,
    });
    this.#lapicSync = new LapicSync(this.cells, this.#pvEoi, () => this.#interrupts?.lapic);
    this.library = instantiate(vm.modules, vm.wasmMemory, this.#environment());
    this.code = makeCodeCache(vm, places, this.cells, this.library);
    this.#interrupts = vm.addInterrupts(id, this.#tsc);
    const { cells, library } = this;
    this.#events = new VcpuEvents({
      cells,
      library,
      lapicSync: this.#lapicSync,
      pvEoi: this.#pvEoi,
      interrupts: () => this.#interrupts,
    });
    this.#run = new VcpuRun({
      cells,
      library,
      page: this.kvmRun,
      events: this.#events,
      hasIrqchip: () => this.#interrupts !== undefined,
      apicBase: () => this.#apicBase(),
      lapic: () => this.#interrupts?.lapic,
      advanceTimers: () => vm.advanceTimers(),
      sliceEnded: () => this.regions?.look(),
      words: this.#words.words,
      serveRequests: () => this.serveRequests(),
      init: () => this.#init(),
    });
    resetState(this.cells);
    placeTables(vm, places, this.cells);
    this.library.update_mode(base);
    this.library.tlb_flush(base);
    const { jit } = vm;
    if (jit)
      this.regions = new RegionCache({ cells, library, code: this.code, memory: vm.wasmMemory, ...jit(vm.wasmMemory) });
    if (this.#interrupts && !this.#interrupts.lapic.config.bsp) this.#run.mpState = KVM_MP_STATE_UNINITIALIZED;
    vm.group.add(this);
    Atomics.store(this.#words.words, VCPU_WORD.PRESENT, 1);
  }

  run(): number {
    this.#started = true;
    this.#pvclock.update();
    return this.#run.run();
  }

  kick(): void {
    this.#words.kick();
  }

  /** What the threads of who uses the engine need of it. */
  get shared(): SharedVcpu {
    return sharedVcpu(this.#vm.wasmMemory.buffer, this.cells.base, this.#words.words);
  }

  /** Does what other threads asked for since; between instructions. */
  serveRequests(): void {
    let requests: number;
    do {
      requests = Atomics.and(this.#words.words, VCPU_WORD.REQUESTS, VCPU_REQUEST.CODE);
      this.#serve(requests);
      if (requests & VCPU_REQUEST.STOP) this.#vm.group.awaitGo();
    } while (requests & VCPU_REQUEST.STOP);
  }

  #serve(requests: number): void {
    if (requests & VCPU_REQUEST.SLOTS) this.#slotsChanged();
    if (requests & VCPU_REQUEST.TLB) this.library.tlb_flush(this.cells.base);
    if (requests & VCPU_REQUEST.CODE) this.#vm.group.takeWritten();
    if (requests & VCPU_REQUEST.CLOCK) this.#clockChanged();
  }

  forgetCode(hostPage: number): void {
    this.code.invalidate(hostPage);
  }

  forgetAllCode(): void {
    this.code.reset();
  }

  /** kvmclock or the TSC was set: the guest's time record is made anew before it runs. */
  #clockChanged(): void {
    this.#pvclock.stale = true;
    this.#pvclock.update();
  }

  #slotsChanged(): void {
    this.#vm.slotsChanged();
    this.cells.setI32(CPU.slotCount, Atomics.load(this.#vm.plan.words, VM_WORD.SLOT_COUNT));
    this.code.reset();
    this.library.tlb_flush(this.cells.base);
  }

  /** The local APIC received INIT. */
  #init(): void {
    const { cells, library } = this;
    initState(cells);
    this.#events.reset();
    this.#interrupts?.lapic.init();
    this.#pvEoi.write(0, 0);
    this.#lapicSync.fromLapic();
    library.unpack_flags(cells.base);
    library.update_debug(cells.base);
    library.update_mode(cells.base);
    library.tlb_flush(cells.base);
  }

  getRegs(into: KvmRegs = create(kvm_regs)): KvmRegs {
    this.library.pack_flags(this.cells.base);
    readRegs(this.cells, into);
    return into;
  }

  setRegs(regs: KvmRegs): void {
    const { shadow } = this.#events;
    writeRegs(this.cells, regs);
    this.cells.setI32(CPU.debugPending, 0);
    if (shadow) this.#events.moveShadow();
    this.library.unpack_flags(this.cells.base);
    this.library.update_mode(this.cells.base);
  }

  getSregs(into: KvmSregs = create(kvm_sregs)): KvmSregs {
    into.bytes.fill(0);
    readSregs(this.cells, into);
    into.apic_base_num = this.#apicBase();
    const queued = this.#events.queuedInterrupt;
    if (queued >= 0) into.dataView.setUint8(kvm_sregs.offsets.interrupt_bitmap + (queued >> 3), 1 << (queued & 7));
    return into;
  }

  setSregs(sregs: KvmSregs): void {
    check("KVM_SET_SREGS", checkSregs(sregs) || checkCr4(sregs.cr4_lo, this.#cpuid));
    writeSregs(this.cells, sregs);
    this.#userApicBase = sregs.apic_base_num;
    this.#interrupts?.lapic.setBase(sregs.apic_base_lo, sregs.apic_base_hi);
    this.#lapicSync.toLapic();
    this.#events.queueFrom(sregs.dataView, kvm_sregs.offsets.interrupt_bitmap);
    this.library.pack_flags(this.cells.base);
    this.library.update_mode(this.cells.base);
    this.library.reload_pdptrs(this.cells.base);
    this.cells.setI32(CPU.trap, 0);
    this.library.tlb_flush(this.cells.base);
  }

  getSregs2(into: KvmSregs2 = create(kvm_sregs2)): KvmSregs2 {
    return sregs2Of(this.cells, this.getSregs(), into);
  }

  setSregs2(sregs: KvmSregs2): void {
    check("KVM_SET_SREGS2", checkSregs2(sregs));
    this.setSregs(sregsOf(sregs));
    loadPdptrs(this.cells, sregs);
  }

  getMsrs(msrs: KvmMsrs): number {
    return getMsrs(this.cells, this.#msrs, msrs);
  }

  setMsrs(msrs: KvmMsrs): number {
    const done = setMsrs(this.cells, this.#msrs, msrs);
    this.library.update_mode(this.cells.base);
    this.library.tlb_flush(this.cells.base);
    return done;
  }

  getCpuid2(): KvmCpuid2 {
    return this.#cpuid.record;
  }

  setCpuid2(cpuid: KvmCpuid2): void {
    if (this.#started && !this.#cpuid.equals(cpuid)) throw new KvmError("KVM_SET_CPUID2", EINVAL, "the vCPU ran");
    this.#cpuid.set(cpuid);
    this.cells.setI32(CPU.features, this.#cpuid.features);
    if (!this.#interrupts) return;
    const { config } = this.#interrupts.lapic;
    config.x2apic = this.#cpuid.has("x2apic");
    config.tscDeadline = this.#cpuid.has("tsc_deadline");
  }

  getFpu(into: KvmFpu = create(kvm_fpu)): KvmFpu {
    readFpu(this.cells, into);
    return into;
  }

  setFpu(fpu: KvmFpu): void {
    writeFpu(this.cells, fpu);
  }

  getXsave(into: KvmXsave = create(kvm_xsave)): KvmXsave {
    const inUse = this.library.components_in_use(this.cells.base);
    // PKRU is named even where it is 0: a record without it leaves what the vCPU has
    readXsave(this.cells, inUse | (this.#cpuid.xcr0 & XCR0.PKRU), into);
    return into;
  }

  getXsave2(into?: KvmXsave): KvmXsave {
    return this.getXsave(into);
  }

  setXsave(xsave: KvmXsave): void {
    if (!writeXsave(this.cells, supportedXcr0(), xsave)) throw new KvmError("KVM_SET_XSAVE", EINVAL);
    this.library.tlb_flush(this.cells.base);
  }

  getXcrs(into: KvmXcrs = create(kvm_xcrs)): KvmXcrs {
    into.bytes.fill(0);
    into.nr_xcrs = 1;
    into.xcrs[0]!.value_num = this.cells.number(CPU.xcr0);
    return into;
  }

  setXcrs(xcrs: KvmXcrs): void {
    check("KVM_SET_XCRS", checkXcrs(xcrs, this.#cpuid.xcr0 | XCR0.X87));
    for (let n = 0; n < xcrs.nr_xcrs; n++)
      if (xcrs.xcrs[n]!.xcr === 0) this.cells.setNumber(CPU.xcr0, xcrs.xcrs[n]!.value_num);
    this.library.update_mode(this.cells.base);
  }

  getLapic(into: KvmLapicState = create(kvm_lapic_state)): KvmLapicState {
    this.#lapicSync.toLapic();
    this.#lapic("KVM_GET_LAPIC").getState(into);
    return into;
  }

  setLapic(state: KvmLapicState): void {
    this.#lapic("KVM_SET_LAPIC").setState(state);
    this.#lapicSync.fromLapic();
  }

  getVcpuEvents(into: KvmVcpuEvents = create(kvm_vcpu_events)): KvmVcpuEvents {
    this.#events.read(into);
    return into;
  }

  setVcpuEvents(events: KvmVcpuEvents): void {
    check("KVM_SET_VCPU_EVENTS", checkVcpuEvents(events, this.#run.mpState));
    this.#events.write(events);
  }

  getDebugregs(into: KvmDebugregs = create(kvm_debugregs)): KvmDebugregs {
    this.#events.queueDebugTrap();
    readDebugregs(this.cells, into);
    return into;
  }

  setDebugregs(regs: KvmDebugregs): void {
    check("KVM_SET_DEBUGREGS", checkDebugregs(regs));
    writeDebugregs(this.cells, regs);
    this.library.update_debug(this.cells.base);
  }

  getMpState(into: KvmMpState = create(kvm_mp_state)): KvmMpState {
    into.mp_state = this.#run.mpState;
    return into;
  }

  setMpState(state: KvmMpState): void {
    check("KVM_SET_MP_STATE", checkMpState(state, this.#interrupts !== undefined, this.#events.latchesStartup));
    this.#run.mpState = state.mp_state;
  }

  translate(translation: KvmTranslation): KvmTranslation {
    return translate(this.cells, this.library, translation);
  }

  interrupt(vector: number): void {
    if (this.#interrupts) throw new KvmError("KVM_INTERRUPT", ENXIO, "the irqchip is in the engine");
    if (!(vector >= 0 && vector < 256)) throw new KvmError("KVM_INTERRUPT", EINVAL);
    if (this.#events.queuedInterrupt >= 0) throw new KvmError("KVM_INTERRUPT", EEXIST);
    this.#events.queueInterrupt(vector);
  }

  nmi(): void {
    this.#events.raiseNmi();
    this.#words.wake();
  }

  smi(): void {
    this.#events.raiseSmi();
    this.#words.wake();
  }

  setGuestDebug(debug: KvmGuestDebug): void {
    const { control } = debug;
    if (control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP) && !this.#events.queueException(injected(control)))
      throw new KvmError("KVM_SET_GUEST_DEBUG", EBUSY);
    writeGuestDebug(this.cells, debug);
    this.library.update_debug(this.cells.base);
  }

  setTscKhz(khz: number): void {
    if (!(khz > 0)) throw new KvmError("KVM_SET_TSC_KHZ", EINVAL);
    this.#tsc.khz = khz;
    this.#pvclock.stale = true;
  }

  getTscKhz(): number {
    return this.#tsc.khz;
  }

  kvmclockCtrl(): void {
    throw new KvmError("KVM_KVMCLOCK_CTRL", ENOTTY);
  }

  close(): void {
    Atomics.store(this.#words.words, VCPU_WORD.PRESENT, 0);
    this.#vm.group.remove(this);
  }

  /** Instructions retired so far. */
  get retired(): number {
    return this.cells.number(CPU.retired);
  }

  #apicBase(): number {
    return this.#interrupts ? apicBase(this.#interrupts.lapic.page) : this.#userApicBase;
  }

  #lapic(ioctl: string): VcpuInterrupts {
    if (!this.#interrupts) throw new KvmError(ioctl, EINVAL, "no irqchip");
    return this.#interrupts;
  }

  #environment(): ReturnType<typeof makeEnvironment> {
    const vm = this.#vm;
    return makeEnvironment({
      vcpu: this.id,
      cells: this.cells,
      irqchip: () => vm.irqchip,
      ioeventfds: vm.ioeventfds,
      coalesced: vm.coalesced,
      ring: this.#ring,
      code: () => this.code,
      cpuid: this.#cpuid,
      msrs: this.#msrs,
      msrPolicy: vm.msrPolicy,
      tsc: this.#tsc,
      random: vm.random,
      lapicSync: this.#lapicSync,
      hypercalls: new Hypercalls({
        cells: this.cells,
        memory: vm.memory,
        clock: vm.clock,
        tsc: this.#tsc,
        bus: () => vm.irqchip?.bus,
      }),
      executing: () => this.#run.executing,
      codeWritten: (page) => vm.group.codeWritten(page),
    });
  }
}

/** The exception that KVM_SET_GUEST_DEBUG gives to the guest. */
function injected(control: number): number {
  return control & KVM_GUESTDBG_INJECT_DB ? VECTOR.DB : VECTOR.BP;
}

function check(ioctl: string, errno: number): void {
  if (errno !== 0) throw new KvmError(ioctl, errno);
}
