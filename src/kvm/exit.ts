import { exitReasonName, KVM_EXIT_IO, KVM_EXIT_IO_OUT, KVM_EXIT_MMIO } from "../spec/kvm/exit.ts";
import { KVM_PIO_PAGE_OFFSET, KVM_RUN_X86_SMM, kvm_run } from "../spec/kvm/run-struct.ts";

/*
 * The kvm_run page without garbage: plain numbers read from and written to the page in place. The board reads exits
 * with it; a software engine fills them with it, so that both agree by construction. `view(kvm_run, page)` shows
 * every field, these classes the ones that are met while a guest runs.
 */

const RUN = kvm_run.offsets;
const IO = offsetsIn(RUN.io, kvm_run.fields.io.type.offsets);
const MMIO = offsetsIn(RUN.mmio, kvm_run.fields.mmio.type.offsets);
const MSR = offsetsIn(RUN.msr, kvm_run.fields.msr.type.offsets);
const HYPERCALL = offsetsIn(RUN.hypercall, kvm_run.fields.hypercall.type.offsets);
const EVENT = offsetsIn(RUN.system_event, kvm_run.fields.system_event.type.offsets);
const FAIL = offsetsIn(RUN.fail_entry, kvm_run.fields.fail_entry.type.offsets);
const INTERNAL = offsetsIn(RUN.internal, kvm_run.fields.internal.type.offsets);
const EMULATION = offsetsIn(RUN.emulation_failure, kvm_run.fields.emulation_failure.type.offsets);
const DEBUG = offsetsIn(RUN.debug, kvm_run.fields.debug.type.fields.arch.offsets);

const TWO_32 = 0x1_0000_0000;

/** Where the data of a port access lies, from the start of kvm_run. */
export const PIO_DATA_OFFSET = KVM_PIO_PAGE_OFFSET * 4096;

function offsetsIn<T extends Record<string, number>>(base: number, offsets: T): T {
  return Object.fromEntries(Object.entries(offsets).map(([name, offset]) => [name, base + offset])) as T;
}

/** KVM_EXIT_IO: IN or OUT, `count` items of `size` bytes at one port. */
export class IoExit {
  readonly #data: DataView;

  constructor(data: DataView) {
    this.#data = data;
  }

  /** KVM_EXIT_IO_IN (the device answers with `setValue`) or KVM_EXIT_IO_OUT. */
  get direction(): number {
    return this.#data.getUint8(IO.direction);
  }
  /** Bytes of an item: 1, 2 or 4. */
  get size(): number {
    return this.#data.getUint8(IO.size);
  }
  get port(): number {
    return this.#data.getUint16(IO.port, true);
  }
  /** Items: 1, or more for a repeated string instruction. */
  get count(): number {
    return this.#data.getUint32(IO.count, true);
  }
  /** Of the first item, from the start of kvm_run. */
  get dataOffset(): number {
    return this.#data.getUint32(IO.data_offset, true);
  }

  /** Item `index`, unsigned. */
  value(index: number): number {
    return readSized(this.#data, this.dataOffset + index * this.size, this.size);
  }

  /** Answers item `index` of an IN. */
  setValue(index: number, value: number): void {
    writeSized(this.#data, this.dataOffset + index * this.size, this.size, value);
  }

  /** Fills the record; the data lies in the page of port I/O. */
  fill(direction: number, size: number, port: number, count: number): void {
    this.#data.setUint8(IO.direction, direction);
    this.#data.setUint8(IO.size, size);
    this.#data.setUint16(IO.port, port, true);
    this.#data.setUint32(IO.count, count, true);
    setWide(this.#data, IO.data_offset, PIO_DATA_OFFSET, 0);
  }
}

/** KVM_EXIT_MMIO: an access of up to 8 bytes to an address outside the memory slots. */
export class MmioExit {
  readonly #data: DataView;

  constructor(data: DataView) {
    this.#data = data;
  }

  get physAddr(): number {
    return this.#data.getUint32(MMIO.phys_addr, true) + this.#data.getUint32(MMIO.phys_addr + 4, true) * TWO_32;
  }
  /** Bytes: 1 to 8. */
  get length(): number {
    return this.#data.getUint32(MMIO.len, true);
  }
  get isWrite(): boolean {
    return this.#data.getUint8(MMIO.is_write) !== 0;
  }
  /** Bits 31-0 of the data, unsigned; those beyond `length` are 0. */
  get lo(): number {
    return masked(this.#data.getUint32(MMIO.data, true), this.length);
  }
  /** Bits 63-32 of the data, unsigned; those beyond `length` are 0. */
  get hi(): number {
    return masked(this.#data.getUint32(MMIO.data + 4, true), this.length - 4);
  }

  /** Answers a read with bits 31-0 and 63-32. */
  setValue(lo: number, hi: number): void {
    setWide(this.#data, MMIO.data, lo, hi);
  }

  /** Fills the record; the data of a write as in `setValue`. */
  fill(physAddr: number, length: number, isWrite: boolean, lo = 0, hi = 0): void {
    setWide(this.#data, MMIO.phys_addr, physAddr, physAddr / TWO_32);
    setWide(this.#data, MMIO.data, lo, hi);
    this.#data.setUint32(MMIO.len, length, true);
    this.#data.setUint8(MMIO.is_write, isWrite ? 1 : 0);
  }
}

/** KVM_EXIT_X86_RDMSR and KVM_EXIT_X86_WRMSR. */
export class MsrExit {
  readonly #data: DataView;

  constructor(data: DataView) {
    this.#data = data;
  }

  get index(): number {
    return this.#data.getUint32(MSR.index, true);
  }
  /** A KVM_MSR_EXIT_REASON_ bit. */
  get reason(): number {
    return this.#data.getUint32(MSR.reason, true);
  }
  get lo(): number {
    return this.#data.getUint32(MSR.data, true);
  }
  get hi(): number {
    return this.#data.getUint32(MSR.data + 4, true);
  }
  /** Whether the guest is to get #GP. */
  get error(): boolean {
    return this.#data.getUint8(MSR.error) !== 0;
  }
  set error(value: boolean) {
    this.#data.setUint8(MSR.error, value ? 1 : 0);
  }

  /** Answers a read. */
  setValue(lo: number, hi: number): void {
    setWide(this.#data, MSR.data, lo, hi);
  }

  /** Fills the record; `error` is off until the answer turns it on. */
  fill(index: number, reason: number, lo = 0, hi = 0): void {
    this.error = false;
    this.#data.setUint32(MSR.reason, reason, true);
    this.#data.setUint32(MSR.index, index, true);
    setWide(this.#data, MSR.data, lo, hi);
  }
}

/** KVM_EXIT_HYPERCALL. Arguments and result are 64-bit; here their exact value below 2^53. */
export class HypercallExit {
  readonly #data: DataView;

  constructor(data: DataView) {
    this.#data = data;
  }

  get nr(): number {
    return getWide(this.#data, HYPERCALL.nr);
  }
  get longmode(): boolean {
    return this.#data.getUint32(HYPERCALL.longmode, true) !== 0;
  }

  /** Argument 0 to 5. */
  argument(index: number): number {
    return getWide(this.#data, HYPERCALL.args + index * 8);
  }

  setResult(lo: number, hi: number): void {
    setWide(this.#data, HYPERCALL.ret, lo, hi);
  }
}

/** One vCPU's kvm_run page. */
export class ExitView {
  readonly io: IoExit;
  readonly mmio: MmioExit;
  readonly msr: MsrExit;
  readonly hypercall: HypercallExit;
  readonly #data: DataView;

  /** `page` is `Vcpu.kvmRun`. */
  constructor(page: Uint8Array) {
    this.#data = new DataView(page.buffer, page.byteOffset, page.byteLength);
    this.io = new IoExit(this.#data);
    this.mmio = new MmioExit(this.#data);
    this.msr = new MsrExit(this.#data);
    this.hypercall = new HypercallExit(this.#data);
  }

  /** A KVM_EXIT_ number: why `run` returned. */
  get reason(): number {
    return this.#data.getUint32(RUN.exit_reason, true);
  }
  set reason(value: number) {
    this.#data.setUint32(RUN.exit_reason, value, true);
  }
  /** In: `run` is to return EINTR after it has completed what was pending, before any guest instruction. */
  get immediateExit(): boolean {
    return this.#data.getUint8(RUN.immediate_exit) !== 0;
  }
  set immediateExit(value: boolean) {
    this.#data.setUint8(RUN.immediate_exit, value ? 1 : 0);
  }
  /** In: `run` is to return as soon as an interrupt could be injected; without an irqchip. */
  get requestInterruptWindow(): boolean {
    return this.#data.getUint8(RUN.request_interrupt_window) !== 0;
  }
  set requestInterruptWindow(value: boolean) {
    this.#data.setUint8(RUN.request_interrupt_window, value ? 1 : 0);
  }
  get readyForInterruptInjection(): boolean {
    return this.#data.getUint8(RUN.ready_for_interrupt_injection) !== 0;
  }
  /** RFLAGS.IF */
  get ifFlag(): boolean {
    return this.#data.getUint8(RUN.if_flag) !== 0;
  }
  /** KVM_RUN_X86_ bits. */
  get flags(): number {
    return this.#data.getUint16(RUN.flags, true);
  }
  /** The task priority, both ways. */
  get cr8(): number {
    return this.#data.getUint32(RUN.cr8, true);
  }
  set cr8(value: number) {
    setWide(this.#data, RUN.cr8, value, 0);
  }
  get apicBase(): number {
    return getWide(this.#data, RUN.apic_base);
  }

  /** KVM_EXIT_SYSTEM_EVENT: a KVM_SYSTEM_EVENT_ number. */
  get systemEvent(): number {
    return this.#data.getUint32(EVENT.type, true);
  }
  /** KVM_EXIT_IOAPIC_EOI: the vector whose service ended. */
  get eoiVector(): number {
    return this.#data.getUint8(RUN.eoi);
  }
  /** KVM_EXIT_INTERNAL_ERROR: a KVM_INTERNAL_ERROR_ number. */
  get internalSuberror(): number {
    return this.#data.getUint32(INTERNAL.suberror, true);
  }
  /** KVM_EXIT_FAIL_ENTRY: the processor's own reason. */
  get failEntryReason(): number {
    return getWide(this.#data, FAIL.hardware_entry_failure_reason);
  }
  /** KVM_EXIT_DEBUG: the vector, 1 (#DB) or 3 (#BP). */
  get debugException(): number {
    return this.#data.getUint32(DEBUG.exception, true);
  }

  /** What the guest's state is after `run`; a software engine's half of the header. */
  fillState(ifFlag: boolean, ready: boolean, cr8: number, apicBase: number, inSmm = false): void {
    this.#data.setUint8(RUN.if_flag, ifFlag ? 1 : 0);
    this.#data.setUint8(RUN.ready_for_interrupt_injection, ready ? 1 : 0);
    this.#data.setUint16(RUN.flags, inSmm ? KVM_RUN_X86_SMM : 0, true);
    this.cr8 = cr8;
    setWide(this.#data, RUN.apic_base, apicBase, apicBase / TWO_32);
  }

  /** Fills KVM_EXIT_INTERNAL_ERROR's emulation failure: the instruction's bytes, at most 15. */
  fillEmulationFailure(suberror: number, flags: number, instruction: Uint8Array): void {
    this.#data.setUint32(EMULATION.suberror, suberror, true);
    this.#data.setUint32(EMULATION.ndata, 3, true);
    setWide(this.#data, EMULATION.flags, flags, 0);
    const size = Math.min(instruction.length, 15);
    this.#data.setUint8(EMULATION.insn_size, size);
    for (let index = 0; index < 15; index++)
      this.#data.setUint8(EMULATION.insn_bytes + index, index < size ? instruction[index]! : 0);
  }

  /** Fills KVM_EXIT_DEBUG; 64-bit values as halves. */
  fillDebug(exception: number, pcLo: number, pcHi: number, dr6: number, dr7: number): void {
    this.#data.setUint32(DEBUG.exception, exception, true);
    setWide(this.#data, DEBUG.pc, pcLo, pcHi);
    setWide(this.#data, DEBUG.dr6, dr6, 0);
    setWide(this.#data, DEBUG.dr7, dr7, 0);
  }
}

/** An exit in words, for messages. */
export function describeExit(exit: ExitView): string {
  const name = exitReasonName(exit.reason);
  if (exit.reason === KVM_EXIT_IO) {
    const { direction, size, port, count } = exit.io;
    return `${name}: ${direction === KVM_EXIT_IO_OUT ? "out" : "in"} port 0x${port.toString(16)}, ${count} of ${size} bytes`;
  }
  if (exit.reason !== KVM_EXIT_MMIO) return name;
  const { isWrite, physAddr, length } = exit.mmio;
  return `${name}: ${isWrite ? "write" : "read"} of ${length} bytes at 0x${physAddr.toString(16)}`;
}

function readSized(data: DataView, offset: number, size: number): number {
  if (size === 1) return data.getUint8(offset);
  return size === 2 ? data.getUint16(offset, true) : data.getUint32(offset, true);
}

function writeSized(data: DataView, offset: number, size: number, value: number): void {
  if (size === 1) data.setUint8(offset, value);
  else if (size === 2) data.setUint16(offset, value, true);
  else data.setUint32(offset, value, true);
}

function getWide(data: DataView, offset: number): number {
  return data.getUint32(offset, true) + data.getUint32(offset + 4, true) * TWO_32;
}

function setWide(data: DataView, offset: number, lo: number, hi: number): void {
  data.setUint32(offset, lo, true);
  data.setUint32(offset + 4, hi, true);
}

/** The low `bytes` bytes of a 32-bit value. */
function masked(value: number, bytes: number): number {
  if (bytes >= 4) return value;
  return bytes <= 0 ? 0 : value & ((1 << (bytes * 8)) - 1);
}
