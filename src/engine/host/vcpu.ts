import { create } from "../../base/struct-layout.ts";
import { KvmError } from "../../kvm/errno.ts";
import type { Vcpu } from "../../kvm/vcpu.ts";
import { EAGAIN, EINTR } from "../../spec/kvm/errno.ts";
import { KVM_EXIT_INTR } from "../../spec/kvm/exit.ts";
import * as IOCTL from "../../spec/kvm/ioctl.ts";
import { kvm_run } from "../../spec/kvm/run-struct.ts";
import {
  type KvmCpuid2,
  type KvmDebugregs,
  type KvmFpu,
  type KvmGuestDebug,
  type KvmLapicState,
  type KvmMpState,
  type KvmMsrs,
  type KvmNestedState,
  type KvmRegs,
  type KvmSregs,
  type KvmSregs2,
  type KvmTranslation,
  type KvmVcpuEvents,
  type KvmXcrs,
  type KvmXsave,
  kvm_cpuid2,
  kvm_debugregs,
  kvm_fpu,
  kvm_interrupt,
  kvm_lapic_state,
  kvm_mp_state,
  kvm_nested_state,
  kvm_regs,
  kvm_sregs,
  kvm_sregs2,
  kvm_vcpu_events,
  kvm_xcrs,
  kvm_xsave,
} from "../../spec/kvm/vcpu-struct.ts";
import { KVM_DIRTY_LOG_PAGE_OFFSET, type KvmEnableCap } from "../../spec/kvm/vm-struct.ts";
import { growing, trimmed } from "./cpuid-record.ts";
import { loadFfi } from "./ffi.ts";
import { KvmFd } from "./kvm-fd.ts";
import { Mapping } from "./mapping.ts";
import { HostKicker, KICK_WORD, type SharedHostVcpu } from "./shared-vcpu.ts";

const IMMEDIATE_EXIT = kvm_run.offsets.immediate_exit;
const EXIT_REASON = kvm_run.offsets.exit_reason;
const PAGE = 4096;

/** What a vCPU has from its VM. */
export interface HostVcpuParts {
  readonly mmapSize: number;
  /** Bytes; 0 if there is none. */
  readonly dirtyRingSize: number;
  /** Bytes of KVM_GET_XSAVE2; 0 where there is only KVM_GET_XSAVE. */
  readonly xsaveSize: number;
  /** Bytes that KVM_GET_NESTED_STATE may need; 0 if the host has no such thing. */
  readonly nestedStateSize: number;
}

/** What the kernel shares of a vCPU: kvm_run and, if there is one, the dirty ring. */
interface VcpuPages {
  readonly page: Mapping;
  readonly ring: Mapping | undefined;
}

/**
 * A vCPU of the host's KVM. `run` blocks its thread in KVM_RUN, so each runs in a thread of its own: `shared` can be
 * posted there, and `openVcpu` makes a Vcpu of it.
 */
export class HostVcpu implements Vcpu {
  readonly id: number;
  readonly kvmRun: Uint8Array;
  readonly dirtyRing: Uint8Array | undefined;
  readonly #parts: HostVcpuParts;
  readonly #fd: KvmFd;
  readonly #pages: VcpuPages;
  readonly #page: DataView;
  readonly #words: Int32Array;
  readonly #kicker: HostKicker;
  readonly #thread: number;
  #closed = false;

  /** `pages` and `words`: those of the same vCPU in another thread. Takes the descriptor over. Throws KvmError. */
  constructor(fd: KvmFd, id: number, parts: HostVcpuParts, pages = mapPages(fd, parts), words = newWords()) {
    this.id = id;
    this.#fd = fd;
    this.#parts = parts;
    this.#pages = pages;
    const { page, ring } = pages;
    this.kvmRun = page.bytes;
    this.dirtyRing = ring?.bytes;
    this.#page = new DataView(page.bytes.buffer);
    this.#words = words;
    this.#kicker = new HostKicker(fd.ffi, words, page.bytes);
    this.#thread = fd.ffi.gettid();
  }

  /** What other threads need of it. */
  get shared(): SharedHostVcpu {
    const { fd } = this.#fd;
    const { page, ring } = this.#pages;
    return { id: this.id, fd, page: page.address, ring: ring?.address ?? 0, words: this.#words, ...this.#parts };
  }

  run(): number {
    const words = this.#words;
    Atomics.store(words, KICK_WORD.THREAD, this.#thread);
    if (Atomics.load(words, KICK_WORD.KICK) !== 0) this.#page.setUint8(IMMEDIATE_EXIT, 1);
    const result = this.#fd.ffi.ioctlNumber(this.#fd.fd, IOCTL.KVM_RUN, 0);
    Atomics.store(words, KICK_WORD.THREAD, 0);
    if (result >= 0) return 0;
    if (result === -EINTR) return this.#interrupted();
    if (result === -EAGAIN) return EAGAIN;
    throw new KvmError("KVM_RUN", -result);
  }

  kick(): void {
    this.#kicker.kick();
  }

  /** The kernel names the exit only if the guest was under way. */
  #interrupted(): number {
    this.#page.setUint32(EXIT_REASON, KVM_EXIT_INTR, true);
    if (Atomics.exchange(this.#words, KICK_WORD.KICK, 0) !== 0) this.#page.setUint8(IMMEDIATE_EXIT, 0);
    return EINTR;
  }

  getRegs(into: KvmRegs = create(kvm_regs)): KvmRegs {
    this.#fd.call("KVM_GET_REGS", IOCTL.KVM_GET_REGS, into.bytes);
    return into;
  }

  setRegs(regs: KvmRegs): void {
    this.#fd.call("KVM_SET_REGS", IOCTL.KVM_SET_REGS, regs.bytes);
  }

  getSregs(into: KvmSregs = create(kvm_sregs)): KvmSregs {
    this.#fd.call("KVM_GET_SREGS", IOCTL.KVM_GET_SREGS, into.bytes);
    return into;
  }

  setSregs(sregs: KvmSregs): void {
    this.#fd.call("KVM_SET_SREGS", IOCTL.KVM_SET_SREGS, sregs.bytes);
  }

  getSregs2(into: KvmSregs2 = create(kvm_sregs2)): KvmSregs2 {
    this.#fd.call("KVM_GET_SREGS2", IOCTL.KVM_GET_SREGS2, into.bytes);
    return into;
  }

  setSregs2(sregs: KvmSregs2): void {
    this.#fd.call("KVM_SET_SREGS2", IOCTL.KVM_SET_SREGS2, sregs.bytes);
  }

  getMsrs(msrs: KvmMsrs): number {
    return this.#fd.call("KVM_GET_MSRS", IOCTL.KVM_GET_MSRS, msrs.bytes);
  }

  setMsrs(msrs: KvmMsrs): number {
    return this.#fd.call("KVM_SET_MSRS", IOCTL.KVM_SET_MSRS, msrs.bytes);
  }

  getCpuid2(): KvmCpuid2 {
    return trimmed(
      growing((nent) => {
        const cpuid = create(kvm_cpuid2, { nent }, nent);
        this.#fd.call("KVM_GET_CPUID2", IOCTL.KVM_GET_CPUID2, cpuid.bytes);
        return cpuid;
      }),
    );
  }

  setCpuid2(cpuid: KvmCpuid2): void {
    this.#fd.call("KVM_SET_CPUID2", IOCTL.KVM_SET_CPUID2, cpuid.bytes);
  }

  getFpu(into: KvmFpu = create(kvm_fpu)): KvmFpu {
    this.#fd.call("KVM_GET_FPU", IOCTL.KVM_GET_FPU, into.bytes);
    return into;
  }

  setFpu(fpu: KvmFpu): void {
    this.#fd.call("KVM_SET_FPU", IOCTL.KVM_SET_FPU, fpu.bytes);
  }

  getXsave(into: KvmXsave = create(kvm_xsave)): KvmXsave {
    this.#fd.call("KVM_GET_XSAVE", IOCTL.KVM_GET_XSAVE, into.bytes);
    return into;
  }

  getXsave2(into: KvmXsave = this.#newXsave2()): KvmXsave {
    this.#fd.call("KVM_GET_XSAVE2", IOCTL.KVM_GET_XSAVE2, this.#roomy(into).bytes);
    return into;
  }

  setXsave(xsave: KvmXsave): void {
    this.#fd.call("KVM_SET_XSAVE", IOCTL.KVM_SET_XSAVE, this.#roomy(xsave).bytes);
  }

  getXcrs(into: KvmXcrs = create(kvm_xcrs)): KvmXcrs {
    this.#fd.call("KVM_GET_XCRS", IOCTL.KVM_GET_XCRS, into.bytes);
    return into;
  }

  setXcrs(xcrs: KvmXcrs): void {
    this.#fd.call("KVM_SET_XCRS", IOCTL.KVM_SET_XCRS, xcrs.bytes);
  }

  getLapic(into: KvmLapicState = create(kvm_lapic_state)): KvmLapicState {
    this.#fd.call("KVM_GET_LAPIC", IOCTL.KVM_GET_LAPIC, into.bytes);
    return into;
  }

  setLapic(state: KvmLapicState): void {
    this.#fd.call("KVM_SET_LAPIC", IOCTL.KVM_SET_LAPIC, state.bytes);
  }

  getVcpuEvents(into: KvmVcpuEvents = create(kvm_vcpu_events)): KvmVcpuEvents {
    this.#fd.call("KVM_GET_VCPU_EVENTS", IOCTL.KVM_GET_VCPU_EVENTS, into.bytes);
    return into;
  }

  setVcpuEvents(events: KvmVcpuEvents): void {
    this.#fd.call("KVM_SET_VCPU_EVENTS", IOCTL.KVM_SET_VCPU_EVENTS, events.bytes);
  }

  getDebugregs(into: KvmDebugregs = create(kvm_debugregs)): KvmDebugregs {
    this.#fd.call("KVM_GET_DEBUGREGS", IOCTL.KVM_GET_DEBUGREGS, into.bytes);
    return into;
  }

  setDebugregs(regs: KvmDebugregs): void {
    this.#fd.call("KVM_SET_DEBUGREGS", IOCTL.KVM_SET_DEBUGREGS, regs.bytes);
  }

  getMpState(into: KvmMpState = create(kvm_mp_state)): KvmMpState {
    this.#fd.call("KVM_GET_MP_STATE", IOCTL.KVM_GET_MP_STATE, into.bytes);
    return into;
  }

  setMpState(state: KvmMpState): void {
    this.#fd.call("KVM_SET_MP_STATE", IOCTL.KVM_SET_MP_STATE, state.bytes);
  }

  getNestedState(): KvmNestedState {
    const size = Math.max(this.#parts.nestedStateSize, kvm_nested_state.size);
    const state = create(kvm_nested_state, { size }, size - kvm_nested_state.size);
    this.#fd.call("KVM_GET_NESTED_STATE", IOCTL.KVM_GET_NESTED_STATE, state.bytes);
    return state;
  }

  setNestedState(state: KvmNestedState): void {
    this.#fd.call("KVM_SET_NESTED_STATE", IOCTL.KVM_SET_NESTED_STATE, state.bytes);
  }

  enableCap(cap: KvmEnableCap): void {
    this.#fd.call("KVM_ENABLE_CAP", IOCTL.KVM_ENABLE_CAP, cap.bytes);
  }

  translate(translation: KvmTranslation): KvmTranslation {
    this.#fd.call("KVM_TRANSLATE", IOCTL.KVM_TRANSLATE, translation.bytes);
    return translation;
  }

  interrupt(vector: number): void {
    this.#fd.call("KVM_INTERRUPT", IOCTL.KVM_INTERRUPT, create(kvm_interrupt, { irq: vector }).bytes);
  }

  nmi(): void {
    this.#fd.value("KVM_NMI", IOCTL.KVM_NMI);
  }

  smi(): void {
    this.#fd.value("KVM_SMI", IOCTL.KVM_SMI);
  }

  setGuestDebug(debug: KvmGuestDebug): void {
    this.#fd.call("KVM_SET_GUEST_DEBUG", IOCTL.KVM_SET_GUEST_DEBUG, debug.bytes);
  }

  setTscKhz(khz: number): void {
    this.#fd.value("KVM_SET_TSC_KHZ", IOCTL.KVM_SET_TSC_KHZ, khz);
  }

  getTscKhz(): number {
    return this.#fd.value("KVM_GET_TSC_KHZ", IOCTL.KVM_GET_TSC_KHZ);
  }

  kvmclockCtrl(): void {
    this.#fd.value("KVM_KVMCLOCK_CTRL", IOCTL.KVM_KVMCLOCK_CTRL);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const first = Atomics.exchange(this.#words, KICK_WORD.CLOSED, 1) === 0;
    this.#pages.page.release();
    this.#pages.ring?.release();
    if (first) this.#fd.close();
  }

  #newXsave2(): KvmXsave {
    return create(kvm_xsave, {}, Math.max(0, this.#parts.xsaveSize - kvm_xsave.size) / 4);
  }

  /** The kernel reads and writes the whole area, whatever room the record has. */
  #roomy(xsave: KvmXsave): KvmXsave {
    if (xsave.bytes.length < this.#parts.xsaveSize)
      throw new RangeError(`the XSAVE area has ${this.#parts.xsaveSize} bytes, not ${xsave.bytes.length}`);
    return xsave;
  }
}

/** A vCPU that another thread made, for the thread that is to run it. It has to be done with it before that one closes it. */
export function openVcpu(shared: SharedHostVcpu): HostVcpu {
  const ffi = loadFfi();
  const page = Mapping.borrowed(ffi, shared.page, shared.mmapSize);
  const ring = shared.ring === 0 ? undefined : Mapping.borrowed(ffi, shared.ring, shared.dirtyRingSize);
  return new HostVcpu(new KvmFd(ffi, shared.fd), shared.id, shared, { page, ring }, shared.words);
}

function mapPages(fd: KvmFd, { mmapSize, dirtyRingSize }: HostVcpuParts): VcpuPages {
  const page = Mapping.of(fd, mmapSize);
  return {
    page,
    ring: dirtyRingSize > 0 ? Mapping.of(fd, dirtyRingSize, KVM_DIRTY_LOG_PAGE_OFFSET * PAGE) : undefined,
  };
}

function newWords(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * KICK_WORD.COUNT));
}
