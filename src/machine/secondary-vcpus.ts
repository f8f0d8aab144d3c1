import { create } from "../base/struct-layout.ts";
import type { Engine, Vm } from "../kvm/engine.ts";
import { describeExit, ExitView } from "../kvm/exit.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import { EAGAIN } from "../spec/kvm/errno.ts";
import { type KvmCpuid2, kvm_cpuid2 } from "../spec/kvm/vcpu-struct.ts";
import { answerAccess } from "./access.ts";
import type { Board } from "./board.ts";
import { hasFeature } from "./cpuid.ts";
import { enableCaching } from "./initial-vcpu.ts";
import { captureVcpu, restoreVcpu, type VcpuState } from "./vcpu-state.ts";

/** Words between a vCPU's thread and the machine's. */
const WORD = { STATE: 0, RESET: 1, count: 2 } as const;
/** WORD.STATE: `exit` waits for the machine, `going` is what it answers. */
const STATE = { starting: 0, going: 1, exit: 2, failed: 3 } as const;

/** How long one wait is, in ms, and how many a thread is given to start. */
const PATIENCE_MS = 10;
const MOST_WAITS = 3000;

/** What the thread of a vCPU is given; it can be posted. */
export interface SecondarySetup {
  readonly id: number;
  /** A kvm_cpuid2. */
  readonly cpuid: Uint8Array;
  readonly cpuidEntries: number;
  readonly words: Int32Array;
}

/** A vCPU in a thread of its own, as the machine's thread reaches it. */
export interface SecondaryVcpu {
  /** Shared between the threads. */
  readonly kvmRun: Uint8Array;
  /** As Vcpu's. */
  kick(): void;
}

/** Starts threads that call `runSecondary`; the vCPUs are those of `vm`. */
export type StartSecondaries = (vm: Vm, setups: readonly SecondarySetup[]) => readonly SecondaryVcpu[];

/** What a thread is given for a vCPU whose CPUID this is. */
export function secondarySetup(id: number, cpuid: KvmCpuid2): SecondarySetup {
  const words = new Int32Array(new SharedArrayBuffer(4 * WORD.count));
  return { id, cpuid: cpuid.bytes.slice(), cpuidEntries: cpuid.nent, words };
}

/** The vCPUs after the first: each runs in its thread, and the board serves them in the machine's. */
export class SecondaryVcpus {
  private readonly vcpus: readonly SecondaryVcpu[];
  private readonly words: readonly Int32Array[];
  private readonly exits: readonly ExitView[];
  /** Accesses that were answered so far. */
  answered = 0;

  constructor(vcpus: readonly SecondaryVcpu[], setups: readonly SecondarySetup[]) {
    this.vcpus = vcpus;
    this.words = setups.map(({ words }) => words);
    this.exits = vcpus.map(({ kvmRun }) => new ExitView(kvmRun));
  }

  /** Waits until all are there to be started by the guest. */
  awaitStart(): void {
    this.awaitAll(
      (words) => Atomics.load(words, WORD.STATE) !== STATE.starting,
      () => {},
    );
  }

  /** Answers the accesses that wait. Returns what is wrong if one cannot go on. */
  serve(board: Board): string | undefined {
    for (let n = 0; n < this.words.length; n++) {
      const words = this.words[n]!;
      const state = Atomics.load(words, WORD.STATE);
      if (state === STATE.failed) return `the thread of processor ${n + 1} failed`;
      if (state !== STATE.exit) continue;
      const exit = this.exits[n]!;
      if (!answerAccess(board, exit)) return `processor ${n + 1} came out with ${describeExit(exit)}`;
      this.answered++;
      Atomics.store(words, WORD.STATE, STATE.going);
      Atomics.notify(words, WORD.STATE);
    }
    return undefined;
  }

  /** Puts all in the state after power-up; `meanwhile` is called again and again. */
  reset(meanwhile: () => void): void {
    for (const [n, words] of this.words.entries()) {
      Atomics.store(words, WORD.RESET, 1);
      Atomics.notify(words, WORD.STATE);
      this.vcpus[n]!.kick();
    }
    this.awaitAll((words) => Atomics.load(words, WORD.RESET) === 0, meanwhile);
  }

  private awaitAll(done: (words: Int32Array) => boolean, meanwhile: () => void): void {
    for (const [n, words] of this.words.entries())
      for (let waits = 0; !done(words); waits++) {
        if (waits > MOST_WAITS) throw new Error(`the thread of processor ${n + 1} does not answer`);
        meanwhile();
        Atomics.wait(words, WORD.STATE, Atomics.load(words, WORD.STATE), PATIENCE_MS);
      }
  }
}

/** The whole life of a vCPU's thread, which somebody else ends. `kickMachine` kicks vCPU 0. */
export function runSecondary(engine: Engine, vcpu: Vcpu, setup: SecondarySetup, kickMachine: () => void): never {
  const { words } = setup;
  const powerOn = prepare(engine, vcpu, setup);
  Atomics.store(words, WORD.STATE, STATE.going);
  Atomics.notify(words, WORD.STATE);
  for (;;) {
    const errno = vcpu.run();
    if (errno === 0) awaitAnswer(words, kickMachine);
    else if (errno !== EAGAIN && Atomics.load(words, WORD.RESET) !== 0) restart(vcpu, powerOn, words);
  }
}

/** Tells the machine that the thread of a vCPU is about to end. */
export function secondaryFailed({ words }: SecondarySetup, kickMachine: () => void): void {
  Atomics.store(words, WORD.STATE, STATE.failed);
  Atomics.notify(words, WORD.STATE);
  kickMachine();
}

function prepare(engine: Engine, vcpu: Vcpu, { cpuid, cpuidEntries }: SecondarySetup): VcpuState {
  const record = create(kvm_cpuid2, undefined, cpuidEntries);
  record.bytes.set(cpuid);
  vcpu.setCpuid2(record);
  if (hasFeature(record, "mtrr")) enableCaching(vcpu);
  return captureVcpu(engine, vcpu);
}

/** A reset takes the answer's place: what the exit asked for is dropped with the state it was for. */
function awaitAnswer(words: Int32Array, kickMachine: () => void): void {
  Atomics.store(words, WORD.STATE, STATE.exit);
  kickMachine();
  while (Atomics.load(words, WORD.STATE) === STATE.exit && Atomics.load(words, WORD.RESET) === 0)
    Atomics.wait(words, WORD.STATE, STATE.exit, PATIENCE_MS);
}

function restart(vcpu: Vcpu, powerOn: VcpuState, words: Int32Array): void {
  restoreVcpu(vcpu, powerOn);
  Atomics.store(words, WORD.STATE, STATE.going);
  Atomics.store(words, WORD.RESET, 0);
  Atomics.notify(words, WORD.STATE);
}
