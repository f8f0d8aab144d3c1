import type {
  KvmCpuid2,
  KvmDebugregs,
  KvmFpu,
  KvmGuestDebug,
  KvmLapicState,
  KvmMpState,
  KvmMsrs,
  KvmNestedState,
  KvmRegs,
  KvmSregs,
  KvmSregs2,
  KvmTranslation,
  KvmVcpuEvents,
  KvmXcrs,
  KvmXsave,
} from "../spec/kvm/vcpu-struct.ts";
import type { KvmEnableCap } from "../spec/kvm/vm-struct.ts";

/**
 * A virtual CPU. All calls but `kick` come from the thread that runs it. A `get` fills and returns `into`, or a new
 * record if that is left out. KVM's rule for pending exits: what an IO, MMIO or MSR exit asked for is completed when
 * `run` is entered again, so before saving state enter it once with `immediate_exit` set. Until then the registers are
 * those of some moment within the instruction, which differs between engines; one that sends the vCPU elsewhere meanwhile
 * (a reset) drops the pending half.
 */
export interface Vcpu {
  readonly id: number;
  /** The mapping of the vCPU: kvm_run, then the page of port I/O data. `ExitView` reads it. */
  readonly kvmRun: Uint8Array;
  /**
   * KVM_RUN. Returns 0 when the guest needs something, which `kvmRun` then tells; EINTR (with KVM_EXIT_INTR) after a
   * `kick` or with `immediate_exit`; EAGAIN when the vCPU is not initialised. Any other errno is thrown as KvmError.
   */
  run(): number;
  /** From any thread: what a signal is to KVM_RUN. A `run` under way, or else the next, returns EINTR soon. */
  kick(): void;

  /** KVM_GET_REGS */
  getRegs(into?: KvmRegs): KvmRegs;
  /** KVM_SET_REGS */
  setRegs(regs: KvmRegs): void;
  /** KVM_GET_SREGS */
  getSregs(into?: KvmSregs): KvmSregs;
  /** KVM_SET_SREGS. Errors: EINVAL (a combination no processor can be in). */
  setSregs(sregs: KvmSregs): void;
  /** KVM_GET_SREGS2 */
  getSregs2(into?: KvmSregs2): KvmSregs2;
  /** KVM_SET_SREGS2. Errors: EINVAL. */
  setSregs2(sregs: KvmSregs2): void;
  /** KVM_GET_MSRS: fills `data` of each entry; returns how many were read before one that does not exist. */
  getMsrs(msrs: KvmMsrs): number;
  /** KVM_SET_MSRS: returns how many were written before one that was refused. */
  setMsrs(msrs: KvmMsrs): number;
  /** KVM_GET_CPUID2 */
  getCpuid2(): KvmCpuid2;
  /** KVM_SET_CPUID2: what CPUID answers, before the first `run`. Errors: EINVAL. */
  setCpuid2(cpuid: KvmCpuid2): void;
  /** KVM_GET_FPU */
  getFpu(into?: KvmFpu): KvmFpu;
  /** KVM_SET_FPU */
  setFpu(fpu: KvmFpu): void;
  /** KVM_GET_XSAVE */
  getXsave(into?: KvmXsave): KvmXsave;
  /** KVM_GET_XSAVE2: the same in a record of KVM_CAP_XSAVE2 bytes. */
  getXsave2(into?: KvmXsave): KvmXsave;
  /** KVM_SET_XSAVE. Errors: EINVAL (components that are not there, compacted format, reserved bits). */
  setXsave(xsave: KvmXsave): void;
  /** KVM_GET_XCRS */
  getXcrs(into?: KvmXcrs): KvmXcrs;
  /** KVM_SET_XCRS. Errors: EINVAL. */
  setXcrs(xcrs: KvmXcrs): void;
  /** KVM_GET_LAPIC. Errors: EINVAL (no irqchip). */
  getLapic(into?: KvmLapicState): KvmLapicState;
  /** KVM_SET_LAPIC. Errors: EINVAL. */
  setLapic(state: KvmLapicState): void;
  /** KVM_GET_VCPU_EVENTS */
  getVcpuEvents(into?: KvmVcpuEvents): KvmVcpuEvents;
  /** KVM_SET_VCPU_EVENTS. Errors: EINVAL. */
  setVcpuEvents(events: KvmVcpuEvents): void;
  /** KVM_GET_DEBUGREGS */
  getDebugregs(into?: KvmDebugregs): KvmDebugregs;
  /** KVM_SET_DEBUGREGS. Errors: EINVAL. */
  setDebugregs(regs: KvmDebugregs): void;
  /** KVM_GET_MP_STATE */
  getMpState(into?: KvmMpState): KvmMpState;
  /** KVM_SET_MP_STATE. Errors: EINVAL. */
  setMpState(state: KvmMpState): void;

  /** KVM_GET_NESTED_STATE: the guest's own guest, as far as it is not in its registers. */
  getNestedState(): KvmNestedState;
  /** KVM_SET_NESTED_STATE. Errors: EINVAL. */
  setNestedState(state: KvmNestedState): void;

  /** KVM_ENABLE_CAP on the vCPU. Errors: EINVAL. */
  enableCap(cap: KvmEnableCap): void;
  /** The ring of pages it wrote to, if KVM_CAP_DIRTY_LOG_RING was enabled before it was made; `DirtyRing` reads it. */
  readonly dirtyRing: Uint8Array | undefined;
  /** KVM_TRANSLATE: `linear_address` of the record through the guest's page tables, into the rest of it. */
  translate(translation: KvmTranslation): KvmTranslation;
  /** KVM_INTERRUPT: queues an external interrupt; only without an irqchip. Errors: EINVAL, ENXIO, EEXIST. */
  interrupt(vector: number): void;
  /** KVM_NMI */
  nmi(): void;
  /** KVM_SMI */
  smi(): void;
  /** KVM_SET_GUEST_DEBUG */
  setGuestDebug(debug: KvmGuestDebug): void;
  /** KVM_SET_TSC_KHZ: the guest's TSC frequency. Errors: EINVAL. */
  setTscKhz(khz: number): void;
  /** KVM_GET_TSC_KHZ */
  getTscKhz(): number;
  /** KVM_KVMCLOCK_CTRL: tells the guest that it was paused. Errors: EINVAL (the guest has no kvmclock). */
  kvmclockCtrl(): void;
  /** Ends the vCPU. */
  close(): void;
}
