import type { AccessSize } from "../bus/register-block.ts";
import { describeExit, ExitView } from "../kvm/exit.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { EAGAIN } from "../spec/kvm/errno.ts";
import {
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_HLT,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_IO,
  KVM_EXIT_IO_OUT,
  KVM_EXIT_MMIO,
  KVM_EXIT_SHUTDOWN,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_SHUTDOWN,
} from "../spec/kvm/exit.ts";
import type { Board } from "./board.ts";
import { dumpCpu } from "./cpu-dump.ts";
import type { Outcome } from "./outcome.ts";

/**
 * Runs one vCPU against the board: enters the guest, answers its port and memory accesses, and comes back when the machine
 * is to do something else. It runs in the thread that owns the board.
 */
export class ExitLoop {
  private readonly vcpu: Vcpu;
  private readonly board: Board;
  private readonly memory: GuestMemory;
  private readonly exit: ExitView;

  constructor(vcpu: Vcpu, board: Board, memory: GuestMemory) {
    this.vcpu = vcpu;
    this.memory = memory;
    this.board = board;
    this.exit = new ExitView(vcpu.kvmRun);
  }

  /**
   * Runs until the guest asks for an end or cannot go on, which is the outcome, or until the vCPU was kicked, which is
   * undefined; the board has been polled then.
   */
  run(): Outcome | undefined {
    const { vcpu, board } = this;
    for (;;) {
      const errno = vcpu.run();
      if (errno === EAGAIN) return this.failure("the vCPU waits for another processor to start it");
      if (errno !== 0) {
        board.poll();
        return undefined;
      }
      const outcome = this.dispatch() ?? board.end;
      if (outcome !== undefined) return outcome;
    }
  }

  /**
   * Completes what the last exit left pending, which may take further accesses, so that the vCPU's state is whole. No
   * guest instruction runs.
   */
  complete(): void {
    this.exit.immediateExit = true;
    while (this.vcpu.run() === 0 && this.dispatch() === undefined);
    this.exit.immediateExit = false;
  }

  private dispatch(): Outcome | undefined {
    switch (this.exit.reason) {
      case KVM_EXIT_IO:
        this.portAccess();
        return undefined;
      case KVM_EXIT_MMIO:
        this.memoryAccess();
        return undefined;
      default:
        return this.rareExit();
    }
  }

  private rareExit(): Outcome | undefined {
    const { exit } = this;
    switch (exit.reason) {
      case KVM_EXIT_SHUTDOWN:
        return { kind: "triple-fault", dump: dumpCpu(this.vcpu, this.memory) };
      case KVM_EXIT_SYSTEM_EVENT:
        return this.systemEvent();
      case KVM_EXIT_HLT:
        return this.failure("the processor halted and nothing can wake it");
      case KVM_EXIT_FAIL_ENTRY:
        return this.failure(`the processor refused to enter the guest, reason 0x${exit.failEntryReason.toString(16)}`);
      case KVM_EXIT_INTERNAL_ERROR:
        return this.failure(
          `the engine cannot execute what the guest asks for, internal error ${exit.internalSuberror}`,
        );
      default:
        return this.failure(`the engine came out with ${describeExit(exit)}, which nothing here answers`);
    }
  }

  private systemEvent(): Outcome {
    const { systemEvent } = this.exit;
    if (systemEvent === KVM_SYSTEM_EVENT_SHUTDOWN) return { kind: "poweroff" };
    if (systemEvent === KVM_SYSTEM_EVENT_RESET) return { kind: "reset" };
    return this.failure(`the guest reported system event ${systemEvent}`);
  }

  private failure(message: string): Outcome {
    return { kind: "error", message, dump: dumpCpu(this.vcpu, this.memory) };
  }

  /** A string instruction comes as `count` items at one port. */
  private portAccess(): void {
    const { io } = this.exit;
    const { ports } = this.board;
    const { port, count } = io;
    const size = io.size as AccessSize;
    if (io.direction === KVM_EXIT_IO_OUT) for (let i = 0; i < count; i++) ports.write(port, size, io.value(i));
    else for (let i = 0; i < count; i++) io.setValue(i, ports.read(port, size));
  }

  /** 1 to 8 bytes, in pieces of 4, 2 and 1 from the low end on; no piece spans the two halves. */
  private memoryAccess(): void {
    const { mmio } = this.exit;
    const { physAddr, length, isWrite } = mmio;
    const { lo, hi } = mmio;
    let readLo = 0;
    let readHi = 0;
    for (let offset = 0, size: AccessSize; offset < length; offset += size) {
      size = pieceOf(length - offset);
      const shift = (offset & 3) * 8;
      if (isWrite) this.board.mmio.write(physAddr + offset, size, (offset < 4 ? lo : hi) >>> shift);
      else if (offset < 4) readLo |= this.board.mmio.read(physAddr + offset, size) << shift;
      else readHi |= this.board.mmio.read(physAddr + offset, size) << shift;
    }
    if (!isWrite) mmio.setValue(readLo, readHi);
  }
}

function pieceOf(length: number): AccessSize {
  if (length >= 4) return 4;
  return length >= 2 ? 2 : 1;
}
