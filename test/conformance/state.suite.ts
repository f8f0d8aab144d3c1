import { describe, expect, test } from "vitest";
import { assign, create } from "../../src/base/struct-layout.ts";
import * as CAP from "../../src/spec/kvm/capability.ts";
import * as VCPU from "../../src/spec/kvm/vcpu-struct.ts";
import {
  KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
  kvm_cpuid2,
  kvm_debugregs,
  kvm_fpu,
  kvm_guest_debug,
  kvm_mp_state,
  kvm_msrs,
  kvm_regs,
  kvm_translation,
  kvm_vcpu_events,
} from "../../src/spec/kvm/vcpu-struct.ts";
import {
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  kvm_clock_data,
  kvm_enable_cap,
  kvm_irq_routing,
  kvm_irqchip,
  kvm_irqfd,
  kvm_pic_state,
  kvm_pit_config,
} from "../../src/spec/kvm/vm-struct.ts";
import { APIC } from "../../src/spec/lapic.ts";
import { MSR } from "../../src/spec/x86/msr.ts";
import { Code, R } from "./assembler.ts";
import { AT, errnoOf, Guest, type GuestOptions, need, needProcessor, type Subject } from "./guest.ts";

const HLT = { exit: "KVM_EXIT_HLT" };
const PORT = 0x80;

/** Records of state: what is set is what the guest sees and what is got again; and the errors of every call. */
export function stateSuite(makeSubject: () => Subject): void {
  const long = (): Code => new Code(64, AT.code);
  const guestOf = (code: Code = long().hlt(), options: GuestOptions = {}): Guest =>
    new Guest(makeSubject(), "long", options).start(code);
  const supports = (cap: number): boolean => makeSubject().engine.checkExtension(cap) !== 0;
  const unhandled = (guest: Guest, vector: number): void => {
    const handler = new Code(64, AT.code + 0x800).bytes(0xb0, vector).outAl(PORT).hlt();
    guest.place(handler);
    guest.gate(vector, handler.origin);
  };

  describe("state of a vCPU", () => {
    test("registers", () => {
      const guest = guestOf();
      const regs = create(kvm_regs);
      for (let n = 0; n < 16; n++) regs.dataView.setBigUint64(8 * n, 0x0123_4567_89ab_cd00n + BigInt(n), true);
      assign(kvm_regs, regs, { rip: AT.code, rflags: 0xad7 });
      guest.vcpu.setRegs(regs);
      expect(guest.vcpu.getRegs().bytes).toEqual(regs.bytes);
      guest.next();
      regs.rip_num = AT.code + 1;
      expect(guest.vcpu.getRegs().bytes).toEqual(regs.bytes);
    });

    test("flags set from outside are the guest's, and the guest's are seen outside", () => {
      const guest = guestOf(long().bytes(0x9c, 0x58, 0xf9, 0xfd).hlt());
      guest.setRegs({ rflags: 0x8d6, rip: AT.code });
      guest.next();
      expect(guest.regs()).toMatchObject({ rax_num: 0x8d6, rflags_num: 0x8d6 | 0x401 });
    });

    test("system registers", () => {
      const guest = guestOf();
      const sregs = guest.vcpu.getSregs();
      assign(VCPU.kvm_segment, sregs.fs, { base: 0x1234_5678_9000n, selector: 0x33 });
      assign(VCPU.kvm_segment, sregs.ldt, {
        base: 0x5000,
        limit: 0x27,
        selector: 0x28,
        type: 2,
        present: 1,
        unusable: 0,
      });
      sregs.cr2_num = 0xdead_b000;
      guest.vcpu.setSregs(sregs);
      expect(guest.vcpu.getSregs().bytes).toEqual(sregs.bytes);
      guest.next();
      expect(guest.vcpu.getSregs().bytes).toEqual(sregs.bytes);
    });

    test("system registers no processor can have", () => {
      const guest = guestOf();
      const wrong = (change: (sregs: ReturnType<typeof guest.vcpu.getSregs>) => void): string => {
        const sregs = guest.vcpu.getSregs();
        change(sregs);
        return errnoOf(() => guest.vcpu.setSregs(sregs));
      };
      expect(wrong((sregs) => (sregs.cr4_num = 0))).toBe("EINVAL");
      expect(wrong((sregs) => (sregs.efer_num = 0x100))).toBe("EINVAL");
      expect(wrong((sregs) => (sregs.cr0_num = 0x8000_0000))).toBe("EINVAL");
      expect(wrong(() => {})).toBe("");
    });

    test("x87 and SSE registers", () => {
      // fld1; movq rax, xmm3
      const guest = guestOf(long().bytes(0xd9, 0xe8, 0x66, 0x48, 0x0f, 0x7e, 0xd8).hlt());
      const fpu = create(kvm_fpu, {
        fcw: 0x37f,
        fsw: 0x3800,
        ftwx: 0x80,
        last_opcode: 0x123,
        last_ip: 0x4567,
        last_dp: 0x89ab,
      });
      fpu.fpr.set([1, 2, 3, 4, 5, 6, 7, 0x80, 0xff, 0x3f]);
      fpu.xmm.set(Uint8Array.from({ length: 256 }, (_, n) => n));
      guest.vcpu.setFpu(fpu);
      expect(guest.vcpu.getFpu()).toMatchObject({
        fcw: 0x37f,
        fsw: 0x3800,
        ftwx: 0x80,
        last_ip_num: 0x4567,
        last_dp_num: 0x89ab,
      });
      expect(guest.vcpu.getFpu().xmm).toEqual(fpu.xmm);
      expect(guest.vcpu.getFpu().fpr).toEqual(fpu.fpr);
      expect(guest.next()).toEqual(HLT);
      const after = guest.vcpu.getFpu();
      expect(after).toMatchObject({ fsw: 0x3000, ftwx: 0xc0 });
      expect([...after.fpr.subarray(0, 10)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
      expect([...after.fpr.subarray(16, 26)]).toEqual([1, 2, 3, 4, 5, 6, 7, 0x80, 0xff, 0x3f]);
      expect(guest.regs().rax).toBe(0x3736353433323130n);
    });

    test("debug registers", (context) => {
      need(context, makeSubject(), "KVM_CAP_DEBUGREGS");
      // mov rax, dr0; mov rcx, dr3
      const guest = guestOf(long().bytes(0x0f, 0x21, 0xc0, 0x0f, 0x21, 0xd9).hlt());
      const debug = create(kvm_debugregs, { dr6: 0xffff_0ff0, dr7: 0x400 });
      for (let n = 0; n < 4; n++) debug.db.setNum(n, 0x1000 * n + 1);
      guest.vcpu.setDebugregs(debug);
      guest.next();
      expect(guest.vcpu.getDebugregs().bytes).toEqual(debug.bytes);
      expect(guest.regs()).toMatchObject({ rax_num: 1, rcx_num: 0x3001 });
      expect(errnoOf(() => guest.vcpu.setDebugregs(create(kvm_debugregs, { flags: 1 })))).toBe("EINVAL");
      expect(errnoOf(() => guest.vcpu.setDebugregs(create(kvm_debugregs, { dr7: 2 ** 32 })))).toBe("EINVAL");
    });

    test("events", (context) => {
      need(context, makeSubject(), "KVM_CAP_VCPU_EVENTS");
      const guest = guestOf();
      const events = guest.vcpu.getVcpuEvents();
      events.nmi.masked = 1;
      events.nmi.pending = 1;
      events.interrupt.shadow = VCPU.KVM_X86_SHADOW_INT_STI;
      events.flags = VCPU.KVM_VCPUEVENT_VALID_NMI_PENDING | VCPU.KVM_VCPUEVENT_VALID_SHADOW;
      guest.vcpu.setVcpuEvents(events);
      expect(guest.vcpu.getVcpuEvents()).toMatchObject({ nmi: { masked: 1, pending: 1 }, interrupt: { shadow: 2 } });
      guest.next();
      expect(guest.vcpu.getVcpuEvents()).toMatchObject({ nmi: { masked: 1, pending: 1 }, interrupt: { shadow: 0 } });
      expect(errnoOf(() => guest.vcpu.setVcpuEvents(create(kvm_vcpu_events, { flags: 0x8000_0000 })))).toBe("EINVAL");
      const nmi = create(kvm_vcpu_events, { exception: { injected: 1, nr: 2 } });
      expect(errnoOf(() => guest.vcpu.setVcpuEvents(nmi))).toBe("EINVAL");
    });

    test("an injected exception, interrupt and NMI are delivered", (context) => {
      need(context, makeSubject(), "KVM_CAP_VCPU_EVENTS");
      for (const [vector, init] of [
        [13, { exception: { injected: 1, nr: 13, has_error_code: 1, error_code: 0x58 } }],
        [0x45, { interrupt: { injected: 1, nr: 0x45 } }],
        [2, { nmi: { injected: 1, masked: 1 } }],
      ] as const) {
        const guest = guestOf();
        unhandled(guest, vector);
        guest.vcpu.setVcpuEvents(create(kvm_vcpu_events, init));
        guest.setRegs({ rflags: 0x202 });
        expect(guest.next()).toEqual({ out: PORT, size: 1, data: [vector] });
        if (vector === 13) expect(guest.vm.memory.readU32(guest.regs().rsp_num)).toBe(0x58);
        expect(guest.vcpu.getVcpuEvents()).toMatchObject({ exception: { injected: 0 }, interrupt: { injected: 0 } });
      }
    });

    test("an interrupt queued but not delivered is in sregs and events", () => {
      const guest = guestOf();
      guest.vcpu.interrupt(0x45);
      const sregs = guest.vcpu.getSregs();
      expect(sregs.interrupt_bitmap.get(1)).toBe(1n << 5n);
      expect(guest.vcpu.getVcpuEvents().interrupt).toMatchObject({ injected: 1, nr: 0x45 });
      const other = guestOf();
      unhandled(other, 0x45);
      other.vcpu.setSregs(sregs);
      other.setRegs({ rflags: 0x202 });
      expect(other.next()).toEqual({ out: PORT, size: 1, data: [0x45] });
    });

    test("the run state", (context) => {
      need(context, makeSubject(), "KVM_CAP_MP_STATE");
      const guest = guestOf(long().hlt(), { irqchip: true });
      expect(guest.vcpu.getMpState().mp_state).toBe(VCPU.KVM_MP_STATE_RUNNABLE);
      guest.vcpu.setMpState(create(kvm_mp_state, { mp_state: VCPU.KVM_MP_STATE_HALTED }));
      expect(guest.vcpu.getMpState().mp_state).toBe(VCPU.KVM_MP_STATE_HALTED);
      const wrong = create(kvm_mp_state, { mp_state: 77 });
      expect(errnoOf(() => guest.vcpu.setMpState(wrong))).toBe("EINVAL");
      const halted = create(kvm_mp_state, { mp_state: VCPU.KVM_MP_STATE_HALTED });
      expect(errnoOf(() => guestOf().vcpu.setMpState(halted))).toBe("EINVAL");
    });

    test("the local APIC", () => {
      const guest = guestOf(
        long()
          .mov(R.bx, 0xfee0_0000 + APIC.LDR)
          .bytes(0x8b, 0x03)
          .hlt()
          .nop(),
        { irqchip: true },
      );
      const state = guest.vcpu.getLapic();
      const words = new DataView(state.regs.buffer, state.regs.byteOffset);
      words.setUint32(APIC.SVR, 0x1ff, true);
      words.setUint32(APIC.LDR, 0x4200_0000, true);
      words.setUint32(APIC.TPR, 0x30, true);
      guest.vcpu.setLapic(state);
      expect(guest.vcpu.getLapic().regs[APIC.LDR + 3]).toBe(0x42);
      expect(guest.vcpu.getSregs().cr8_num).toBe(3);
      expect(errnoOf(() => guestOf().vcpu.getLapic())).toBe("EINVAL");
    });
  });

  describe("MSRs", () => {
    const entries = (...list: readonly (readonly [number, number | bigint])[]) =>
      create(kvm_msrs, { nmsrs: list.length, entries: list.map(([index, data]) => ({ index, data })) });

    test("what is set is what RDMSR and KVM_GET_MSRS read", () => {
      const guest = guestOf(long().rdmsr(MSR.LSTAR).hlt());
      const values = [
        [MSR.STAR, 0x23001000_00000000n],
        [MSR.LSTAR, 0xffff8000_12345678n],
        [MSR.PAT, 0x0007040600070406n],
        [MSR.TSC_AUX, 7],
      ] as const;
      expect(guest.vcpu.setMsrs(entries(...values))).toBe(values.length);
      guest.next();
      expect(guest.regs()).toMatchObject({ rax_num: 0x12345678, rdx_num: 0xffff8000 });
      const read = entries(...values.map(([index]) => [index, 0] as const));
      expect(guest.vcpu.getMsrs(read)).toBe(values.length);
      expect(read.entries.map((entry) => entry.data)).toEqual(values.map(([, data]) => BigInt(data)));
    });

    test("every MSR of the index list is read and written back", () => {
      const subject = makeSubject();
      const guest = new Guest(subject, "long", { irqchip: true });
      const list = [...subject.engine.getMsrIndexList()];
      expect(new Set(list).size).toBe(list.length);
      for (const index of list) {
        const msrs = entries([index, 0]);
        expect([index, guest.vcpu.getMsrs(msrs)]).toEqual([index, 1]);
        expect([index, guest.vcpu.setMsrs(msrs)]).toEqual([index, 1]);
      }
    });

    test("the count stops at one that does not exist or refuses", () => {
      const guest = guestOf();
      expect(guest.vcpu.getMsrs(entries([MSR.STAR, 0], [0x1234_5678, 0], [MSR.LSTAR, 0]))).toBe(1);
      expect(guest.vcpu.setMsrs(entries([MSR.STAR, 0], [0x1234_5678, 0]))).toBe(1);
      expect(guest.vcpu.setMsrs(entries([MSR.LSTAR, 0x8000_0000_0000_0000n]))).toBe(0);
      expect(guest.vcpu.setMsrs(entries([MSR.EFER, 0xffff_ffff]))).toBe(0);
    });

    test("an unknown one is #GP for the guest", () => {
      for (const code of [
        long().rdmsr(0x1234_5678),
        long().wrmsr(0x1234_5678, 1),
        long().wrmsr(MSR.LSTAR, 0, 0x8000_0000),
      ]) {
        const guest = guestOf(code.hlt());
        unhandled(guest, 13);
        expect(guest.next()).toEqual({ out: PORT, size: 1, data: [13] });
      }
    });

    test("the TSC goes on from what was set", () => {
      needProcessor(makeSubject(), "reads the host's TSC");
      const guest = guestOf(long().bytes(0x0f, 0x31).hlt());
      guest.vcpu.setMsrs(entries([MSR.TSC, 0x5_0000_0000n]));
      guest.next();
      expect(guest.regs().rdx_num).toBe(5);
      expect(guest.vcpu.getTscKhz()).toBeGreaterThan(0);
    });
  });

  describe("CPUID", () => {
    const entry = (leaf: number, index: number, flags: number, eax: number) => ({
      function: leaf,
      index,
      flags,
      eax,
      ebx: eax + 1,
      ecx: eax + 2,
      edx: eax + 3,
    });
    const ask = (guest: Guest, leaf: number, subleaf: number): number => {
      guest.start(long().bytes(0x0f, 0xa2).hlt(), { rax: leaf, rcx: subleaf });
      expect(guest.next()).toEqual(HLT);
      return guest.regs().rax_num;
    };

    test("answers what was set", () => {
      const guest = new Guest(makeSubject(), "long");
      const { record } = {
        record: create(kvm_cpuid2, {
          nent: 6,
          entries: [
            entry(0, 0, 0, 5),
            entry(4, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 0x40),
            entry(4, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 0x41),
            entry(5, 0, 0, 0x50),
            entry(0x4000_0000, 0, 0, 0x4000_0000),
            entry(0x8000_0000, 0, 0, 0x8000_0000),
          ],
        }),
      };
      guest.vcpu.setCpuid2(record);
      expect(guest.vcpu.getCpuid2().bytes).toEqual(record.bytes);
      expect(ask(guest, 0, 0)).toBe(5);
      expect(guest.regs()).toMatchObject({ rbx_num: 6, rcx_num: 7, rdx_num: 8 });
      expect(ask(guest, 4, 1)).toBe(0x41);
      expect(ask(guest, 4, 2)).toBe(0);
      expect(ask(guest, 4, 0xffff)).toBe(0);
      expect(ask(guest, 5, 9)).toBe(0x50);
      expect(ask(guest, 0x4000_0000, 0)).toBe(0x4000_0000);
      // beyond the last leaf: the highest basic one
      expect([ask(guest, 77, 0), ask(guest, 0x8000_0077, 0), ask(guest, 0x4000_0055, 0)]).toEqual([0x50, 0x50, 0x50]);
    });

    test("cannot change after the first run", () => {
      const subject = makeSubject();
      const guest = new Guest(subject, "long").start(long().hlt());
      guest.next();
      const other = guest.vcpu.getCpuid2();
      guest.vcpu.setCpuid2(other);
      other.entries[0]!.ebx ^= 1;
      expect(errnoOf(() => guest.vcpu.setCpuid2(other))).toBe("EINVAL");
    });
  });

  describe("state of a VM", () => {
    test("kvmclock goes on from what was set", (context) => {
      need(context, makeSubject(), "KVM_CAP_ADJUST_CLOCK");
      const guest = guestOf();
      guest.vm.setClock(create(kvm_clock_data, { clock: 5e12 }));
      const clock = guest.vm.getClock().clock_num;
      expect(clock).toBeGreaterThanOrEqual(5e12);
      expect(clock).toBeLessThan(5e12 + 60e9);
      expect(errnoOf(() => guest.vm.setClock(create(kvm_clock_data, { flags: 0x8000 })))).toBe("EINVAL");
    });

    test("the guest's time record follows kvmclock", (context) => {
      need(context, makeSubject(), "KVM_CAP_CLOCKSOURCE");
      const guest = guestOf(
        long()
          .wrmsr(0x4b56_4d01, AT.data + 1)
          .hlt()
          .hlt(),
      );
      guest.next();
      const time = () => guest.vm.memory.readU64(AT.data + 16);
      expect(guest.vm.memory.readU32(AT.data) & 1).toBe(0);
      expect(time()).toBeLessThan(5e12);
      guest.vm.setClock(create(kvm_clock_data, { clock: 5e12 }));
      guest.next();
      expect(time()).toBeGreaterThanOrEqual(5e12);
    });

    test("the PIT", (context) => {
      need(context, makeSubject(), "KVM_CAP_PIT_STATE2");
      const guest = guestOf(long().hlt(), { irqchip: true, pit: true });
      const state = guest.vm.getPit2();
      state.channels[0]!.count = 0x1234;
      state.channels[0]!.mode = 2;
      guest.vm.setPit2(state);
      expect(guest.vm.getPit2().channels[0]).toMatchObject({ count: 0x1234, mode: 2 });
      expect(errnoOf(() => guestOf().vm.getPit2())).toBe("ENXIO");
    });

    test("the interrupt controllers", () => {
      const { vm } = guestOf(long().hlt(), { irqchip: true });
      const ioapic = vm.getIrqchip(create(kvm_irqchip, { chip_id: KVM_IRQCHIP_IOAPIC }));
      ioapic.chip.ioapic.redirtbl.setNum(3, 0x1_a033);
      vm.setIrqchip(ioapic);
      expect(vm.getIrqchip(create(kvm_irqchip, { chip_id: KVM_IRQCHIP_IOAPIC })).bytes).toEqual(ioapic.bytes);
      const pic = vm.getIrqchip(create(kvm_irqchip, { chip_id: KVM_IRQCHIP_PIC_MASTER }));
      assign(kvm_pic_state, pic.chip.pic, { imr: 0xfb, irq_base: 0x20 });
      vm.setIrqchip(pic);
      expect(vm.getIrqchip(create(kvm_irqchip, { chip_id: KVM_IRQCHIP_PIC_MASTER })).bytes).toEqual(pic.bytes);
      expect(errnoOf(() => vm.getIrqchip(create(kvm_irqchip, { chip_id: 9 })))).toBe("EINVAL");
    });
  });

  describe("translate", () => {
    test("through the guest's page tables", () => {
      const guest = guestOf();
      const translate = (linear_address: number) => guest.vcpu.translate(create(kvm_translation, { linear_address }));
      guest.vm.memory.writeU64(AT.pageTables + 0x2000 + 8 * 511, 0x40_0083);
      expect(translate(AT.code + 5)).toMatchObject({ valid: 1, physical_address_num: AT.code + 5 });
      expect(translate(0x4000_0000 - 1)).toMatchObject({ valid: 1, physical_address_num: 0x5f_ffff });
      expect(translate(AT.hole)).toMatchObject({ valid: 1, physical_address_num: AT.hole });
      expect(translate(0x7000_0000)).toMatchObject({ valid: 0 });
      expect(guest.next()).toEqual(HLT);
      expect(guest.vcpu.getSregs().cr2_num).toBe(0);
    });
  });

  describe("errors", () => {
    test("of a VM", () => {
      const { engine } = makeSubject();
      expect(engine.getApiVersion()).toBe(12);
      expect(errnoOf(() => engine.createVm({ type: 5 }))).toBe("EINVAL");
      const vm = engine.createVm({ maxMemory: 0x10_0000 });
      expect(errnoOf(() => vm.irqLine(0, 1))).toBe("ENXIO");
      expect(errnoOf(() => vm.createPit2(create(kvm_pit_config)))).toBe("ENOENT");
      expect(errnoOf(() => vm.setGsiRouting(create(kvm_irq_routing)))).toBe("EINVAL");
      expect(errnoOf(() => vm.irqfd(create(kvm_irqfd), engine.createEventFd()))).toBe("EINVAL");
      expect(errnoOf(() => vm.getIrqchip(create(kvm_irqchip)))).toBe("ENXIO");
      vm.createIrqchip();
      expect(errnoOf(() => vm.createIrqchip())).toBe("EEXIST");
      vm.createPit2(create(kvm_pit_config));
      expect(errnoOf(() => vm.createPit2(create(kvm_pit_config)))).toBe("EEXIST");
      vm.createVcpu(0);
      expect(errnoOf(() => vm.createVcpu(0))).toBe("EEXIST");
      expect(errnoOf(() => vm.createVcpu(engine.checkExtension(CAP.KVM_CAP_MAX_VCPU_ID)))).toBe("EINVAL");
      expect(errnoOf(() => vm.setTssAddr(0xffff_ffff))).toBe("EINVAL");
      expect(errnoOf(() => vm.setIdentityMapAddr(0xfffb_c000))).toBe("EINVAL");
      expect(errnoOf(() => vm.enableCap(create(kvm_enable_cap, { cap: 99999 })))).toBe("EINVAL");
      vm.close();
    });

    test("an irqchip comes before the vCPUs", () => {
      const vm = makeSubject().engine.createVm({ maxMemory: 0x10_0000 });
      vm.createVcpu(0);
      expect(errnoOf(() => vm.createIrqchip())).toBe("EINVAL");
    });

    test("KVM_INTERRUPT", () => {
      const guest = guestOf();
      expect(errnoOf(() => guest.vcpu.interrupt(256))).toBe("EINVAL");
      expect(errnoOf(() => guestOf(long().hlt(), { irqchip: true }).vcpu.interrupt(0x40))).toBe("ENXIO");
    });

    test("an absent capability's call is an unknown one", () => {
      const guest = guestOf();
      if (!supports(CAP.KVM_CAP_SET_GUEST_DEBUG))
        expect(errnoOf(() => guest.vcpu.setGuestDebug(create(kvm_guest_debug)))).toBe("ENOTTY");
      if (!supports(CAP.KVM_CAP_KVMCLOCK_CTRL)) expect(errnoOf(() => guest.vcpu.kvmclockCtrl())).toBe("ENOTTY");
      expect(makeSubject().engine.checkExtension(99999)).toBe(0);
    });
  });
}
