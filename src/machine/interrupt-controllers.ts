import { UserError } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { create } from "../base/struct-layout.ts";
import type { InterruptLine } from "../bus/interrupt-line.ts";
import type { Engine, Vm } from "../kvm/engine.ts";
import type { ExitView } from "../kvm/exit.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import {
  KVM_CAP_IRQ_ROUTING,
  KVM_CAP_IRQCHIP,
  KVM_CAP_PIT2,
  KVM_CAP_SIGNAL_MSI,
  KVM_CAP_SPLIT_IRQCHIP,
} from "../spec/kvm/capability.ts";
import { KVM_PIT_SPEAKER_DUMMY, kvm_pit_config } from "../spec/kvm/vm-struct.ts";
import type { Board } from "./board.ts";
import { GsiLine } from "./gsi-line.ts";
import { boardRouting } from "./irq-routing.ts";
import { SplitIrqchip } from "./split-irqchip.ts";
import { captureIrqchip, restoreIrqchip } from "./vcpu-state.ts";

/** PIC, I/O APIC and interval timer of a machine, wherever they are. */
export interface InterruptControllers {
  /** The wire of an interrupt that both controllers have. */
  line(irq: number): InterruptLine;
  /** Puts those that are not the engine's on the board's buses. */
  attach(board: Board): void;
  /** Before vCPU 0 enters the guest: gives it the PIC's interrupt, if that is to come from outside. */
  offer(vcpu: Vcpu, exit: ExitView): void;
  /** Takes their state; the function returned puts it back. */
  capture(): () => void;
}

/** Where a machine's interrupt controllers are: all in the engine, or there only the local APICs. */
export type IrqchipKind = "engine" | "split";

const NEEDED: { readonly [kind in IrqchipKind]: readonly number[] } = {
  engine: [KVM_CAP_IRQCHIP, KVM_CAP_IRQ_ROUTING, KVM_CAP_PIT2],
  split: [KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_IRQ_ROUTING, KVM_CAP_SIGNAL_MSI],
};

/** The kind that an engine has: all of them in it if it can, or what is asked for. Throws UserError if it has none. */
export function irqchipKind(engine: Engine, wanted?: IrqchipKind): IrqchipKind {
  const kinds = wanted ? [wanted] : (["engine", "split"] as const);
  const found = kinds.find((kind) => NEEDED[kind].every((cap) => engine.checkExtension(cap) > 0));
  if (found) return found;
  const what = wanted === "split" ? "local APICs alone" : "interrupt controllers and timer of its own";
  throw new UserError(`the engine "${engine.name}" has no ${what}`, "Choose another engine.");
}

/** Makes them for a VM that has no vCPU yet. */
export function createControllers(vm: Vm, kind: IrqchipKind, clock: Clock): InterruptControllers {
  return kind === "split" ? new SplitIrqchip(vm, clock) : new EngineIrqchip(vm);
}

/** All in the engine. */
class EngineIrqchip implements InterruptControllers {
  private readonly vm: Vm;

  constructor(vm: Vm) {
    this.vm = vm;
    vm.createIrqchip();
    vm.createPit2(create(kvm_pit_config, { flags: KVM_PIT_SPEAKER_DUMMY }));
    vm.setGsiRouting(boardRouting());
  }

  line(irq: number): InterruptLine {
    return new GsiLine(this.vm, irq);
  }

  attach(): void {}

  offer(): void {}

  capture(): () => void {
    const state = captureIrqchip(this.vm);
    return () => restoreIrqchip(this.vm, state);
  }
}
