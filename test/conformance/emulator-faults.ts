import type { Result, SmallMode } from "./differential.ts";

/**
 * What the emulator of a host's kernel does differently from the manual; each was settled by the manual's text, and by
 * processors where programs may execute the instruction. Nothing of it is compared on a machine whose kernel emulates guests.
 */
interface EmulatorFault {
  readonly mnemonic: RegExp;
  readonly modes: readonly SmallMode[];
  readonly why: string;
}

const FAULTS: readonly EmulatorFault[] = [
  {
    mnemonic: /^NOP$/,
    modes: ["real", "protected"],
    why: "NOPs of 0F 19 to 0F 1E are read without their ModRM byte [SDM 2B NOP]",
  },
  {
    mnemonic: /^AA[MD]$/,
    modes: ["real", "protected"],
    why: "the flags of AAM and AAD are those of AX instead of AL [SDM 2A AAM, AAD]",
  },
];

/** Why results of a guest with these instructions are not compared; undefined if they are. */
export function faultOfEmulator(mnemonics: readonly string[], mode: SmallMode): string | undefined {
  const fault = FAULTS.find(
    ({ mnemonic, modes }) => modes.includes(mode) && mnemonics.some((name) => mnemonic.test(name)),
  );
  return fault?.why;
}

/** Why a guest with these instructions may come to something else if it reads or writes a device. */
export function faultOfDevice(mnemonics: readonly string[], emulator: Result): string | undefined {
  const reads = emulator.exits.some((seen) => "read" in seen);
  if (mnemonics.some((name) => /^PUSHA/.test(name)) && emulator.exits.some((seen) => "write" in seen))
    return "of what PUSHA writes to a device only the last element comes out [SDM 2B PUSHA]";
  if (reads && mnemonics.some((name) => /^L[DEFGS]S$/.test(name)))
    return "a far pointer in a device is read by one access of 4 or 6 bytes; no processor has accesses of 6 [SDM 3A 9.1.1]";
  if (reads && mnemonics.some((name) => /^POPA/.test(name)))
    return "POPA begins anew after each element that a device gives, and counts ESP on from where it was [SDM 2B POPA]";
  return undefined;
}

const RSP = 6;
const SHUTDOWN = JSON.stringify({ exit: "KVM_EXIT_SHUTDOWN" });

/** Why two results may differ as they do, if it lies in how the emulator delivers an exception. */
export function faultOfDelivery(processor: Result, emulator: Result, mode: SmallMode): string | undefined {
  const [sp, truncated] = [processor.registers[RSP]!, emulator.registers[RSP]!];
  if (mode === "real" && sp !== truncated && (sp & 0xffffn) === truncated)
    return "an exception in real mode clears the upper half of ESP [SDM 3A 21.1.4: SP is what changes]";
  if (mode === "real" && sp % 2n === 1n && (sp & 0xffffn) < 6n && JSON.stringify(processor.exits.at(-1)) === SHUTDOWN)
    return "an exception in real mode finds no room at SP 1, 3 or 5, and the stack wraps around [SDM 3A 21.1.4, SDM 2B PUSH]";
  if (JSON.stringify(emulator.exits.at(-1)) === SHUTDOWN)
    return "an exception whose frame lies outside memory shuts down, instead of writing it there";
  return undefined;
}
