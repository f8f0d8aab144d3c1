import { create } from "../base/struct-layout.ts";
import type { Engine, Vm } from "../kvm/engine.ts";
import { describeExit, ExitView } from "../kvm/exit.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import { type KvmCpuid2, kvm_cpuid2 } from "../spec/kvm/vcpu-struct.ts";
import { answerAccess } from "./access.ts";
import type { Board } from "./board.ts";
import { hasFeature } from "./cpuid.ts";
import { enableCaching } from "./initial-vcpu.ts";
import { captureVcpu, restoreVcpu, type VcpuState } from "./vcpu-state.ts";

/** Words between a vCPU's thread and the machine's. */
const WORD = { STATE: 0, ORDER: 1, count: 2 } as const;
/** WORD.STATE: `exit` waits for the machine, `going` is what it answers; after `ended` the thread touches the vCPU no more. */
const STATE = { starting: 0, going: 1, exit: 2, ended: 3, failed: 4 } as const;
/** WORD.ORDER: what the machine wants, until the thread has done it. */
const ORDER = { none: 0, reset: 1, end: 2 } as const;

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
    this.order(ORDER.reset);
    this.awaitAll((words) => Atomics.load(words, WORD.ORDER) === ORDER.none, meanwhile);
  }

  /** Ends all threads' work, so that the VM can be closed. */
  close(): void {
    this.order(ORDER.end);
    this.awaitAll(
      (words) => Atomics.load(words, WORD.STATE) >= STATE.ended,
      () => {},
    );
  }

  private order(order: number): void {
    for (const [n, words] of this.words.entries()) {
      Atomics.store(words, WORD.ORDER, order);
      Atomics.notify(words, WORD.STATE);
      this.vcpus[n]!.kick();
    }
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

/** Runs a vCPU until the machine is closed. `kickMachine` kicks vCPU 0. */
export function runSecondary(engine: Engine, vcpu: Vcpu, setup: SecondarySetup, kickMachine: () => void): void {
  const { words } = setup;
  const powerOn = prepare(engine, vcpu, setup);
  tell(words, STATE.going);
  for (let order: number = ORDER.none; order !== ORDER.end; order = Atomics.load(words, WORD.ORDER)) {
    if (order === ORDER.reset) restart(vcpu, powerOn, words);
    if (vcpu.run() === 0) awaitAnswer(words, kickMachine);
  }
  tell(words, STATE.ended);
}

/** Tells the machine that the thread of a vCPU is about to end. */
export function secondaryFailed({ words }: SecondarySetup, kickMachine: () => void): void {
  tell(words, STATE.failed);
  kickMachine();
}

function tell(words: Int32Array, state: number): void {
  Atomics.store(words, WORD.STATE, state);
  Atomics.notify(words, WORD.STATE);
}

function prepare(engine: Engine, vcpu: Vcpu, { cpuid, cpuidEntries }: SecondarySetup): VcpuState {
  const record = create(kvm_cpuid2, undefined, cpuidEntries);
  record.bytes.set(cpuid);
  vcpu.setCpuid2(record);
  if (hasFeature(record, "mtrr")) enableCaching(vcpu);
  return captureVcpu(engine, vcpu);
}

/** An order takes the answer's place: what the exit asked for is dropped with the state it was for. */
function awaitAnswer(words: Int32Array, kickMachine: () => void): void {
  Atomics.store(words, WORD.STATE, STATE.exit);
  kickMachine();
  while (Atomics.load(words, WORD.STATE) === STATE.exit && Atomics.load(words, WORD.ORDER) === ORDER.none)
    Atomics.wait(words, WORD.STATE, STATE.exit, PATIENCE_MS);
}

function restart(vcpu: Vcpu, powerOn: VcpuState, words: Int32Array): void {
  abandonAccess(vcpu);
  restoreVcpu(vcpu, powerOn);
  Atomics.store(words, WORD.ORDER, ORDER.none);
  tell(words, STATE.going);
}

/** Lets the engine finish an access that nobody answers, lest it do so in the state after power-up. */
function abandonAccess(vcpu: Vcpu): void {
  const exit = new ExitView(vcpu.kvmRun);
  exit.immediateExit = true;
  while (vcpu.run() === 0);
  exit.immediateExit = false;
}
