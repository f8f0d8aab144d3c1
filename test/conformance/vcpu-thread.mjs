// The thread of a second vCPU, from the built engine: does what it is told, and notes what the guest writes to ports.
import { parentPort, workerData } from "node:worker_threads";
import { SeededRandom } from "../../dist/base/random.js";
import { create } from "../../dist/base/struct-layout.js";
import { WasmEngine } from "../../dist/engine/wasm/engine.js";
import { ExitView } from "../../dist/kvm/exit.js";
import { EINTR } from "../../dist/spec/kvm/errno.js";
import { KVM_EXIT_IO } from "../../dist/spec/kvm/exit.js";
import { KVM_MP_STATE_RUNNABLE, kvm_mp_state, kvm_regs, kvm_sregs } from "../../dist/spec/kvm/vcpu-struct.js";

const { modules, shared, id, start, log } = workerData;
const clock = { now: () => Number(process.hrtime.bigint() - start), wallClock: () => Date.now() };
const engine = new WasmEngine(modules, clock, new SeededRandom(id));
const vcpu = engine.attachVm(shared).createVcpu(id);
vcpu.setCpuid2(engine.getSupportedCpuid());
const exit = new ExitView(vcpu.kvmRun);

parentPort.once("message", ({ sregs, regs }) => {
  if (sregs) {
    const special = create(kvm_sregs);
    special.bytes.set(sregs);
    special.apic_base = vcpu.getSregs().apic_base;
    vcpu.setSregs(special);
    const general = create(kvm_regs);
    general.bytes.set(regs);
    vcpu.setRegs(general);
    vcpu.setMpState(create(kvm_mp_state, { mp_state: KVM_MP_STATE_RUNNABLE }));
  }
  for (;;) {
    const errno = vcpu.run();
    if (errno === EINTR) break;
    if (errno === 0 && exit.reason === KVM_EXIT_IO) note(exit.io.port, exit.io.value(0));
    else if (errno === 0) note(-1, exit.reason);
  }
  parentPort.close();
});
parentPort.postMessage(vcpu.shared);

/** Words of the log: their number, then port and value of each. */
function note(port, value) {
  const at = 1 + 2 * log[0];
  log[at] = port;
  log[at + 1] = value;
  Atomics.add(log, 0, 1);
  Atomics.notify(log, 0);
}
