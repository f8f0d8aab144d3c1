// A guest of the host engine that does one thing in a loop.
import { create } from "../../dist/base/struct-layout.js";
import { HostEngine } from "../../dist/engine/host/engine.js";
import { ExitView } from "../../dist/kvm/exit.js";
import { kvm_regs } from "../../dist/spec/kvm/vcpu-struct.js";
import { KVM_IOEVENTFD_FLAG_PIO, kvm_ioeventfd, kvm_userspace_memory_region } from "../../dist/spec/kvm/vm-struct.js";

const CODE = 0x1000;
const PORT = 0x80;
const DOORBELL = 0x90;
const SIZE = 0x2000;
/** Doorbells between two exits. */
const BATCH = 200;

/** @param {number[]} code */
function makeGuest(code) {
  const vm = new HostEngine().createVm({ maxMemory: SIZE });
  const region = { memory_size: SIZE, userspace_addr: vm.mmap(SIZE) };
  vm.setUserMemoryRegion(create(kvm_userspace_memory_region, region));
  vm.memory.write(CODE, Uint8Array.from(code));
  const vcpu = vm.createVcpu(0);
  const sregs = vcpu.getSregs();
  sregs.cs.base_num = 0;
  sregs.cs.selector = 0;
  vcpu.setSregs(sregs);
  vcpu.setRegs(create(kvm_regs, { rip: CODE, rflags: 2 }));
  return { vm, vcpu, exit: new ExitView(vcpu.kvmRun) };
}

/**
 * Exits a second while the guest leaves by `port` again and again.
 * @param {ReturnType<typeof makeGuest>} guest
 * @param {number} seconds
 */
function rate({ vcpu, exit }, seconds) {
  const start = performance.now();
  let exits = 0;
  let end = start;
  for (; end - start < seconds * 1000; end = performance.now(), exits += 100)
    for (let n = 0; n < 100; n++)
      if (vcpu.run() !== 0 || exit.io.port !== PORT) throw new Error("the guest does something else");
  return (exits / (end - start)) * 1000;
}

export const host = {
  /** @param {number} seconds */
  exitsPerSecond(seconds) {
    const guest = makeGuest([0xe6, PORT, 0xeb, 0xfc]); // out PORT, al; jmp
    try {
      return rate(guest, seconds);
    } finally {
      guest.vm.close();
    }
  },

  /** @param {number} seconds */
  doorbellsPerSecond(seconds) {
    // mov cx, BATCH; out DOORBELL, al; loop; out PORT, al; jmp
    const guest = makeGuest([0xb9, BATCH & 0xff, BATCH >> 8, 0xe6, DOORBELL, 0xe2, 0xfc, 0xe6, PORT, 0xeb, 0xf5]);
    const event = new HostEngine().createEventFd();
    const binding = { addr: DOORBELL, len: 1, flags: KVM_IOEVENTFD_FLAG_PIO };
    guest.vm.ioeventfd(create(kvm_ioeventfd, binding), event);
    try {
      const exits = rate(guest, seconds);
      if (event.take() === 0) throw new Error("no doorbell rang");
      return exits * BATCH;
    } finally {
      guest.vm.close();
      event.close();
    }
  },
};
