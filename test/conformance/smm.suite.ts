import { describe, expect, type TestContext, test } from "vitest";
import { create, view } from "../../src/base/struct-layout.ts";
import { KVM_RUN_X86_SMM, kvm_run } from "../../src/spec/kvm/run-struct.ts";
import {
  KVM_MP_STATE_INIT_RECEIVED,
  KVM_VCPUEVENT_VALID_SMM,
  kvm_mp_state,
  kvm_msrs,
  kvm_vcpu_events,
} from "../../src/spec/kvm/vcpu-struct.ts";
import { APIC, DELIVERY_MODE, LAPIC_DEFAULT_BASE, SVR } from "../../src/spec/lapic.ts";
import { MSR } from "../../src/spec/x86/msr.ts";
import { SAVE64, SMM } from "../../src/spec/x86/smm.ts";
import { Code, R } from "./assembler.ts";
import { AT, BITS, errnoOf, Guest, type GuestOptions, MODES, type Mode, need, type Subject } from "./guest.ts";

const LAPIC = LAPIC_DEFAULT_BASE;
const PORT = 0x80;
const READY = 0x81;
/** Where the handler tells that it was entered, and that it is about to return. */
const ENTERED = 0x82;
const LEAVING = 0x83;
const AREA = SMM.RESET_BASE + SMM.ENTRY;
/** Another SMBASE whose handler and save area are in memory. */
const OTHER_BASE = 0x1_0000;
const SLOT = 2;

/** System management interrupts, by guests whose handler is at the SMBASE of a reset. */
export function smmSuite(makeSubject: () => Subject): void {
  const seen = (port: number, value = 0) => ({ out: port, size: 1, data: [value] });
  const handler = (base: number = SMM.RESET_BASE): Code => new Code(16, base + SMM.ENTRY);
  const rsm = (code: Code): Code => code.bytes(0x0f, 0xaa);
  const plain = (): Code => rsm(handler().outTo(1, ENTERED, 0).outTo(1, LEAVING, 0));

  const makeGuest = (context: TestContext, mode: Mode, inHandler: Code, options?: GuestOptions): Guest => {
    const subject = makeSubject();
    need(context, subject, "KVM_CAP_X86_SMM");
    const guest = new Guest(subject, mode, options);
    guest.addMemory(SLOT, SMM.RESET_BASE, 0x1_0000);
    guest.place(inHandler);
    return guest;
  };
  /** Runs to READY; what comes after it tells 7 and halts. */
  const ready = (guest: Guest, before: (code: Code) => Code = (code) => code): Guest => {
    const code = before(new Code(BITS[guest.mode], AT.code));
    guest.start(code.outTo(1, READY, 0).mov(R.bx, 0x77).outTo(1, PORT, 7).hlt());
    expect(guest.next()).toEqual(seen(READY));
    guest.complete();
    return guest;
  };
  const smbase = (guest: Guest): number => {
    const msrs = create(kvm_msrs, { nmsrs: 1, entries: [{ index: MSR.SMBASE }] });
    expect(guest.vcpu.getMsrs(msrs)).toBe(1);
    return msrs.entries[0]!.data_lo;
  };
  const inSmm = (guest: Guest): boolean => (view(kvm_run, guest.vcpu.kvmRun).flags & KVM_RUN_X86_SMM) !== 0;
  const nothing = (guest: Guest): void => {
    guest.subject.kickFromThread(guest.vcpu, 3);
    guest.interrupted();
  };

  describe.each(MODES)("an SMI in %s mode", (mode) => {
    test("enters the handler before the next instruction, and RSM returns to it", (context) => {
      const guest = ready(makeGuest(context, mode, plain()));
      const before = guest.vcpu.getSregs().bytes;
      guest.vcpu.smi();
      expect(guest.next()).toEqual(seen(ENTERED));
      expect([inSmm(guest), guest.vcpu.getVcpuEvents().smi.smm]).toEqual([true, 1]);
      const { cs, ds, cr0_lo, cr4_lo, efer_lo } = guest.vcpu.getSregs();
      expect([cs.base_num, cs.selector, cs.limit, ds.base_num, ds.limit]).toEqual([
        SMM.RESET_BASE,
        SMM.RESET_BASE >> 4,
        0xffff_ffff,
        0,
        0xffff_ffff,
      ]);
      expect([(cr0_lo & 0x8000_000d) >>> 0, cr4_lo, efer_lo, guest.regs().rflags_num]).toEqual([0, 0, 0, 2]);
      expect(guest.next()).toEqual(seen(LEAVING));
      expect(guest.next()).toEqual(seen(PORT, 7));
      expect([inSmm(guest), guest.vcpu.getVcpuEvents().smi.smm]).toEqual([false, 0]);
      const after = guest.regs();
      expect([after.rbx & 0xffn, after.rsp_num]).toEqual([0x77n, AT.stack]);
      expect(guest.vcpu.getSregs().bytes).toEqual(before);
    });
  });

  describe("system management mode", () => {
    test("the handler changes SMBASE, and the next SMI is handled there", (context) => {
      const move = rsm(
        handler()
          .storeImmediate(AREA + SAVE64.SMBASE, OTHER_BASE)
          .outTo(1, ENTERED, 1),
      );
      const guest = ready(makeGuest(context, "long", move));
      guest.place(rsm(handler(OTHER_BASE).outTo(1, ENTERED, 2)));
      expect(smbase(guest)).toBe(SMM.RESET_BASE);
      guest.vcpu.smi();
      expect(guest.next()).toEqual(seen(ENTERED, 1));
      expect(guest.next()).toEqual(seen(PORT, 7));
      expect(smbase(guest)).toBe(OTHER_BASE);
      guest.vcpu.smi();
      expect(guest.next()).toEqual(seen(ENTERED, 2));
      expect(guest.next()).toEqual({ exit: "KVM_EXIT_HLT" });
    });

    test("IA32_SMBASE is not for the guest", (context) => {
      const guest = makeGuest(context, "long", plain());
      const fault = new Code(64, AT.code + 0x800).outTo(1, PORT, 13);
      guest.place(fault);
      guest.gate(13, fault.origin);
      guest.start(new Code(64, AT.code).rdmsr(MSR.SMBASE).hlt());
      expect(guest.next()).toEqual(seen(PORT, 13));
    });

    test("an SMI waits in the handler, one and no more", (context) => {
      const guest = ready(makeGuest(context, "protected", plain()));
      guest.vcpu.smi();
      expect(guest.next()).toEqual(seen(ENTERED));
      guest.vcpu.smi();
      guest.vcpu.smi();
      expect(guest.next()).toEqual(seen(LEAVING));
      expect(guest.vcpu.getVcpuEvents().smi.pending).toBe(1);
      expect(guest.next()).toEqual(seen(ENTERED));
      expect(guest.next()).toEqual(seen(LEAVING));
      expect(guest.next()).toEqual(seen(PORT, 7));
    });

    test("comes before an NMI, which waits for RSM", (context) => {
      const guest = ready(makeGuest(context, "protected", plain()));
      const nmi = new Code(32, AT.code + 0x800).bytes(0x50, 0x52).outTo(1, PORT, 2).bytes(0x5a, 0x58).iret();
      guest.place(nmi);
      guest.gate(2, nmi.origin);
      guest.vcpu.nmi();
      guest.vcpu.smi();
      expect(guest.next()).toEqual(seen(ENTERED));
      expect(guest.next()).toEqual(seen(LEAVING));
      expect(guest.next()).toEqual(seen(PORT, 2));
      expect(guest.next()).toEqual(seen(PORT, 7));
    });

    test("RSM elsewhere does not exist", (context) => {
      const guest = makeGuest(context, "protected", plain());
      const fault = new Code(32, AT.code + 0x800).outTo(1, PORT, 6);
      guest.place(fault);
      guest.gate(6, fault.origin);
      guest.start(rsm(new Code(32, AT.code)));
      expect(guest.next()).toEqual(seen(PORT, 6));
    });

    test("RSM to a state that cannot be shuts down", (context) => {
      const wrong = rsm(handler().storeImmediate(AREA + SAVE64.CR0, 0x8000_0000));
      const guest = ready(makeGuest(context, "long", wrong));
      guest.vcpu.smi();
      expect(guest.next()).toEqual({ exit: "KVM_EXIT_SHUTDOWN" });
    });

    test("comes by a message and by the local APIC", (context) => {
      const guest = ready(makeGuest(context, "protected", plain(), { irqchip: true }));
      guest.vm.signalMsi(LAPIC, 0, DELIVERY_MODE.SMI << 8);
      expect([guest.next(), guest.next(), guest.next()]).toEqual([seen(ENTERED), seen(LEAVING), seen(PORT, 7)]);
      const icr = (1 << 18) | (DELIVERY_MODE.SMI << 8);
      guest.start(
        new Code(32, AT.code)
          .storeImmediate(LAPIC + APIC.SVR, SVR.APIC_ENABLED | 0xff)
          .storeImmediate(LAPIC + APIC.ICR, icr)
          .nop()
          .outTo(1, PORT, 8),
      );
      expect([guest.next(), guest.next(), guest.next()]).toEqual([seen(ENTERED), seen(LEAVING), seen(PORT, 8)]);
    });

    test("wakes HLT with interrupts off, which RSM goes back to unless the handler says otherwise", (context) => {
      const on = rsm(handler().outTo(1, ENTERED, 1));
      const guest = makeGuest(context, "protected", on, { irqchip: true });
      context.skip(guest.subject.engine.name === "host", "engine host: KVM has no auto HALT restart");
      guest.start(new Code(32, AT.code).cli().outTo(1, READY, 0).hlt().outTo(1, PORT, 9));
      expect(guest.next()).toEqual(seen(READY));
      nothing(guest);
      guest.vcpu.smi();
      expect(guest.next()).toEqual(seen(ENTERED, 1));
      nothing(guest);
      // mov byte [auto HALT restart], 0
      guest.place(
        rsm(
          handler()
            .memory(1, [0xc6], 0, AREA + SAVE64.AUTO_HALT_RESTART)
            .bytes(0),
        ),
      );
      guest.vcpu.smi();
      expect(guest.next()).toEqual(seen(PORT, 9));
    });

    test("INIT waits for RSM", (context) => {
      const guest = ready(makeGuest(context, "protected", plain(), { irqchip: true }));
      guest.vcpu.smi();
      expect(guest.next()).toEqual(seen(ENTERED));
      guest.vm.signalMsi(LAPIC, 0, DELIVERY_MODE.INIT << 8);
      expect(guest.next()).toEqual(seen(LEAVING));
      expect(guest.vcpu.getVcpuEvents().smi).toMatchObject({ smm: 1, latched_init: 1 });
      const waiting = create(kvm_mp_state, { mp_state: KVM_MP_STATE_INIT_RECEIVED });
      expect(errnoOf(() => guest.vcpu.setMpState(waiting))).toBe("EINVAL");
      // from the reset vector, where no memory is
      expect(guest.next()).not.toEqual(seen(PORT, 7));
      expect(guest.vcpu.getSregs().cs.selector).toBe(0xf000);
      expect(smbase(guest)).toBe(SMM.RESET_BASE);
    });

    test("its state is read and set with the events", (context) => {
      const guest = ready(makeGuest(context, "protected", plain()));
      const smi = { smm: 0, pending: 1, smm_inside_nmi: 0, latched_init: 0 };
      guest.vcpu.setVcpuEvents(create(kvm_vcpu_events, { flags: KVM_VCPUEVENT_VALID_SMM, smi }));
      expect(guest.vcpu.getVcpuEvents().flags & KVM_VCPUEVENT_VALID_SMM).toBe(KVM_VCPUEVENT_VALID_SMM);
      expect(guest.vcpu.getVcpuEvents().smi.pending).toBe(1);
      expect(guest.next()).toEqual(seen(ENTERED));
      guest.complete();
      const events = guest.vcpu.getVcpuEvents();
      events.smi.smm = 0;
      guest.vcpu.setVcpuEvents(events);
      guest.vcpu.smi();
      expect(guest.next()).toEqual(seen(ENTERED));
    });
  });
}
