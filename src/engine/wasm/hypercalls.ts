import { create } from "../../base/struct-layout.ts";
import type { ApicBus } from "../../irqchip/apic-bus.ts";
import { APIC_EVENT, APIC_WORD } from "../../irqchip/apic-page.ts";
import { CPU, GPR, MODE } from "../../isa/state.ts";
import type { VmClock } from "../../kvm/clock.ts";
import type { GuestMemory } from "../../memory/guest-memory.ts";
import { KVM_CLOCK_PAIRING_WALLCLOCK, KVM_HC, KVM_HC_ERROR, kvm_clock_pairing } from "../../spec/kvm/paravirt.ts";
import { ICR } from "../../spec/lapic.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { TimeStampCounter } from "./time-stamp-counter.ts";

const TWO_32 = 0x1_0000_0000;

export interface HypercallParts {
  readonly cells: CpuCells;
  readonly memory: GuestMemory;
  readonly clock: VmClock;
  readonly tsc: TimeStampCounter;
  /** Absent without an irqchip in the engine. */
  bus(): ApicBus | undefined;
}

/** KVM's hypercalls: the number in RAX, arguments in RBX, RCX, RDX, RSI. [Documentation/virt/kvm/x86/hypercalls.rst] */
export class Hypercalls {
  readonly #parts: HypercallParts;

  constructor(parts: HypercallParts) {
    this.#parts = parts;
  }

  /** Makes the call that the registers describe; returns what RAX shall be, signed. */
  call(): number {
    switch (this.#low(GPR.rax)) {
      case KVM_HC.VAPIC_POLL_IRQ:
        return 0;
      case KVM_HC.KICK_CPU:
        return this.#kick(this.#low(GPR.rcx));
      case KVM_HC.CLOCK_PAIRING:
        return this.#pairClocks();
      case KVM_HC.SEND_IPI:
        return this.#sendIpi();
      default:
        return -KVM_HC_ERROR.ENOSYS;
    }
  }

  #low(register: number): number {
    return this.#parts.cells.lo(CPU.gpr + 8 * register);
  }

  get #long(): boolean {
    return (this.#parts.cells.i32(CPU.mode) & MODE.sizeMask) === MODE.code64;
  }

  /** Wakes a vCPU from HLT without an interrupt. */
  #kick(apicId: number): number {
    const bus = this.#parts.bus();
    const vcpu = bus?.pages.findIndex((page) => page[APIC_WORD.X2APIC_ID] === apicId) ?? -1;
    if (vcpu >= 0) bus!.post(vcpu, APIC_EVENT.UNHALT);
    return 0;
  }

  /** Wall-clock time and TSC of one moment. */
  #pairClocks(): number {
    const { memory, clock, tsc, cells } = this.#parts;
    if (this.#low(GPR.rcx) !== KVM_CLOCK_PAIRING_WALLCLOCK) return -KVM_HC_ERROR.EOPNOTSUPP;
    const gpa = this.#low(GPR.rbx) + (this.#long ? cells.hi(CPU.gpr + 8 * GPR.rbx) * TWO_32 : 0);
    const pairing = create(kvm_clock_pairing);
    const ms = clock.host.wallClock();
    pairing.sec_num = Math.floor(ms / 1000);
    pairing.nsec_num = Math.floor((ms % 1000) * 1e6);
    pairing.tsc_num = tsc.read();
    if (!memory.contains(gpa, pairing.bytes.length)) return -KVM_HC_ERROR.EFAULT;
    memory.write(gpa, pairing.bytes);
    return 0;
  }

  /** An IPI to the APIC IDs of a bitmap that starts at RDX; returns how many took it. */
  #sendIpi(): number {
    const bus = this.#parts.bus();
    const { cells } = this.#parts;
    const icr = this.#low(GPR.rsi);
    if (!bus || icr & (ICR.LOGICAL | (ICR.SHORTHAND << ICR.SHORTHAND_SHIFT))) return -KVM_HC_ERROR.EINVAL;
    const words = this.#long ? 2 : 1;
    let count = 0;
    for (let word = 0; word < 2 * words; word++) {
      const at = CPU.gpr + 8 * (word < words ? GPR.rbx : GPR.rcx) + 4 * (word % words);
      count += sendToBits(bus, this.#low(GPR.rdx) + 32 * word, cells.i32(at), icr);
    }
    return count;
  }
}

/** Sends to the APIC IDs from `first` on whose bits are set; returns how many took it. */
function sendToBits(bus: ApicBus, first: number, bits: number, icr: number): number {
  const mode = (icr >> ICR.DELIVERY_MODE_SHIFT) & ICR.DELIVERY_MODE;
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) {
    const id = first + 31 - Math.clz32(left & -left);
    if (bus.send(id, false, mode, icr & ICR.VECTOR, false, true) > 0) count++;
  }
  return count;
}
