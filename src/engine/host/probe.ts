import { assign, create } from "../../base/struct-layout.ts";
import { describeExit, ExitView } from "../../kvm/exit.ts";
import type { Vcpu } from "../../kvm/vcpu.ts";
import { EINTR } from "../../spec/kvm/errno.ts";
import { KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_IO } from "../../spec/kvm/exit.ts";
import { type KvmSegment, kvm_dtable, kvm_regs, kvm_segment } from "../../spec/kvm/vcpu-struct.ts";
import { kvm_userspace_memory_region } from "../../spec/kvm/vm-struct.ts";
import { SIGURG } from "../../spec/linux.ts";
import { CR0, CR4, EFER } from "../../spec/x86/control-register.ts";
import type { HostEngine } from "./engine.ts";
import { loadFfi } from "./ffi.ts";

/*
 * Whether /dev/kvm runs a 64-bit guest, or only pretends to: on a machine that is a guest itself the kernel may emulate
 * most instructions, or never come back. A tiny guest tells, within a deadline.
 */

/** What the probe found. */
export type ProbeResult =
  | { readonly verdict: "runs" }
  /** The kernel executes guests by an emulator that lacks ordinary instructions. */
  | { readonly verdict: "emulated"; readonly at: string }
  /** The guest did not end in time, or ended otherwise. */
  | { readonly verdict: "fails"; readonly how: string };

const DEADLINE_MS = 500;
const TICK_MS = 50;
const MEMORY = 0x1_0000;
const PLACE = { gdt: 0x1000, tables: 0x2000, stack: 0x6000, code: 0x7000, data: 0x8000 } as const;
const SELECTOR = { code: 0x08, data: 0x10 } as const;
const PORT = 0x80;
const TOLD = 0x5a;

/** Descriptors: none, 64-bit code, data. */
const GDT = [0, 0, 0x0000_ffff, 0x00af_9b00, 0x0000_ffff, 0x00cf_9300];

const IRETQ_TARGET = PLACE.code + 18;
const CODE = [
  [0x48, 0x89, 0xe0], // mov rax, rsp
  [0x6a, SELECTOR.data, 0x50, 0x9c], // push SS; push rax; pushfq
  [0x6a, SELECTOR.code, 0x68, ...word(IRETQ_TARGET), 0x48, 0xcf, 0x90, 0x90], // push CS; push target; iretq; nop; nop
  [0xd9, 0xe8], // fld1
  [0xdd, 0x1c, 0x25, ...word(PLACE.data)], // fstp qword [data]
  [0xf2, 0x0f, 0x10, 0x04, 0x25, ...word(PLACE.data)], // movsd xmm0, [data]
  [0xf2, 0x0f, 0x58, 0xc0], // addsd xmm0, xmm0
  [0xf2, 0x48, 0x0f, 0x2c, 0xc0], // cvttsd2si rax, xmm0
  [0x04, TOLD - 2, 0xe6, PORT, 0xf4], // add al, TOLD - 2; out PORT, al; hlt
].flat();

function word(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}

/** Runs the probe guest; takes some milliseconds, at most `DEADLINE_MS`. Throws KvmError if no guest can be made. */
export function probe(engine: HostEngine): ProbeResult {
  const vm = engine.createVm({ maxMemory: MEMORY });
  try {
    const region = { memory_size: MEMORY, userspace_addr: vm.mmap(MEMORY) };
    vm.setUserMemoryRegion(create(kvm_userspace_memory_region, region));
    vm.memory.write(PLACE.gdt, new Uint8Array(Int32Array.from(GDT).buffer));
    vm.memory.write(PLACE.code, Uint8Array.from(CODE));
    // identity, by one entry of each level
    vm.memory.writeU64(PLACE.tables, (PLACE.tables + 0x1000) | 3);
    vm.memory.writeU64(PLACE.tables + 0x1000, (PLACE.tables + 0x2000) | 3);
    vm.memory.writeU64(PLACE.tables + 0x2000, 0x83);
    const vcpu = vm.createVcpu(0);
    vcpu.setCpuid2(engine.getSupportedCpuid());
    enterLongMode(vcpu);
    return judge(vcpu, runToExit(vcpu));
  } finally {
    vm.close();
  }
}

function enterLongMode(vcpu: Vcpu): void {
  const sregs = vcpu.getSregs();
  for (const name of ["ds", "es", "fs", "gs", "ss"] as const) flat(sregs[name], SELECTOR.data, 3, 0);
  flat(sregs.cs, SELECTOR.code, 0xb, 1);
  assign(kvm_segment, sregs.tr, { limit: 0x67, type: 0xb, present: 1, s: 0, unusable: 0 });
  assign(kvm_dtable, sregs.gdt, { base: PLACE.gdt, limit: GDT.length * 4 - 1 });
  sregs.cr0_num = (CR0.PE | CR0.MP | CR0.ET | CR0.NE | CR0.PG) >>> 0;
  sregs.cr3_num = PLACE.tables;
  sregs.cr4_num = CR4.PAE | CR4.OSFXSR | CR4.OSXMMEXCPT;
  sregs.efer_num = EFER.LME | EFER.LMA;
  vcpu.setSregs(sregs);
  vcpu.setRegs(create(kvm_regs, { rip: PLACE.code, rsp: PLACE.stack, rflags: 2 }));
}

function flat(segment: KvmSegment, selector: number, type: number, l: number): void {
  assign(kvm_segment, segment, { base: 0, limit: 0xffff_ffff, selector, type, present: 1, dpl: 0, s: 1, g: 1, l });
  assign(kvm_segment, segment, { db: 1 - l, avl: 0, unusable: 0 });
}

/** Whether the guest left by itself before the deadline. */
function runToExit(vcpu: Vcpu): boolean {
  const stop = loadFfi().interruptEvery(TICK_MS, SIGURG);
  try {
    for (let tick = 0; tick < DEADLINE_MS / TICK_MS; tick++) if (vcpu.run() !== EINTR) return true;
    return false;
  } finally {
    stop();
  }
}

function judge(vcpu: Vcpu, ended: boolean): ProbeResult {
  if (!ended) return { verdict: "fails", how: `it still ran after ${DEADLINE_MS} ms` };
  const exit = new ExitView(vcpu.kvmRun);
  if (exit.reason === KVM_EXIT_IO && exit.io.port === PORT && exit.io.value(0) === TOLD) return { verdict: "runs" };
  if (exit.reason !== KVM_EXIT_INTERNAL_ERROR) return { verdict: "fails", how: `it ended with ${describeExit(exit)}` };
  const at = vcpu.getRegs().rip_num - PLACE.code;
  const bytes = CODE.slice(at, at + 4).map((byte) => byte.toString(16).padStart(2, "0"));
  return { verdict: "emulated", at: bytes.join(" ") };
}
