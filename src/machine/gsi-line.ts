import type { InterruptLine } from "../bus/interrupt-line.ts";
import type { Vm } from "../kvm/engine.ts";

/** A wire to input `gsi` of a VM's interrupt controllers. Only changes of level reach the engine. */
export class GsiLine implements InterruptLine {
  private readonly vm: Vm;
  private readonly gsi: number;
  private level = false;

  constructor(vm: Vm, gsi: number) {
    this.vm = vm;
    this.gsi = gsi;
  }

  set(level: boolean): void {
    if (level === this.level) return;
    this.level = level;
    this.vm.irqLine(this.gsi, level ? 1 : 0);
  }
}
