import { PAGE_FLAG } from "../../isa/state.ts";
import { VcpuWords } from "./vcpu-words.ts";
import { MAX_VCPUS, VCPU_REQUEST, VCPU_WORD, VM_WORD, type VmPlan } from "./vm-plan.ts";

const NAP_MS = 1;

/** A vCPU that runs in this thread. */
export interface LocalVcpu {
  readonly id: number;
  /** Forgets what it decoded of a host page. */
  forgetCode(hostPage: number): void;
  /** Forgets all decoded code. */
  forgetAllCode(): void;
  /** Does what others asked for. */
  serveRequests(): void;
}

/** All vCPUs of a VM, as one thread sees them. */
export class VcpuGroup {
  /** By ID, whether they exist or not. */
  readonly vcpus: readonly VcpuWords[];
  readonly #local: LocalVcpu[] = [];
  readonly #vm: Int32Array;
  readonly #pageFlags: Uint8Array;

  constructor(buffer: ArrayBuffer | SharedArrayBuffer, plan: VmPlan, pageFlags: number) {
    this.vcpus = Array.from({ length: MAX_VCPUS }, (_, id) => {
      const { base, words } = plan.vcpu(id);
      return new VcpuWords(buffer, base, words);
    });
    this.#vm = plan.words;
    this.#pageFlags = new Uint8Array(buffer, pageFlags, buffer.byteLength / 0x1000);
  }

  add(vcpu: LocalVcpu): void {
    this.#local.push(vcpu);
  }

  remove(vcpu: LocalVcpu): void {
    this.#local.splice(this.#local.indexOf(vcpu), 1);
  }

  wake(id: number): void {
    this.vcpus[id]!.wake();
  }

  /** Whether some vCPU has decoded code of a host page. */
  hasCode(hostPage: number): boolean {
    return (this.#pageFlags[hostPage]! & PAGE_FLAG.code) !== 0;
  }

  /** Bytes of a host page with code were written: when it returns no vCPU executes what was there before. */
  codeWritten(hostPage: number): void {
    Atomics.and(this.#pageFlags, hostPage, ~PAGE_FLAG.code);
    for (let n = 0; n < this.#local.length; n++) this.#local[n]!.forgetCode(hostPage);
    for (let id = 0; id < MAX_VCPUS; id++) if (this.#isElsewhere(id)) this.vcpus[id]!.codeWritten(hostPage);
    for (let id = 0; id < MAX_VCPUS; id++)
      if (this.#isElsewhere(id)) this.vcpus[id]!.awaitOutside(this.takeWritten, VCPU_REQUEST.CODE);
  }

  /** Forgets code that other threads' vCPUs wrote; between any two instructions, or within one. */
  readonly takeWritten = (): void => {
    for (let n = 0; n < this.#local.length; n++) {
      const vcpu = this.#local[n]!;
      const shared = this.vcpus[vcpu.id]!;
      if (!(Atomics.load(shared.words, VCPU_WORD.REQUESTS) & VCPU_REQUEST.CODE)) continue;
      shared.takeWritten(
        (page) => vcpu.forgetCode(page),
        () => vcpu.forgetAllCode(),
      );
    }
  };

  /** Does something while no vCPU executes, and has all of them serve a request before they go on. */
  stopped(request: number, meanwhile: () => void, action: () => void): void {
    Atomics.store(this.#vm, VM_WORD.HOLD, 1);
    for (const vcpu of this.vcpus) if (vcpu.present) vcpu.request(VCPU_REQUEST.STOP);
    for (let id = 0; id < MAX_VCPUS; id++) if (this.#isElsewhere(id)) this.vcpus[id]!.awaitOutside(meanwhile);
    try {
      action();
      for (const vcpu of this.vcpus) if (vcpu.present) vcpu.request(request);
    } finally {
      Atomics.store(this.#vm, VM_WORD.HOLD, 0);
      Atomics.notify(this.#vm, VM_WORD.HOLD);
    }
    for (const vcpu of this.#local) vcpu.serveRequests();
  }

  /** Waits while vCPUs are stopped. */
  awaitGo(): void {
    while (Atomics.load(this.#vm, VM_WORD.HOLD) !== 0) Atomics.wait(this.#vm, VM_WORD.HOLD, 1, NAP_MS);
  }

  #isElsewhere(id: number): boolean {
    if (!this.vcpus[id]!.present) return false;
    for (let n = 0; n < this.#local.length; n++) if (this.#local[n]!.id === id) return false;
    return true;
  }
}
