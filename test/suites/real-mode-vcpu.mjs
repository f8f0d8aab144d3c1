// A vCPU of the software engine in real-address mode, driven through the KVM API.
import { readFileSync } from "node:fs";
import { ManualClock } from "../../dist/base/clock.js";
import { SeededRandom } from "../../dist/base/random.js";
import { create } from "../../dist/base/struct-layout.js";
import { WasmEngine } from "../../dist/engine/wasm/engine.js";
import { ExitView } from "../../dist/kvm/exit.js";
import { KVM_EXIT_HLT, KVM_EXIT_IO, KVM_EXIT_IO_OUT } from "../../dist/spec/kvm/exit.js";
import { KVM_MP_STATE_RUNNABLE, kvm_mp_state, kvm_regs } from "../../dist/spec/kvm/vcpu-struct.js";
import { kvm_userspace_memory_region } from "../../dist/spec/kvm/vm-struct.js";

/** @typedef {import("./moo.mjs").RegisterName} RegisterName */
/** @typedef {Record<RegisterName, number>} Registers */

const mebibyte = 0x10_0000;
const memorySize = 2 * mebibyte;
const general = /** @type {const} */ (["ax", "bx", "cx", "dx", "sp", "bp", "si", "di"]);
const segments = /** @type {const} */ (["cs", "ss", "ds", "es"]);

const hlt = 0xf4;

/** The instructions of a vector end long before; a loop does not. */
const exitsLimit = 1000;

/** @param {string} path below dist */
const moduleAt = (path) => new WebAssembly.Module(readFileSync(new URL(`../../dist/${path}`, import.meta.url)));

export class RealModeVcpu {
  /** @param {number} addressMask of a bus of 20 bits, on which memory is again at 1 MiB what it is at 0, or of more */
  constructor(addressMask) {
    const modules = { helpers: moduleAt("isa/helpers.wasm"), interpreter: moduleAt("engine/wasm/interpreter.wasm") };
    const engine = new WasmEngine(modules, new ManualClock(), new SeededRandom(1));
    const vm = engine.createVm({ maxMemory: memorySize });
    const userspace_addr = vm.mmap(memorySize);
    const slot = (/** @type {number} */ number, /** @type {number} */ guest_phys_addr, memory_size = memorySize) => {
      const memory = { slot: number, guest_phys_addr, memory_size, userspace_addr };
      vm.setUserMemoryRegion(create(kvm_userspace_memory_region, memory));
    };
    if (addressMask < mebibyte) for (const number of [0, 1]) slot(number, number * mebibyte, mebibyte);
    else slot(0, 0);
    this.memory = vm.memory;
    // whatever goes astray halts
    for (let address = 0; address < memorySize; address++) vm.memory.writeU8(address, hlt);
    this.vcpu = vm.createVcpu(0);
    this.vcpu.setCpuid2(engine.getSupportedCpuid());
    this.exit = new ExitView(this.vcpu.kvmRun);
    this.sregs = this.vcpu.getSregs();
    this.sregs.idt.base_num = 0;
    this.sregs.idt.limit = 0x3ff;
  }

  /** @param {Registers} registers */
  set(registers) {
    for (const name of segments) {
      this.sregs[name].selector = registers[name];
      this.sregs[name].base_num = registers[name] * 16;
    }
    this.vcpu.setSregs(this.sregs);
    const regs = create(kvm_regs);
    for (const name of general) regs[`r${name}_num`] = registers[name];
    regs.rip_num = registers.ip;
    regs.rflags_num = registers.flags | 2;
    this.vcpu.setRegs(regs);
    this.vcpu.setMpState(create(kvm_mp_state, { mp_state: KVM_MP_STATE_RUNNABLE }));
  }

  /** @returns {Registers} */
  get() {
    const [regs, sregs] = [this.vcpu.getRegs(), this.vcpu.getSregs()];
    return /** @type {Registers} */ (
      Object.fromEntries([
        ...general.map((name) => [name, regs[`r${name}_num`] & 0xffff]),
        ...segments.map((name) => [name, sregs[name].selector]),
        ["ip", regs.rip_num & 0xffff],
        ["flags", regs.rflags_num & 0xffff],
      ])
    );
  }

  /**
   * Runs until the processor halts; reads of ports give ones.
   * @returns {boolean} whether it does
   */
  runToHalt() {
    for (let n = 0; n < exitsLimit; n++) {
      this.vcpu.run();
      if (this.exit.reason === KVM_EXIT_HLT) return true;
      if (this.exit.reason !== KVM_EXIT_IO) return false;
      const { direction, count } = this.exit.io;
      for (let one = 0; direction !== KVM_EXIT_IO_OUT && one < count; one++) this.exit.io.setValue(one, 0xffff_ffff);
    }
    return false;
  }
}
