import { APIC_EVENT } from "../../irqchip/apic-page.ts";
import type { Lapic } from "../../irqchip/lapic.ts";
import { CPU, GUEST_DEBUG, MODE, SEGMENT, segmentOffset, TRAP, VECTOR } from "../../isa/state.ts";
import { ExitView } from "../../kvm/exit.ts";
import { EAGAIN, EINTR } from "../../spec/kvm/errno.ts";
import {
  KVM_EXIT_DEBUG,
  KVM_EXIT_HLT,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_INTR,
  KVM_EXIT_IRQ_WINDOW_OPEN,
  KVM_EXIT_SHUTDOWN,
  KVM_INTERNAL_ERROR_DELIVERY_EV,
} from "../../spec/kvm/exit.ts";
import {
  KVM_MP_STATE_HALTED,
  KVM_MP_STATE_INIT_RECEIVED,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_UNINITIALIZED,
} from "../../spec/kvm/vcpu-struct.ts";
import { DR6 } from "../../spec/x86/control-register.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { Library } from "./library.ts";
import { PendingExit } from "./pending-exit.ts";
import { startUp } from "./reset.ts";
import type { VcpuEvents } from "./vcpu-events.ts";
import { VCPU_WORD } from "./vm-plan.ts";

const CS_BASE = segmentOffset("cs") + SEGMENT.base;

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
  readonly events: VcpuEvents;
  /** Whether interrupt controllers are in the engine. */
  hasIrqchip(): boolean;
  /** IA32_APIC_BASE */
  apicBase(): number;
  /** Delivers what timers owe; returns ns until the next one, Infinity for never. */
  advanceTimers(): number;
  /** Called after each slice: compiled code is looked after. */
  sliceEnded(): void;
  /** Shared words: see VCPU_WORD. */
  readonly words: Int32Array;
  lapic(): Lapic | undefined;
  /** Does what is in VCPU_WORD.REQUESTS. */
  readonly serveRequests: () => void;
  /** Puts the vCPU in the state after INIT. */
  init(): void;
}

/** KVM_RUN: executes the guest until it needs something, and fills the kvm_run page as the kernel does. */
export class VcpuRun {
  readonly exit: ExitView;
  readonly #glue: RunGlue;
  readonly #pending: PendingExit;
  /** A KVM_MP_STATE_ number. */
  mpState: number = KVM_MP_STATE_RUNNABLE;
  /** It received INIT as it had never been initialised. */
  #started = false;
  /** VCPU_WORD.KICK when it was last looked for something to do. */
  #seen = 0;
  /** Whether the guest's instructions are being executed. */
  executing = false;

  constructor(glue: RunGlue) {
    this.#glue = glue;
    this.exit = new ExitView(glue.page);
    this.#pending = new PendingExit(glue.cells, this.exit);
  }

  /** Returns 0 with the exit in the page, EINTR, or EAGAIN for a vCPU that waits for its startup. */
  run(): number {
    const { cells, events } = this.#glue;
    const irqchip = this.#glue.hasIrqchip();
    if (!irqchip) cells.setNumber(CPU.cr8, this.exit.cr8 & 15);
    const result = this.#run();
    events.collect();
    const ready = irqchip || (events.ready && !this.#pending.waits);
    this.exit.fillState(events.interruptFlag, ready, cells.lo(CPU.cr8), this.#glue.apicBase(), events.inSmm);
    return result;
  }

  #run(): number {
    if (this.#pending.waits) {
      this.#enter();
      const going = this.#complete();
      this.#comeOut();
      if (!going) return 0;
    }
    for (;;) {
      const untilTimer = this.#glue.advanceTimers();
      this.#seen = Atomics.load(this.#glue.words, VCPU_WORD.KICK);
      if (this.#seen & 1 || this.exit.immediateExit) return this.#interrupted();
      if (!this.#isRunnable()) {
        this.#sleep(untilTimer);
        continue;
      }
      if (this.#started) return this.#restart();
      this.#enter();
      const going = this.#turn(untilTimer);
      this.#comeOut();
      if (!going) return 0;
    }
  }

  /** Executes until something is to be looked at; false: leave to the caller, the exit is in the page. */
  #turn(untilTimer: number): boolean {
    const { events } = this.#glue;
    if (events.shadow && (events.any || this.#windowWanted())) {
      events.endShadow();
      return this.#handle(this.#step());
    }
    if (!this.#deliver()) return false;
    if (!this.#windowWanted() || !events.ready) return this.#handle(this.#slice(untilTimer));
    this.#leave(KVM_EXIT_IRQ_WINDOW_OPEN);
    return false;
  }

  /** From here on others wait for the vCPU; what they asked for before is done. */
  #enter(): void {
    const { words, serveRequests } = this.#glue;
    for (;;) {
      Atomics.store(words, VCPU_WORD.EXECUTING, 1);
      if (Atomics.load(words, VCPU_WORD.REQUESTS) === 0) return;
      this.#comeOut();
      serveRequests();
    }
  }

  #comeOut(): void {
    const { words } = this.#glue;
    Atomics.store(words, VCPU_WORD.EXECUTING, 0);
    if (Atomics.load(words, VCPU_WORD.REQUESTS) !== 0) Atomics.notify(words, VCPU_WORD.EXECUTING);
  }

  /** Whether the vCPU is to execute, after what came for it: INIT, a startup IPI, an event that ends HLT. */
  #isRunnable(): boolean {
    const { events } = this.#glue;
    const lapic = this.#glue.lapic();
    if (lapic?.hasEvent(APIC_EVENT.INIT | APIC_EVENT.SIPI)) this.#acceptStartup(lapic);
    if (this.mpState === KVM_MP_STATE_HALTED && events.wakes) {
      this.mpState = KVM_MP_STATE_RUNNABLE;
      events.halted = true;
    }
    return this.mpState === KVM_MP_STATE_RUNNABLE;
  }

  /** A startup IPI counts only after INIT, and INIT waits for RSM. [SDM 3A 9.4, 3C 31.5.2] */
  #acceptStartup(lapic: Lapic): void {
    const { cells, library, events } = this.#glue;
    if (events.inSmm) {
      lapic.takeEvent(APIC_EVENT.SIPI);
      return;
    }
    if (lapic.takeEvent(APIC_EVENT.INIT)) {
      this.#glue.init();
      this.#started = this.mpState === KVM_MP_STATE_UNINITIALIZED;
      this.mpState = lapic.config.bsp ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
    }
    if (!lapic.takeEvent(APIC_EVENT.SIPI) || this.mpState !== KVM_MP_STATE_INIT_RECEIVED) return;
    startUp(cells, lapic.sipiVector());
    library.update_mode(cells.base);
    this.mpState = KVM_MP_STATE_RUNNABLE;
  }

  /** As in KVM a vCPU that was never initialised comes out once when it has been started. */
  #restart(): number {
    this.#started = false;
    return EAGAIN;
  }

  #interrupted(): number {
    Atomics.and(this.#glue.words, VCPU_WORD.KICK, ~1);
    this.#leave(KVM_EXIT_INTR);
    return EINTR;
  }

  #leave(reason: number): 0 {
    this.exit.reason = reason;
    return 0;
  }

  /** Without an irqchip user space may ask to be told when it can inject an interrupt. */
  #windowWanted(): boolean {
    return this.exit.requestInterruptWindow && !this.#glue.hasIrqchip();
  }

  /** Runs up to a slice of instructions; returns the trap that ended it. */
  #slice(untilTimer: number): number {
    const { cells, events } = this.#glue;
    cells.setI32(CPU.interruptPending, events.waits || this.#windowWanted() ? 1 : 0);
    const trap = this.#execute(Math.min(SLICE, Math.max(MIN_SLICE, (untilTimer / 1000) * INSTRUCTIONS_PER_US)) | 0);
    if (trap === TRAP.budget) this.#glue.sliceEnded();
    return trap;
  }

  /** Executes one instruction, whatever interrupts wait. */
  #step(): number {
    const { cells, library } = this.#glue;
    cells.setI32(CPU.mode, cells.i32(CPU.mode) | MODE.single);
    cells.setI32(CPU.jumpKey, 0);
    const trap = this.#execute(0);
    library.update_mode(cells.base);
    return trap;
  }

  #execute(budget: number): number {
    const { cells, library, words } = this.#glue;
    cells.storeI32(CPU.budget, budget);
    // what was posted since the last look would wait for the end of the slice
    const granted = Atomics.load(words, VCPU_WORD.KICK) === this.#seen ? budget : 0;
    if (granted !== budget) cells.setI32(CPU.budget, granted);
    this.executing = true;
    const trap = library.run(cells.base);
    this.executing = false;
    const unused = Atomics.exchange(words, VCPU_WORD.UNUSED_BUDGET, 0);
    cells.setNumber(CPU.retired, cells.number(CPU.retired) + granted - cells.i32(CPU.budget) - unused);
    cells.setI32(CPU.budget, -1);
    return trap;
  }

  /** Acts on a trap; false: leave to the caller, the exit is in the page. */
  #handle(trap: number): boolean {
    this.#glue.cells.setI32(CPU.trap, TRAP.none);
    switch (trap) {
      case TRAP.none:
      case TRAP.budget:
        return true;
      case TRAP.halt:
        return this.#halt();
      case TRAP.alone:
        return this.#handle(this.#step());
      case TRAP.exit:
        this.#pending.fill();
        return false;
      case TRAP.debug:
        this.#leaveToDebugger();
        return false;
      case TRAP.shutdown:
        this.#leave(KVM_EXIT_SHUTDOWN);
        return false;
      default:
        throw new Error(`the interpreter returned trap ${trap}`);
    }
  }

  /** An exception that KVM_SET_GUEST_DEBUG asked for. */
  #leaveToDebugger(): void {
    const { cells } = this.#glue;
    const low = (cells.lo(CS_BASE) >>> 0) + (cells.lo(CPU.rip) >>> 0);
    const high = cells.hi(CS_BASE) + cells.hi(CPU.rip) + (low > 0xffff_ffff ? 1 : 0);
    const vector = cells.i32(CPU.faultVector);
    const hits = vector === VECTOR.DB ? cells.lo(CPU.faultAddress) : 0;
    const hosts = cells.i32(CPU.guestDebug) & GUEST_DEBUG.hardwareBreakpoints;
    const dr7 = cells.lo((hosts ? CPU.hostDr : CPU.dr) + 8 * 7) >>> 0;
    this.exit.fillDebug(vector, low, high, (hits | DR6.fixed) >>> 0, dr7);
    this.#leave(KVM_EXIT_DEBUG);
  }

  /** HLT: without an irqchip user space waits, and the vCPU goes on when it is run again. */
  #halt(): boolean {
    if (this.#glue.hasIrqchip()) this.mpState = KVM_MP_STATE_HALTED;
    else this.#leave(KVM_EXIT_HLT);
    return this.#glue.hasIrqchip();
  }

  /** Delivers an event if one may be; false: leave. A handler's stack in device memory is beyond KVM too. */
  #deliver(): boolean {
    const trap = this.#glue.events.deliver();
    if (trap !== TRAP.exit) return trap === TRAP.none || this.#handle(trap);
    this.#glue.cells.setI32(CPU.trap, TRAP.none);
    this.exit.fillEmulationFailure(KVM_INTERNAL_ERROR_DELIVERY_EV, 0, new Uint8Array(0));
    this.#leave(KVM_EXIT_INTERNAL_ERROR);
    return false;
  }

  #sleep(untilTimer: number): void {
    const ms = Math.min(MAX_SLEEP_MS, untilTimer / 1e6);
    if (ms > 0) Atomics.wait(this.#glue.words, VCPU_WORD.KICK, this.#seen, ms);
  }

  /** Executes the instruction again whose access user space completed; false: it left once more. */
  #complete(): boolean {
    if (!this.#pending.answer()) return true;
    const going = this.#handle(this.#step());
    if (!this.#pending.waits) this.#pending.forget();
    return going;
  }
}
