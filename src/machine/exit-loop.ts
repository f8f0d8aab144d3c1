import { describeExit, ExitView } from "../kvm/exit.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { EAGAIN } from "../spec/kvm/errno.ts";
import {
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_HLT,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_SHUTDOWN,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_SHUTDOWN,
} from "../spec/kvm/exit.ts";
import { answerAccess } from "./access.ts";
import type { Board } from "./board.ts";
import { dumpCpu } from "./cpu-dump.ts";
import type { Outcome } from "./outcome.ts";
import type { SecondaryVcpus } from "./secondary-vcpus.ts";

/**
 * Runs vCPU 0 against the board: enters the guest, answers its port and memory accesses, and comes back when the machine
 * is to do something else. It runs in the thread that owns the board.
 */
export class ExitLoop {
  private readonly vcpu: Vcpu;
  private readonly board: Board;
  private readonly memory: GuestMemory;
  private readonly exit: ExitView;
  private readonly others: SecondaryVcpus;

  /** `others` run in threads of their own, and kick this vCPU when they want something of the board. */
  constructor(vcpu: Vcpu, others: SecondaryVcpus, board: Board, memory: GuestMemory) {
    this.vcpu = vcpu;
    this.others = others;
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
        return this.serveOthers();
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

  /** Answers the accesses of the other vCPUs. */
  private serveOthers(): Outcome | undefined {
    const failed = this.others.serve(this.board);
    return failed === undefined ? this.board.end : this.failure(failed);
  }

  private dispatch(): Outcome | undefined {
    return answerAccess(this.board, this.exit) ? undefined : this.rareExit();
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
}
