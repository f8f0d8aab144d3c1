import { CPU, EXIT, REPLAY_ENTRIES, REPLAY_ENTRY, REPLAY_ENTRY_SIZE, SEGMENT, segmentOffset } from "../../isa/state.ts";
import type { ExitView } from "../../kvm/exit.ts";
import {
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_IO,
  KVM_EXIT_IO_IN,
  KVM_EXIT_IO_OUT,
  KVM_EXIT_MMIO,
  KVM_EXIT_X86_RDMSR,
  KVM_EXIT_X86_WRMSR,
  KVM_INTERNAL_ERROR_EMULATION,
} from "../../spec/kvm/exit.ts";
import type { CpuCells } from "./cpu-cells.ts";

/** In the size of an MSR's replay entry: user space wants #GP. */
const MSR_REFUSED = 1;
const CS_BASE = segmentOffset("cs") + SEGMENT.base;

/**
 * The exit that an instruction asked for and that user space has not completed yet. The instruction has changed
 * nothing; it is executed again with what user space answered, which is in the replay log.
 */
export class PendingExit {
  readonly #cells: CpuCells;
  readonly #exit: ExitView;
  /** EXIT kind. */
  #kind: number = EXIT.none;
  /** CS base and rip of the instruction. */
  readonly #place = [0, 0, 0, 0];

  constructor(cells: CpuCells, exit: ExitView) {
    this.#cells = cells;
    this.#exit = exit;
  }

  get waits(): boolean {
    return this.#kind !== EXIT.none;
  }

  /** Fills the page with the exit that CPU.exitReason and so on describe. */
  fill(): void {
    const cells = this.#cells;
    const tooMany = cells.i32(CPU.replayCount) >= REPLAY_ENTRIES;
    const kind = tooMany ? EXIT.fetch : cells.i32(CPU.exitReason);
    this.#kind = kind;
    this.#remember();
    const size = cells.i32(CPU.exitSize);
    const lo = cells.lo(CPU.exitData);
    const hi = cells.hi(CPU.exitData);
    if (kind === EXIT.ioIn || kind === EXIT.ioOut) {
      this.#exit.io.fill(kind === EXIT.ioIn ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT, size, cells.lo(CPU.exitAddress), 1);
      this.#exit.io.setValue(0, lo);
      this.#exit.reason = KVM_EXIT_IO;
    } else if (kind === EXIT.mmioRead || kind === EXIT.mmioWrite) {
      const write = kind === EXIT.mmioWrite;
      this.#exit.mmio.fill(cells.number(CPU.exitAddress), size, write, write ? lo : 0, write ? hi : 0);
      this.#exit.reason = KVM_EXIT_MMIO;
    } else this.#fillRare(kind, lo, hi);
  }

  /** Notes the access that user space completed. False: it is dropped, since the vCPU was sent elsewhere meanwhile. */
  answer(): boolean {
    const same = this.#isThere();
    if (same) this.#record();
    else this.forget();
    this.#kind = EXIT.none;
    this.#cells.setI32(CPU.replayCursor, 0);
    return same;
  }

  /** The instruction is through. */
  forget(): void {
    this.#cells.setI32(CPU.replayCount, 0);
  }

  #fillRare(kind: number, lo: number, hi: number): void {
    if (kind === EXIT.msrRead || kind === EXIT.msrWrite) {
      const reason = this.#cells.i32(CPU.msrReason);
      this.#exit.msr.fill(this.#cells.lo(CPU.exitAddress), reason, lo, hi);
      this.#exit.reason = kind === EXIT.msrRead ? KVM_EXIT_X86_RDMSR : KVM_EXIT_X86_WRMSR;
      return;
    }
    // code outside memory cannot be fetched, and no emulation makes so many accesses: KVM's cannot either
    this.#kind = EXIT.none;
    this.forget();
    this.#exit.fillEmulationFailure(KVM_INTERNAL_ERROR_EMULATION, 0, new Uint8Array(0));
    this.#exit.reason = KVM_EXIT_INTERNAL_ERROR;
  }

  #remember(): void {
    for (let n = 0; n < 4; n++) this.#place[n] = this.#placeWord(n);
  }

  #isThere(): boolean {
    for (let n = 0; n < 4; n++) if (this.#place[n] !== this.#placeWord(n)) return false;
    return true;
  }

  #placeWord(n: number): number {
    return this.#cells.i32(n < 2 ? CPU.rip + 4 * n : CS_BASE + 4 * (n - 2));
  }

  #record(): void {
    const cells = this.#cells;
    const count = cells.i32(CPU.replayCount);
    const entry = CPU.replay + count * REPLAY_ENTRY_SIZE;
    cells.setI32(entry + REPLAY_ENTRY.kind, this.#kind);
    cells.setI32(entry + REPLAY_ENTRY.size, this.#isRefused() ? MSR_REFUSED : cells.i32(CPU.exitSize));
    cells.setWide(entry + REPLAY_ENTRY.address, cells.lo(CPU.exitAddress), cells.hi(CPU.exitAddress));
    this.#recordAnswer(entry + REPLAY_ENTRY.data);
    cells.setI32(CPU.replayCount, count + 1);
  }

  #isRefused(): boolean {
    return (this.#kind === EXIT.msrRead || this.#kind === EXIT.msrWrite) && this.#exit.msr.error;
  }

  #recordAnswer(at: number): void {
    const { io, mmio, msr } = this.#exit;
    if (this.#kind === EXIT.ioIn) this.#cells.setWide(at, io.value(0), 0);
    else if (this.#kind === EXIT.mmioRead) this.#cells.setWide(at, mmio.lo, mmio.hi);
    else if (this.#kind === EXIT.msrRead) this.#cells.setWide(at, msr.lo, msr.hi);
    else this.#cells.setWide(at, 0, 0);
  }
}
