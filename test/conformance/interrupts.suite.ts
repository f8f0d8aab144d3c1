import { describe, expect, test } from "vitest";
import { create } from "../../src/base/struct-layout.ts";
import { EINTR } from "../../src/spec/kvm/errno.ts";
import {
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_IRQ_ROUTING_MSI,
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_RESAMPLE,
  kvm_irq_routing,
  kvm_irqfd,
} from "../../src/spec/kvm/vm-struct.ts";
import { APIC, DELIVERY_MODE, LAPIC_DEFAULT_BASE, LVT, SVR, TIMER_MODE } from "../../src/spec/lapic.ts";
import { Code, R } from "./assembler.ts";
import { AT, BITS, errnoOf, Guest, type GuestOptions, needProcessor, type Subject } from "./guest.ts";

const LAPIC = LAPIC_DEFAULT_BASE;
const IOAPIC = 0xfec0_0000;
const PORT = 0x80;
/** Where a guest tells that it is ready for what the test does next. */
const READY = 0x81;
const READY_SEEN = { out: READY, size: 1, data: [0] };
const EARLY_END = "ends an interrupt when it delivers it";
const LATE = "lets interrupts in late";
const HANDLERS = AT.code + 0x800;

/** Interrupts with the controllers in the engine, in modes that reach the APICs. */
export function interruptsSuite(makeSubject: () => Subject): void {
  describe.each(["real", "protected"] as const)("interrupts in %s mode", (mode) => {
    interruptsIn(makeSubject, mode);
  });
}

function interruptsIn(makeSubject: () => Subject, mode: "real" | "protected"): void {
  const makeGuest = (options: GuestOptions = { irqchip: true }): Guest =>
    new Guest(makeSubject(), mode, { bigReal: mode === "real", ...options });
  const bits = BITS[mode];
  const program = (): Code => new Code(bits, AT.code);
  /** Turns the local APIC on and the 8259A's way to the processor off. */
  const enableLapic = (code: Code): Code =>
    code.storeImmediate(LAPIC + APIC.SVR, SVR.APIC_ENABLED | 0xff).storeImmediate(LAPIC + APIC.LVT_LINT0, LVT.MASK);
  const ready = (code: Code): Code => code.outTo(1, READY, 0);

  /** A handler that tells its vector, ends the interrupt and returns. */
  const handle = (guest: Guest, vector: number): void => {
    const code = new Code(bits, HANDLERS + (vector & 0x3f) * 0x40).bytes(0x50, 0x52, 0xb0, vector).outAl(PORT);
    guest.place(
      code
        .storeImmediate(LAPIC + APIC.EOI, 0)
        .bytes(0x5a, 0x58)
        .iret(),
    );
    guest.gate(vector, code.origin);
  };
  /** A guest that handles vectors, does `setup` with interrupts off, says READY and then sleeps for interrupts. */
  const sleeper = (vectors: readonly number[], setup: (code: Code) => Code, options?: GuestOptions): Guest => {
    const guest = makeGuest(options);
    for (const vector of vectors) handle(guest, vector);
    const code = ready(setup(enableLapic(program())))
      .sti()
      .label("sleep")
      .hlt()
      .jump("sleep");
    guest.start(code);
    expect(guest.next()).toEqual(READY_SEEN);
    return guest;
  };
  const interrupted = (vector: number) => ({ out: PORT, size: 1, data: [vector] });
  /** Runs in vain: the guest sleeps until another thread kicks. */
  const nothing = (guest: Guest): void => {
    guest.subject.kickFromThread(guest.vcpu, 3);
    guest.interrupted();
  };
  const ioapicEntry = (code: Code, pin: number, low: number): Code =>
    code
      .storeImmediate(IOAPIC, 0x10 + 2 * pin)
      .storeImmediate(IOAPIC + 0x10, low)
      .storeImmediate(IOAPIC, 0x11 + 2 * pin)
      .storeImmediate(IOAPIC + 0x10, 0);

  describe("I/O APIC", () => {
    test("an edge interrupts once", () => {
      const guest = sleeper([0x50], (code) => ioapicEntry(code, 10, 0x50));
      guest.vm.irqLine(10, 1);
      expect(guest.next()).toEqual(interrupted(0x50));
      nothing(guest);
      guest.vm.irqLine(10, 0);
      nothing(guest);
      guest.vm.irqLine(10, 1);
      expect(guest.next()).toEqual(interrupted(0x50));
    });

    test("a level interrupts until it is lowered", () => {
      needProcessor(makeSubject(), EARLY_END);
      const guest = sleeper([0x51], (code) => ioapicEntry(code, 11, 0x51 | LVT.LEVEL));
      guest.vm.irqLine(11, 1);
      for (let n = 0; n < 3; n++) expect(guest.next()).toEqual(interrupted(0x51));
      guest.vm.irqLine(11, 0);
      nothing(guest);
    });

    test("a masked pin keeps a level", () => {
      const guest = sleeper([0x51], (code) => ioapicEntry(code, 11, 0x51 | LVT.LEVEL | LVT.MASK));
      guest.vm.irqLine(11, 1);
      nothing(guest);
      guest.start(
        ioapicEntry(program(), 11, 0x51 | LVT.LEVEL)
          .sti()
          .label("sleep")
          .hlt()
          .jump("sleep"),
      );
      expect(guest.next()).toEqual(interrupted(0x51));
    });
  });

  describe("local APIC", () => {
    const timer = (mode: number) => (code: Code) =>
      code
        .storeImmediate(LAPIC + APIC.DIVIDE_CONFIG, 0xb)
        .storeImmediate(LAPIC + APIC.LVT_TIMER, 0x60 | (mode << LVT.TIMER_MODE_SHIFT))
        .storeImmediate(LAPIC + APIC.INITIAL_COUNT, 100_000);

    test("the timer, once", () => {
      const guest = sleeper([0x60], timer(TIMER_MODE.ONE_SHOT));
      expect(guest.next()).toEqual(interrupted(0x60));
      nothing(guest);
    });

    test("the timer, periodically", () => {
      const guest = sleeper([0x60], timer(TIMER_MODE.PERIODIC));
      for (let n = 0; n < 4; n++) expect(guest.next()).toEqual(interrupted(0x60));
    });

    test("the timer interrupts a loop too", () => {
      const guest = makeGuest();
      handle(guest, 0x60);
      guest.start(timer(TIMER_MODE.PERIODIC)(enableLapic(program())).sti().label("loop").jump("loop"));
      for (let n = 0; n < 3; n++) expect(guest.next()).toEqual(interrupted(0x60));
    });

    test("the TSC deadline", () => {
      const guest = makeGuest();
      handle(guest, 0x60);
      const code = enableLapic(program()).storeImmediate(LAPIC + APIC.LVT_TIMER, 0x60 | (2 << LVT.TIMER_MODE_SHIFT));
      // rdtsc; add eax, 200000; adc edx, 0; mov ecx, IA32_TSC_DEADLINE; wrmsr
      code
        .bytes(0x0f, 0x31, ...(bits === 16 ? [0x66] : []), 0x05, 0x40, 0x0d, 0x03, 0x00, 0x83, 0xd2, 0x00)
        .mov32(R.cx, 0x6e0)
        .bytes(0x0f, 0x30);
      guest.start(code.sti().label("sleep").hlt().jump("sleep"));
      expect(guest.next()).toEqual(interrupted(0x60));
      nothing(guest);
    });

    test("an interrupt to itself by ICR, and by the x2APIC's register", () => {
      const guest = makeGuest();
      handle(guest, 0x61);
      const code = enableLapic(program())
        .sti()
        .storeImmediate(LAPIC + APIC.ICR, 0x61 | (1 << 18))
        .nop();
      guest.start(code.label("sleep").hlt().jump("sleep"));
      expect(guest.next()).toEqual(interrupted(0x61));
      const handler = new Code(bits, HANDLERS + 0xf00).bytes(0xb0, 0x72).outAl(PORT).wrmsr(0x80b, 0).iret();
      guest.place(handler);
      guest.gate(0x72, handler.origin);
      const x2apic = program()
        .wrmsr(0x1b, LAPIC | 0xd00)
        .sti()
        .wrmsr(0x83f, 0x72)
        .label("sleep")
        .hlt()
        .jump("sleep");
      guest.start(x2apic);
      expect(guest.next()).toEqual(interrupted(0x72));
      nothing(guest);
    });

    test("an interrupt that a write to the APIC lets in comes before the next instruction", () => {
      needProcessor(makeSubject(), LATE);
      const guest = makeGuest();
      guest.place(
        new Code(bits, HANDLERS)
          .bytes(0x88, 0xd8)
          .outAl(PORT)
          .storeImmediate(LAPIC + APIC.EOI, 0)
          .iret(),
      );
      guest.gate(0x61, HANDLERS);
      const code = enableLapic(program())
        .mov(R.bx, 0)
        .sti()
        .storeImmediate(LAPIC + APIC.ICR, 0x61 | (1 << 18))
        .bytes(0x43)
        .storeImmediate(LAPIC + APIC.TPR, 0x70)
        .storeImmediate(LAPIC + APIC.ICR, 0x61 | (1 << 18))
        .bytes(0x43)
        .storeImmediate(LAPIC + APIC.TPR, 0)
        .bytes(0x43, 0x43);
      guest.start(code.label("sleep").hlt().jump("sleep"));
      expect(guest.next()).toEqual(interrupted(0));
      expect(guest.next()).toEqual(interrupted(2));
    });

    test("higher vectors first, lower ones after EOI", () => {
      const guest = sleeper([0x50, 0x70], (code) => code);
      guest.vm.signalMsi(LAPIC, 0, 0x50);
      guest.vm.signalMsi(LAPIC, 0, 0x70);
      expect(guest.next()).toEqual(interrupted(0x70));
      expect(guest.next()).toEqual(interrupted(0x50));
    });

    test("the task priority holds an interrupt back", () => {
      needProcessor(makeSubject(), LATE);
      const guest = sleeper([0x50, 0x70], (code) => code.storeImmediate(LAPIC + APIC.TPR, 0x60));
      guest.vm.signalMsi(LAPIC, 0, 0x50);
      nothing(guest);
      guest.vm.signalMsi(LAPIC, 0, 0x70);
      expect(guest.next()).toEqual(interrupted(0x70));
      nothing(guest);
      guest.start(
        program()
          .sti()
          .storeImmediate(LAPIC + APIC.TPR, 0x40)
          .jump("on")
          .label("on")
          .outTo(1, PORT, 1)
          .hlt(),
      );
      expect(guest.next()).toEqual(interrupted(0x50));
    });
  });

  describe("interrupt shadows", () => {
    /** A handler that tells how often EBX was incremented. */
    const counting = (body: (code: Code) => Code): Guest => {
      needProcessor(makeSubject(), LATE);
      const guest = makeGuest();
      const handler = new Code(bits, HANDLERS).bytes(0x88, 0xd8).outAl(PORT).hlt();
      guest.place(handler);
      guest.gate(0x50, handler.origin);
      guest.start(
        body(ready(enableLapic(program())))
          .bytes(0x43, 0x43, 0x43)
          .hlt(),
      );
      guest.next();
      guest.vm.signalMsi(LAPIC, 0, 0x50);
      return guest;
    };

    test("STI: one more instruction runs", () => {
      expect(counting((code) => code.sti()).next()).toEqual(interrupted(1));
    });

    test("STI when interrupts are on already holds nothing back", () => {
      const guest = counting((code) => code.sti().sti());
      expect(guest.next()).toEqual(interrupted(0));
    });

    test("MOV SS: one more instruction runs", () => {
      expect(counting((code) => code.sti().bytes(0x8e, 0xd0)).regs().rip_num).toBeGreaterThan(0);
      const stackSegment = (code: Code): Code => code.bytes(0x66, 0x8c, 0xd0).sti().bytes(0x8e, 0xd0);
      expect(counting(stackSegment).next()).toEqual(interrupted(1));
    });

    test("STI before HLT: the interrupt wakes it and returns after it", () => {
      const guest = makeGuest();
      handle(guest, 0x50);
      guest.start(ready(enableLapic(program())).sti().hlt().outTo(1, PORT, 9));
      guest.next();
      guest.vm.signalMsi(LAPIC, 0, 0x50);
      expect(guest.next()).toEqual(interrupted(0x50));
      expect(guest.next()).toEqual(interrupted(9));
    });
  });

  describe("NMI", () => {
    /** A handler that leaves twice before it returns. */
    const withHandler = (code: Code, options?: GuestOptions): Guest => {
      const guest = makeGuest(options);
      const handler = new Code(bits, HANDLERS).bytes(0x50, 0x52, 0xb0, 2).outAl(PORT).bytes(0xb0, 3).outAl(PORT);
      guest.place(handler.bytes(0x5a, 0x58).iret());
      guest.gate(2, handler.origin);
      guest.start(code);
      guest.next();
      return guest;
    };

    test("comes though interrupts are off, and is masked until IRET", () => {
      needProcessor(makeSubject(), LATE);
      const guest = withHandler(ready(program().cli()).outTo(1, PORT, 8).hlt(), {});
      guest.vcpu.nmi();
      expect(guest.next()).toEqual(interrupted(2));
      expect(guest.vcpu.getVcpuEvents().nmi.masked).toBe(1);
      guest.vcpu.nmi();
      expect(guest.next()).toEqual(interrupted(3));
      expect(guest.next()).toEqual(interrupted(2));
      expect(guest.next()).toEqual(interrupted(3));
      expect(guest.next()).toEqual(interrupted(8));
      expect(guest.vcpu.getVcpuEvents().nmi).toMatchObject({ masked: 0, pending: 0 });
    });

    test("waits twice while none is handled", () => {
      // now and then KVM_RUN executes nothing any more while one NMI is handled and another waits
      needProcessor(makeSubject(), "hangs while an NMI waits");
      const guest = withHandler(ready(enableLapic(program().cli())).hlt().hlt().outTo(1, PORT, 8));
      for (let n = 0; n < 3; n++) guest.vm.signalMsi(LAPIC, 0, DELIVERY_MODE.NMI << 8);
      for (let n = 0; n < 2; n++) expect([guest.next(), guest.next()]).toEqual([interrupted(2), interrupted(3)]);
      nothing(guest);
    });

    test("wakes HLT with interrupts off", () => {
      const guest = withHandler(ready(program().cli()).hlt().outTo(1, PORT, 8));
      nothing(guest);
      guest.vcpu.nmi();
      expect([guest.next(), guest.next(), guest.next()]).toEqual([interrupted(2), interrupted(3), interrupted(8)]);
    });

    test("does not wake HLT while it is masked", () => {
      const guest = makeGuest();
      const handler = new Code(bits, HANDLERS).outTo(1, PORT, 2).hlt().outTo(1, PORT, 3);
      guest.place(handler);
      guest.gate(2, handler.origin);
      guest.start(ready(program()).hlt());
      guest.next();
      guest.vcpu.nmi();
      expect(guest.next()).toEqual(interrupted(2));
      guest.vcpu.nmi();
      nothing(guest);
    });

    test("by an MSI and by the local APIC", () => {
      const guest = withHandler(ready(enableLapic(program())).hlt());
      guest.vm.signalMsi(LAPIC, 0, DELIVERY_MODE.NMI << 8);
      expect(guest.next()).toEqual(interrupted(2));
      const icr = (1 << 18) | (1 << 14) | (DELIVERY_MODE.NMI << 8);
      const other = withHandler(
        ready(enableLapic(program()))
          .storeImmediate(LAPIC + APIC.ICR, icr)
          .nop()
          .hlt(),
      );
      expect(other.next()).toEqual(interrupted(2));
    });
  });

  describe("messages and routes", () => {
    const msi = (data: number) => ({ address_lo: LAPIC, address_hi: 0, data });

    test("an MSI tells whether it was taken", () => {
      const guest = sleeper([0x50], (code) => code);
      expect(guest.vm.signalMsi(LAPIC, 0, 0x50)).toBe(true);
      expect(guest.next()).toEqual(interrupted(0x50));
      expect(guest.vm.signalMsi(LAPIC | 0x5000, 0, 0x50)).toBe(false);
    });

    test("a GSI may be a message or a pin", () => {
      const guest = sleeper([0x50, 0x51], (code) => ioapicEntry(code, 4, 0x51));
      const entries = [
        { gsi: 30, type: KVM_IRQ_ROUTING_MSI, u: { msi: msi(0x50) } },
        { gsi: 31, type: KVM_IRQ_ROUTING_IRQCHIP, u: { irqchip: { irqchip: KVM_IRQCHIP_IOAPIC, pin: 4 } } },
      ];
      guest.vm.setGsiRouting(create(kvm_irq_routing, { nr: 2, entries }));
      guest.vm.irqLine(30, 1);
      expect(guest.next()).toEqual(interrupted(0x50));
      guest.vm.irqLine(31, 1);
      expect(guest.next()).toEqual(interrupted(0x51));
      const wrong = [{ gsi: 30, type: 77 }];
      expect(errnoOf(() => guest.vm.setGsiRouting(create(kvm_irq_routing, { nr: 1, entries: wrong })))).toBe("EINVAL");
    });

    test("a signal of an irqfd is an edge", () => {
      const guest = sleeper([0x50], (code) => ioapicEntry(code, 5, 0x50));
      const event = guest.subject.engine.createEventFd();
      guest.vm.irqfd(create(kvm_irqfd, { gsi: 5 }), event);
      expect(errnoOf(() => guest.vm.irqfd(create(kvm_irqfd, { gsi: 6 }), event))).toBe("EBUSY");
      for (let n = 0; n < 2; n++) {
        event.signal();
        expect(guest.next()).toEqual(interrupted(0x50));
        nothing(guest);
      }
      guest.vm.irqfd(create(kvm_irqfd, { gsi: 5, flags: KVM_IRQFD_FLAG_DEASSIGN }), event);
      event.signal();
      nothing(guest);
    });

    test("a resampling irqfd is told at EOI", () => {
      needProcessor(makeSubject(), EARLY_END);
      const guest = sleeper([0x50], (code) => ioapicEntry(code, 5, 0x50 | LVT.LEVEL));
      const event = guest.subject.engine.createEventFd();
      const resample = guest.subject.engine.createEventFd();
      guest.vm.irqfd(create(kvm_irqfd, { gsi: 5, flags: KVM_IRQFD_FLAG_RESAMPLE }), event, resample);
      event.signal();
      expect(guest.next()).toEqual(interrupted(0x50));
      expect(resample.take()).toBe(0);
      nothing(guest);
      expect(resample.take()).toBe(1);
      event.signal();
      expect(guest.next()).toEqual(interrupted(0x50));
    });

    test("an irqfd signalled in another thread wakes HLT", () => {
      const subject = makeSubject();
      const guest = new Guest(subject, mode, { irqchip: true, bigReal: mode === "real" });
      handle(guest, 0x50);
      guest.start(
        ready(ioapicEntry(enableLapic(program()), 5, 0x50))
          .sti()
          .label("sleep")
          .hlt()
          .jump("sleep"),
      );
      const event = subject.engine.createEventFd();
      guest.vm.irqfd(create(kvm_irqfd, { gsi: 5 }), event);
      guest.next();
      subject.signalFromThread(guest.vcpu, event, 5);
      while (guest.vcpu.run() === EINTR);
      expect(guest.seen()).toEqual(interrupted(0x50));
    });
  });
}
