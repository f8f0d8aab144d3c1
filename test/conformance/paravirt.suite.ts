import { describe, expect, type TestContext, test } from "vitest";
import { KVM_CPUID_FEATURES, KVM_FEATURE, KVM_HC, KVM_HC_ERROR, KVM_MSR } from "../../src/spec/kvm/paravirt.ts";
import { APIC, LAPIC_DEFAULT_BASE, LVT, SVR } from "../../src/spec/lapic.ts";
import { Code, IF, R } from "./assembler.ts";
import { AT, Guest, needProcessor, type Subject } from "./guest.ts";

const LAPIC = LAPIC_DEFAULT_BASE;
const PORT = 0x80;
const HANDLER = AT.code + 0x800;
const HLT = { exit: "KVM_EXIT_HLT" };
const told = (value: number) => ({ out: PORT, size: 1, data: [value] });

/** KVM's interface for guests that know it: hypercalls and the paravirtual EOI. */
export function paravirtSuite(makeSubject: () => Subject): void {
  const needFeature = ({ skip }: TestContext, { engine }: Subject, bit: number): void => {
    const leaf = [...engine.getSupportedCpuid().entries].find((entry) => entry.function === KVM_CPUID_FEATURES);
    skip(((leaf?.eax ?? 0) & bit) === 0, `engine ${engine.name} has no KVM feature 0x${bit.toString(16)}`);
  };
  const program = (bits: 32 | 64 = 32): Code => new Code(bits, AT.code);
  const enableLapic = (code: Code): Code =>
    code.storeImmediate(LAPIC + APIC.SVR, SVR.APIC_ENABLED | 0xff).storeImmediate(LAPIC + APIC.LVT_LINT0, LVT.MASK);
  /** An emulator has no VMCALL; it writes the host's own instruction over it, again and again. */
  const vmcall = (code: Code, number: number, ...[bx = 0, cx = 0, dx = 0, si = 0]: number[]): Code => {
    needProcessor(makeSubject(), "has no VMCALL");
    return code.mov(R.bx, bx).mov(R.cx, cx).mov(R.dx, dx).mov(R.si, si).mov(R.ax, number).bytes(0x0f, 0x01, 0xc1);
  };
  const tellAl = (code: Code): Code => code.outAl(PORT);
  /** A guest of an engine that has a feature. */
  const guestWith = (context: TestContext, feature: number): Guest => {
    const subject = makeSubject();
    needFeature(context, subject, feature);
    return new Guest(subject, "protected", { irqchip: true });
  };
  const handler = (guest: Guest, vector: number, body: (code: Code) => Code): void => {
    guest.place(body(new Code(32, HANDLER)).iret());
    guest.gate(vector, HANDLER);
  };

  describe("hypercalls", () => {
    test("an unknown one is refused, in 32 and in 64 bits", () => {
      const guest = new Guest(makeSubject(), "long");
      guest.start(vmcall(program(64), 0x1234).hlt());
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rax).toBe(BigInt.asUintN(64, BigInt(-KVM_HC_ERROR.ENOSYS)));
      const other = new Guest(makeSubject(), "protected");
      other.start(vmcall(program(), 0x1234).hlt());
      expect(other.next()).toEqual(HLT);
      expect(other.regs().rax_num).toBe(2 ** 32 - KVM_HC_ERROR.ENOSYS);
    });

    test("SEND_IPI interrupts the processors of its bitmap and counts them", (context) => {
      const guest = guestWith(context, KVM_FEATURE.PV_SEND_IPI);
      handler(guest, 0x61, (code) =>
        code
          .bytes(0xb0, 0x61)
          .outAl(PORT)
          .storeImmediate(LAPIC + APIC.EOI, 0),
      );
      const code = enableLapic(program()).cli();
      // IDs 31 (nobody's) and, by the second word, 0: the bitmap begins at -32
      vmcall(code, KVM_HC.SEND_IPI, 0x8000_0000, 1, -32 >>> 0, 0x61);
      guest.start(tellAl(code).sti().label("sleep").hlt().jump("sleep"));
      expect(guest.next()).toEqual(told(1));
      expect(guest.next()).toEqual(told(0x61));
    });

    test("SEND_IPI takes no logical destination", (context) => {
      const guest = guestWith(context, KVM_FEATURE.PV_SEND_IPI);
      guest.start(tellAl(vmcall(enableLapic(program()), KVM_HC.SEND_IPI, 1, 0, 0, 0x861)));
      expect(guest.next()).toEqual(told(256 - KVM_HC_ERROR.EINVAL));
    });

    test("KICK_CPU ends the sleep of HLT without an interrupt", (context) => {
      const guest = guestWith(context, KVM_FEATURE.PV_UNHALT);
      guest.start(tellAl(vmcall(program().cli(), KVM_HC.KICK_CPU, 0, 0).hlt().bytes(0xb0, 7)));
      expect(guest.next()).toEqual(told(7));
    });

    test("CLOCK_PAIRING writes wall-clock time and TSC of one moment", () => {
      const guest = new Guest(makeSubject(), "long");
      guest.start(tellAl(vmcall(program(64), KVM_HC.CLOCK_PAIRING, AT.data, 0)));
      const seen = guest.next();
      // a kernel whose own clock is not the TSC has nothing to pair
      if ("out" in seen && seen.data[0] === 256 - KVM_HC_ERROR.EOPNOTSUPP) return;
      expect(seen).toEqual(told(0));
      expect(guest.vm.memory.readU64(AT.data)).toBeGreaterThan(1_600_000_000);
      expect(guest.vm.memory.readU64(AT.data + 8)).toBeLessThan(1e9);
      expect(guest.vm.memory.readU64(AT.data + 16)).toBeGreaterThan(0);
    });
  });

  describe("paravirtual EOI", () => {
    /** btr dword [data], 0 */
    const clearBit = (code: Code): Code => code.bytes(0x0f, 0xba, 0x35, AT.data & 0xff, AT.data >> 8, 0, 0, 0);
    /** Interrupts itself twice with vector 0x61, and sleeps. */
    const interruptsTwice = (): Code => {
      const code = enableLapic(program())
        .wrmsr(KVM_MSR.PV_EOI_EN, AT.data | 1)
        .sti();
      for (let n = 0; n < 2; n++) code.storeImmediate(LAPIC + APIC.ICR, 0x61 | (1 << 18)).nop();
      return code.label("sleep").hlt().jump("sleep");
    };

    test("clearing the bit ends the interrupt", (context) => {
      needProcessor(makeSubject(), "ends an interrupt when it delivers it");
      const guest = guestWith(context, KVM_FEATURE.PV_EOI);
      // setc al; out
      handler(guest, 0x61, (code) => clearBit(code).bytes(0x0f, 0x92, 0xc0).outAl(PORT));
      guest.start(interruptsTwice());
      expect(guest.next()).toEqual(told(1));
      expect(guest.next()).toEqual(told(1));
    });

    test("an interrupt that was ended by the bit is over when the guest gives the bit up", (context) => {
      const guest = guestWith(context, KVM_FEATURE.PV_EOI);
      // jc +5; EOI by the APIC; the MSR is cleared
      handler(guest, 0x61, (code) =>
        clearBit(code)
          .jumpIf(IF.below, "ended")
          .storeImmediate(LAPIC + APIC.EOI, 0)
          .label("ended")
          .wrmsr(KVM_MSR.PV_EOI_EN, 0)
          .bytes(0xb0, 0x61)
          .outAl(PORT),
      );
      guest.start(interruptsTwice());
      expect(guest.next()).toEqual(told(0x61));
      expect(guest.next()).toEqual(told(0x61));
    });

    test("the bit is clear when the guest has to write EOI: something else waits for it", (context) => {
      const guest = guestWith(context, KVM_FEATURE.PV_EOI);
      handler(guest, 0x61, (code) =>
        code
          .load(4, R.ax, AT.data)
          .outAl(PORT)
          .storeImmediate(LAPIC + APIC.EOI, 0),
      );
      const code = enableLapic(program())
        .wrmsr(KVM_MSR.PV_EOI_EN, AT.data | 1)
        .cli();
      for (const vector of [0x51, 0x61]) code.storeImmediate(LAPIC + APIC.ICR, vector | (1 << 18));
      guest.start(code.sti().label("sleep").hlt().jump("sleep"));
      expect(guest.next()).toEqual(told(0));
    });
  });
}
