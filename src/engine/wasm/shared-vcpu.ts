import { CPU } from "../../isa/state.ts";
import { VCPU_WORD } from "./vm-plan.ts";

/** A vCPU as other threads reach it: words in shared memory, which can be posted. */
export interface SharedVcpu {
  /** One word: bit 0 asks the vCPU to come out. */
  readonly kick: Int32Array;
  /** Two words, the low one first: instructions retired up to the last look around. */
  readonly retired: Int32Array;
}

/** The parts of a vCPU whose state is at `base` and whose words are these. */
export function sharedVcpu(buffer: ArrayBuffer | SharedArrayBuffer, base: number, words: Int32Array): SharedVcpu {
  return {
    kick: words.subarray(VCPU_WORD.KICK, VCPU_WORD.KICK + 1),
    retired: new Int32Array(buffer, base + CPU.retired, 2),
  };
}

/** `Vcpu.kick` from another thread: ends the vCPU's sleep; one that runs sees it after its slice of instructions. */
export function kickVcpu(vcpu: SharedVcpu): void {
  Atomics.or(vcpu.kick, 0, 1);
  Atomics.notify(vcpu.kick, 0);
}

/** Instructions retired so far. */
export function retiredInstructions(vcpu: SharedVcpu): number {
  return (vcpu.retired[1]! >>> 0) * 0x1_0000_0000 + (vcpu.retired[0]! >>> 0);
}
