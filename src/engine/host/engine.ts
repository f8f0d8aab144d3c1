import { create } from "../../base/struct-layout.ts";
import type { CreateVmOptions, Engine } from "../../kvm/engine.ts";
import {
  KVM_CHECK_EXTENSION,
  KVM_CREATE_VM,
  KVM_GET_API_VERSION,
  KVM_GET_MSR_FEATURE_INDEX_LIST,
  KVM_GET_MSR_INDEX_LIST,
  KVM_GET_MSRS,
  KVM_GET_SUPPORTED_CPUID,
  KVM_GET_VCPU_MMAP_SIZE,
} from "../../spec/kvm/ioctl.ts";
import { type KvmCpuid2, type KvmMsrs, kvm_cpuid2, kvm_msr_list } from "../../spec/kvm/vcpu-struct.ts";
import { O_CLOEXEC, O_RDWR } from "../../spec/linux.ts";
import { growing, trimmed } from "./cpuid-record.ts";
import { HostEventFd } from "./event-fd.ts";
import { type Ffi, loadFfi } from "./ffi.ts";
import { checked, KvmFd } from "./kvm-fd.ts";
import { HostVm } from "./vm.ts";

const DEFAULT_MAX_MEMORY = 0x4000_0000;

/** The host's own KVM. Throws KvmError if /dev/kvm cannot be opened, UserError if the kernel cannot be called at all. */
export class HostEngine implements Engine {
  readonly name = "host";
  readonly #ffi: Ffi;
  readonly #kvm: KvmFd;

  constructor(path = "/dev/kvm") {
    this.#ffi = loadFfi();
    this.#kvm = new KvmFd(this.#ffi, checked(`open ${path}`, this.#ffi.open(path, O_RDWR | O_CLOEXEC)));
  }

  getApiVersion(): number {
    return this.#kvm.value("KVM_GET_API_VERSION", KVM_GET_API_VERSION);
  }

  checkExtension(cap: number): number {
    return this.#kvm.value("KVM_CHECK_EXTENSION", KVM_CHECK_EXTENSION, cap);
  }

  getVcpuMmapSize(): number {
    return this.#kvm.value("KVM_GET_VCPU_MMAP_SIZE", KVM_GET_VCPU_MMAP_SIZE);
  }

  getSupportedCpuid(): KvmCpuid2 {
    const ask = (nent: number) => {
      const cpuid = create(kvm_cpuid2, { nent }, nent);
      this.#kvm.call("KVM_GET_SUPPORTED_CPUID", KVM_GET_SUPPORTED_CPUID, cpuid.bytes);
      return cpuid;
    };
    return trimmed(growing(ask));
  }

  getMsrIndexList(): Uint32Array {
    return this.#indexList("KVM_GET_MSR_INDEX_LIST", KVM_GET_MSR_INDEX_LIST);
  }

  getMsrFeatureIndexList(): Uint32Array {
    return this.#indexList("KVM_GET_MSR_FEATURE_INDEX_LIST", KVM_GET_MSR_FEATURE_INDEX_LIST);
  }

  getMsrs(msrs: KvmMsrs): number {
    return this.#kvm.call("KVM_GET_MSRS", KVM_GET_MSRS, msrs.bytes);
  }

  createEventFd(): HostEventFd {
    return new HostEventFd(this.#ffi);
  }

  createVm(options: CreateVmOptions = {}): HostVm {
    const fd = this.#kvm.value("KVM_CREATE_VM", KVM_CREATE_VM, options.type ?? 0);
    const vm = new KvmFd(this.#ffi, fd);
    try {
      return new HostVm(vm, this.getVcpuMmapSize(), options.maxMemory ?? DEFAULT_MAX_MEMORY);
    } catch (error) {
      vm.close();
      throw error;
    }
  }

  #indexList(name: string, request: number): Uint32Array {
    const ask = (nmsrs: number) => {
      const list = create(kvm_msr_list, { nmsrs }, nmsrs);
      this.#kvm.call(name, request, list.bytes);
      return list;
    };
    const list = growing(ask);
    return Uint32Array.from({ length: list.nmsrs }, (_, n) => list.indices.get(n));
  }

  /** Closes /dev/kvm; VMs that were made live on. */
  close(): void {
    this.#kvm.close();
  }
}
