import type { VcpuInterrupts } from "../../irqchip/vcpu-interrupts.ts";
import { ExitView } from "../../kvm/exit.ts";
import { CPU, EFLAGS, EXIT, MODE, REPLAY_ENTRIES, REPLAY_ENTRY, REPLAY_ENTRY_SIZE, TRAP, VECTOR } from "../../isa/state.ts";
import { EINTR } from "../../spec/kvm/errno.ts";
import {
  KVM_EXIT_HLT, KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_INTR, KVM_EXIT_IO, KVM_EXIT_IO_IN, KVM_EXIT_IO_OUT, KVM_EXIT_IRQ_WINDOW_OPEN, KVM_EXIT_MMIO,
  KVM_EXIT_SHUTDOWN, KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR, KVM_INTERNAL_ERROR_EMULATION,
} from "../../spec/kvm/exit.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { Library } from "./library.ts";

/** Instructions between looks at timers and kicks when nothing else asks for one. */
const SLICE = 20_000;
/** Guest instructions in a microsecond, roughly: a slice ends near the next timer. */
const INSTRUCTIONS_PER_US = 50;
const MIN_SLICE = 200;
/** Longest sleep of an idle vCPU, in ms: bounds a clock that cannot wake it. */
const MAX_SLEEP_MS = 1000;

/** What the run loop stands on. */
export interface RunGlue {
  readonly cells: CpuCells;
  readonly library: Library;
  readonly page: Uint8Array;
  /** Absent without an in-kernel irqchip. */
  interrupts(): VcpuInterrupts | undefined;
  /** Delivers what timers owe; returns ns until the next one, Infinity for never. */
  advanceTimers(): number;
  /** One shared word: 1 after a kick. */
  readonly kick: Int32Array;
}

/** KVM_RUN: executes the guest until it needs something, and fills the kvm_run page as the kernel does. */
export class VcpuRun {
  readonly exit: ExitView;
  readonly #glue: RunGlue;
  /** EXIT kind whose completion is due when run is entered again. */
  #pending: number = EXIT.none;
  /** HLT executed, nothing came yet. */
  halted = false;
  nmiPending = false;
  /** Vector queued by KVM_INTERRUPT, or -1. */
  injected = -1;

  constructor(glue: RunGlue) {
    this.#glue = glue;
    this.exit = new ExitView(glue.page);
  }

  /** Returns 0 with the exit in the page, or EINTR. */
  run(): number {
    const { kick } = this.#glue;
    if (this.#pending !== EXIT.none && !this.#complete()) return 0;
    if (this.exit.immediateExit) return this.#interrupted();
    for (;;) {
      const untilTimer = this.#glue.advanceTimers();
      if (Atomics.load(kick, 0) !== 0) return this.#interrupted();
      if (this.halted && !this.#wakes()) {
        if (!this.#glue.interrupts()) return this.#leave(KVM_EXIT_HLT);
        this.#sleep(untilTimer);
        continue;
      }
      if (!this.#deliverEvents()) return 0;
      if (this.#windowWanted()) return this.#leave(KVM_EXIT_IRQ_WINDOW_OPEN);
      if (!this.#handle(this.#slice(untilTimer))) return 0;
    }
  }

  #interrupted(): number {
    Atomics.store(this.#glue.kick, 0, 0);
    this.#leave(KVM_EXIT_INTR);
    return EINTR;
  }

  #leave(reason: number): 0 {
    this.exit.reason = reason;
    return 0;
  }

  /** Runs up to a slice of instructions; returns the trap that ended it. */
  #slice(untilTimer: number): number {
    const { cells, library } = this.#glue;
    const budget = Math.min(SLICE, Math.max(MIN_SLICE, (untilTimer / 1000) * INSTRUCTIONS_PER_US)) | 0;
    cells.setI32(CPU.budget, budget);
    const trap = library.run(cells.base);
    cells.setNumber(CPU.retired, cells.number(CPU.retired) + budget - cells.i32(CPU.budget));
    return trap;
  }

  /** Executes one instruction, whatever interrupts wait. */
  #step(): number {
    const { cells, library } = this.#glue;
    cells.setI32(CPU.mode, cells.i32(CPU.mode) | MODE.single);
    cells.setI32(CPU.budget, 0);
    const trap = library.run(cells.base);
    cells.setI32(CPU.mode, cells.i32(CPU.mode) & ~MODE.single);
    return trap;
  }

  /** Acts on a trap; false: leave to the caller, the exit is in the page. */
  #handle(trap: number): boolean {
    this.#glue.cells.setI32(CPU.trap, TRAP.none);
    switch (trap) {
      case TRAP.budget:
        return true;
      case TRAP.halt:
        this.halted = true;
        return true;
      case TRAP.exit:
        this.#fillExit();
        return false;
      case TRAP.shutdown:
        this.#leave(KVM_EXIT_SHUTDOWN);
        return false;
      default:
        throw new Error(`the interpreter returned trap ${trap}`);
    }
  }

  // Events

  #wakes(): boolean {
    if (this.nmiPending) return true;
    if (!this.#interruptsEnabled() || !this.#hasInterrupt()) return false;
    return true;
  }

  #interruptsEnabled(): boolean {
    return (this.#glue.cells.i32(CPU.eflags) & EFLAGS.IF) !== 0;
  }

  #hasInterrupt(): boolean {
    const interrupts = this.#glue.interrupts();
    return interrupts ? interrupts.hasInterrupt() : this.injected >= 0;
  }

  #windowWanted(): boolean {
    return this.exit.requestInterruptWindow && this.#interruptsEnabled() && this.#glue.cells.i32(CPU.inhibit) === 0;
  }

  /** Delivers an NMI or interrupt if one may be; false: leave, a delivery shut the processor down. */
  #deliverEvents(): boolean {
    const { cells } = this.#glue;
    const maskable = this.#hasInterrupt();
    if (!maskable && !this.nmiPending) {
      cells.setI32(CPU.interruptPending, 0);
      return true;
    }
    if (cells.i32(CPU.inhibit) !== 0) {
      // the instruction after STI or MOV SS comes first
      cells.setI32(CPU.inhibit, 0);
      if (!this.#handle(this.#step())) return false;
      if (this.halted && !this.#wakes()) return true;
    }
    if (this.nmiPending && cells.i32(CPU.nmiMasked) === 0) return this.#deliverNmi();
    const open = maskable && this.#interruptsEnabled();
    cells.setI32(CPU.interruptPending, maskable && !open ? 1 : 0);
    return open ? this.#deliverInterrupt() : true;
  }

  #deliverNmi(): boolean {
    this.nmiPending = false;
    this.#glue.cells.setI32(CPU.nmiMasked, 1);
    return this.#deliver(VECTOR.NMI);
  }

  #deliverInterrupt(): boolean {
    const interrupts = this.#glue.interrupts();
    const vector = interrupts ? interrupts.acknowledge() : this.injected;
    this.injected = -1;
    return vector < 0 || this.#deliver(vector);
  }

  #deliver(vector: number): boolean {
    const { cells, library } = this.#glue;
    this.halted = false;
    library.pack_flags(cells.base);
    library.interrupt(cells.base, vector);
    const trap = cells.i32(CPU.trap);
    return trap === TRAP.none || this.#handle(trap);
  }

  #sleep(untilTimer: number): void {
    const ms = Math.min(MAX_SLEEP_MS, untilTimer / 1e6);
    if (ms > 0) Atomics.wait(this.#glue.kick, 0, 0, ms);
  }

  // Exits

  #fillExit(): void {
    const { cells } = this.#glue;
    const kind = cells.i32(CPU.exitReason);
    const size = cells.i32(CPU.exitSize);
    const lo = cells.lo(CPU.exitData);
    const hi = cells.hi(CPU.exitData);
    this.#pending = kind;
    if (kind === EXIT.ioIn || kind === EXIT.ioOut) {
      this.exit.io.fill(kind === EXIT.ioIn ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT, size, cells.lo(CPU.exitAddress), 1);
      this.exit.io.setValue(0, lo);
      this.exit.reason = KVM_EXIT_IO;
    } else if (kind === EXIT.mmioRead || kind === EXIT.mmioWrite) {
      const write = kind === EXIT.mmioWrite;
      this.exit.mmio.fill(cells.number(CPU.exitAddress), size, write, write ? lo : 0, write ? hi : 0);
      this.exit.reason = KVM_EXIT_MMIO;
    } else this.#fillRareExit(kind, lo, hi);
  }

  #fillRareExit(kind: number, lo: number, hi: number): void {
    if (kind === EXIT.msrRead || kind === EXIT.msrWrite) {
      this.exit.msr.fill(this.#glue.cells.lo(CPU.exitAddress), 0, lo, hi);
      this.exit.reason = kind === EXIT.msrRead ? KVM_EXIT_X86_RDMSR : KVM_EXIT_X86_WRMSR;
      return;
    }
    // code outside memory cannot be fetched, as KVM's emulator cannot
    this.#pending = EXIT.none;
    this.exit.fillEmulationFailure(KVM_INTERNAL_ERROR_EMULATION, 0, new Uint8Array(0));
    this.exit.reason = KVM_EXIT_INTERNAL_ERROR;
  }

  /** Notes the access that user space completed and enters its instruction again; false: that left once more. */
  #complete(): boolean {
    const { cells } = this.#glue;
    this.#record();
    this.#pending = EXIT.none;
    cells.setI32(CPU.replayCursor, 0);
    const going = this.#handle(this.#step());
    if (going || this.exit.reason === KVM_EXIT_SHUTDOWN) cells.setI32(CPU.replayCount, 0);
    return going;
  }

  #record(): void {
    const { cells } = this.#glue;
    const count = cells.i32(CPU.replayCount);
    if (count >= REPLAY_ENTRIES) throw new Error("an instruction made more device accesses than any can");
    const entry = CPU.replay + count * REPLAY_ENTRY_SIZE;
    cells.setI32(entry + REPLAY_ENTRY.kind, this.#pending);
    cells.setI32(entry + REPLAY_ENTRY.size, cells.i32(CPU.exitSize));
    cells.setWide(entry + REPLAY_ENTRY.address, cells.lo(CPU.exitAddress), cells.hi(CPU.exitAddress));
    const { lo, hi } = this.#answer();
    cells.setWide(entry + REPLAY_ENTRY.data, lo, hi);
    cells.setI32(CPU.replayCount, count + 1);
  }

  /** The data user space answered with; one object, used again. */
  readonly #data = { lo: 0, hi: 0 };
  #answer(): { lo: number; hi: number } {
    const data = this.#data;
    data.lo = 0;
    data.hi = 0;
    if (this.#pending === EXIT.ioIn) data.lo = this.exit.io.value(0);
    else if (this.#pending === EXIT.mmioRead) {
      data.lo = this.exit.mmio.lo;
      data.hi = this.exit.mmio.hi;
    } else if (this.#pending === EXIT.msrRead) {
      data.lo = this.exit.msr.lo;
      data.hi = this.exit.msr.hi;
    }
    return data;
  }
}
