import { EBUSY, EINVAL } from "../spec/kvm/errno.ts";
import { KVM_IRQFD_FLAG_DEASSIGN, KVM_IRQFD_FLAG_RESAMPLE, type KvmIrqfd } from "../spec/kvm/vm-struct.ts";
import type { SharedEventFd } from "./eventfd.ts";
import { MAX_IRQ_ROUTES } from "./irq-routing.ts";

interface Binding {
  readonly event: SharedEventFd;
  readonly gsi: number;
  /** Level-triggered: signalled at the guest's EOI, when the line is lowered. */
  readonly resample: SharedEventFd | undefined;
  readonly stopListening: () => void;
}

/** What irqfds drive. */
export interface IrqfdLines {
  /** An edge: the line goes up and down. */
  pulse(gsi: number): void;
  /** The level of the resampling irqfds' own input to the line. */
  setResampled(gsi: number, level: number): void;
}

/** The EventFds whose signals raise interrupts: KVM_IRQFD's rules. */
export class IrqfdTable {
  readonly #lines: IrqfdLines;
  readonly #bindings: Binding[] = [];

  constructor(lines: IrqfdLines) {
    this.#lines = lines;
  }

  /** Binds or (KVM_IRQFD_FLAG_DEASSIGN) unbinds. Returns 0, EINVAL or EBUSY (the event is bound). */
  set(args: KvmIrqfd, event: SharedEventFd, resample: SharedEventFd | undefined): number {
    const { flags, gsi } = args;
    if (flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE) || gsi >= MAX_IRQ_ROUTES) return EINVAL;
    if (flags & KVM_IRQFD_FLAG_DEASSIGN) return this.#remove(event, gsi);
    if (((flags & KVM_IRQFD_FLAG_RESAMPLE) !== 0) !== (resample !== undefined)) return EINVAL;
    if (this.#bindings.some((binding) => binding.event === event)) return EBUSY;
    this.#bindings.push({ event, gsi, resample, stopListening: event.listen(() => this.poll()) });
    this.poll();
    return 0;
  }

  /** Delivers what was signalled; signals of this thread come by themselves, for those of others the engine calls it. */
  poll(): void {
    for (let index = 0; index < this.#bindings.length; index++) {
      const binding = this.#bindings[index]!;
      if (binding.event.pending === 0 || binding.event.take() === 0) continue;
      if (binding.resample) this.#lines.setResampled(binding.gsi, 1);
      else this.#lines.pulse(binding.gsi);
    }
  }

  /** The guest ended the service of an interrupt that came by `gsi`: the line is lowered before any listener runs. */
  acked(gsi: number): void {
    if (!this.#resamples(gsi)) return;
    this.#lines.setResampled(gsi, 0);
    for (let index = 0; index < this.#bindings.length; index++) {
      const binding = this.#bindings[index]!;
      if (binding.gsi === gsi) binding.resample?.signal();
    }
  }

  /** Forgets all. */
  clear(): void {
    for (const binding of this.#bindings.splice(0)) binding.stopListening();
  }

  #remove(event: SharedEventFd, gsi: number): number {
    const index = this.#bindings.findIndex((binding) => binding.event === event && binding.gsi === gsi);
    if (index < 0) return 0;
    const [binding] = this.#bindings.splice(index, 1);
    binding!.stopListening();
    if (binding!.resample && !this.#resamples(gsi)) this.#lines.setResampled(gsi, 0);
    return 0;
  }

  #resamples(gsi: number): boolean {
    for (let index = 0; index < this.#bindings.length; index++) {
      const binding = this.#bindings[index]!;
      if (binding.gsi === gsi && binding.resample) return true;
    }
    return false;
  }
}
