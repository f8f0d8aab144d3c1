import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { CreateVmOptions, Engine } from "../../kvm/engine.ts";
import { KvmError } from "../../kvm/errno.ts";
import { SharedEventFd } from "../../kvm/eventfd.ts";
import { EINVAL, ENOMEM } from "../../spec/kvm/errno.ts";
import { FEATURE_MSRS, MSR_RULES } from "../../spec/kvm/msr.ts";
import { KVM_VCPU_MMAP_SIZE } from "../../spec/kvm/run-struct.ts";
import type { KvmCpuid2, KvmMsrs } from "../../spec/kvm/vcpu-struct.ts";
import { AttachedVm } from "./attached-vm.ts";
import { capability } from "./capabilities.ts";
import { supportedCpuid } from "./cpuid.ts";
import type { WasmModules } from "./library.ts";
import { STATE_MSR_INDICES } from "./msr-access.ts";
import { Msrs } from "./msrs.ts";
import type { JitOptions } from "./vcpu-host.ts";
import { type SharedVm, WasmVm } from "./vm.ts";

const KVM_API_VERSION = 12;
const DEFAULT_MAX_MEMORY = 0x4000_0000;

/** The software engine: x86-64 executed in WebAssembly, without privileges. */
export class WasmEngine implements Engine {
  readonly name = "wasm";
  readonly #modules: WasmModules;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #jit: JitOptions | undefined;

  /** `jit`: hot code is compiled; without it everything is interpreted. */
  constructor(modules: WasmModules, clock: Clock, random: Random, jit?: JitOptions) {
    this.#modules = modules;
    this.#clock = clock;
    this.#random = random;
    this.#jit = jit;
  }

  getApiVersion(): number {
    return KVM_API_VERSION;
  }

  checkExtension(cap: number): number {
    return capability(cap);
  }

  getVcpuMmapSize(): number {
    return KVM_VCPU_MMAP_SIZE;
  }

  getSupportedCpuid(): KvmCpuid2 {
    return supportedCpuid();
  }

  getMsrIndexList(): Uint32Array {
    return Uint32Array.from([...STATE_MSR_INDICES, ...Msrs.indices()]);
  }

  getMsrFeatureIndexList(): Uint32Array {
    return Uint32Array.from(FEATURE_MSRS);
  }

  getMsrs(msrs: KvmMsrs): number {
    for (let n = 0; n < msrs.nmsrs; n++) {
      const entry = msrs.entries[n]!;
      const rule = FEATURE_MSRS.includes(entry.index) && MSR_RULES.find(({ index }) => index === entry.index);
      if (!rule) return n;
      entry.data_lo = rule.lo ?? 0;
      entry.data_hi = rule.hi ?? 0;
    }
    return msrs.nmsrs;
  }

  /** A VM of another thread, in this one, which is to run one of its vCPUs. The engine's clock is to be that thread's. */
  attachVm(shared: SharedVm): AttachedVm {
    return new AttachedVm(this.#modules, this.#clock, this.#random, shared);
  }

  createEventFd(): SharedEventFd {
    return new SharedEventFd();
  }

  createVm(options: CreateVmOptions = {}): WasmVm {
    if (options.type) throw new KvmError("KVM_CREATE_VM", EINVAL, `type ${options.type}`);
    try {
      return new WasmVm(this.#modules, this.#clock, this.#random, options.maxMemory ?? DEFAULT_MAX_MEMORY, this.#jit);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new KvmError("KVM_CREATE_VM", ENOMEM, error.message);
    }
  }
}
