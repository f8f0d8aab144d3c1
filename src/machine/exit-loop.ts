import type { Timer } from "../bus/timer.ts";
import { describeExit, ExitView } from "../kvm/exit.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { EAGAIN } from "../spec/kvm/errno.ts";
import {
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_HLT,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_IRQ_WINDOW_OPEN,
  KVM_EXIT_SHUTDOWN,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_SHUTDOWN,
} from "../spec/kvm/exit.ts";
import { answerAccess } from "./access.ts";
import type { Board } from "./board.ts";
import { dumpCpu } from "./cpu-dump.ts";
import type { InterruptControllers } from "./interrupt-controllers.ts";
import type { Outcome } from "./outcome.ts";
import type { SecondaryVcpus } from "./secondary-vcpus.ts";

/** How long a poll may wait for other vCPUs to be done with a device. */
const POLL_DELAY_NS = 1e6;

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
  private readonly controllers: InterruptControllers;
  /** Has the vCPU kicked when a poll is due; when that is, in ns. */
  private readonly pollTimer: Timer;
  private pollDue = Number.POSITIVE_INFINITY;

  /** `others` run in threads of their own, and kick this vCPU when they want something of the board. */
  constructor(
    vcpu: Vcpu,
    others: SecondaryVcpus,
    controllers: InterruptControllers,
    board: Board,
    memory: GuestMemory,
  ) {
    this.vcpu = vcpu;
    this.controllers = controllers;
    this.others = others;
    this.memory = memory;
    this.board = board;
    this.exit = new ExitView(vcpu.kvmRun);
    this.pollTimer = board.timers.createTimer(() => {});
  }

  /**
   * Runs until the guest asks for an end or cannot go on, which is the outcome, or until the vCPU was kicked, which is
   * undefined; the board has been polled then.
   */
  run(): Outcome | undefined {
    const { vcpu, board, controllers, exit } = this;
    for (;;) {
      controllers.offer(vcpu, exit);
      const errno = vcpu.run();
      if (errno === EAGAIN) return this.failure("the vCPU waits for another processor to start it");
      if (errno !== 0) return this.afterKick();
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

  /**
   * Answers the accesses of the other vCPUs. Between two of them input is not let in, as between two of vCPU 0's: a driver may
   * be in the midst of setting a device up. The board is polled when nothing else was asked for, and at the latest when that
   * has been due for POLL_DELAY_NS.
   */
  private afterKick(): Outcome | undefined {
    const { board, others } = this;
    const { answered } = others;
    const failed = others.serve(board);
    const now = board.timers.clock.now();
    if (others.answered === answered || now >= this.pollDue) {
      this.pollDue = Number.POSITIVE_INFINITY;
      board.poll();
    } else if (this.pollDue === Number.POSITIVE_INFINITY) {
      this.pollDue = now + POLL_DELAY_NS;
      this.pollTimer.arm(this.pollDue);
    }
    return failed === undefined ? board.end : this.failure(failed);
  }

  private dispatch(): Outcome | undefined {
    return answerAccess(this.board, this.exit) ? undefined : this.rareExit();
  }

  private rareExit(): Outcome | undefined {
    const { exit } = this;
    switch (exit.reason) {
      case KVM_EXIT_SHUTDOWN:
        return { kind: "triple-fault", dump: dumpCpu(this.vcpu, this.memory) };
      case KVM_EXIT_IRQ_WINDOW_OPEN:
        return undefined;
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
