import { describe, expect, test } from "vitest";
import { create } from "../../src/base/struct-layout.ts";
import { kvm_msrs } from "../../src/spec/kvm/vcpu-struct.ts";
import { MSR } from "../../src/spec/x86/msr.ts";
import { Code } from "./assembler.ts";
import { AT, Guest, need, needProcessor, type Subject } from "./guest.ts";

const PORT = 0x80;
const GP = 13;
/** CPUID.1:ECX.X2APIC, and IA32_APIC_BASE of the first processor with that mode on. [SDM 3A 10.12.1] */
const X2APIC_BIT = 21;
const X2APIC_ON = 0xfee0_0d00;

/** MSRs as a guest sees them, where what KVM makes of them does not depend on the host. */
export function msrSuite(makeSubject: () => Subject): void {
  const code = (): Code => new Code(64, AT.code);

  /** A guest whose #GP is told to a port. */
  const guestOf = (): Guest => {
    const guest = new Guest(makeSubject(), "long");
    const handler = new Code(64, AT.code + 0x800).bytes(0xb0, GP).outAl(PORT).hlt();
    guest.place(handler);
    guest.gate(GP, handler.origin);
    return guest;
  };
  /** Whether code raises #GP before it halts. */
  const faults = (guest: Guest, tried: Code): boolean => "out" in guest.start(tried.hlt()).next();
  const read = (guest: Guest, index: number): bigint | "#GP" => {
    if (faults(guest, code().rdmsr(index))) return "#GP";
    const { rax, rdx } = guest.regs();
    return (BigInt.asUintN(32, rdx) << 32n) | BigInt.asUintN(32, rax);
  };
  const refuses = (guest: Guest, index: number, lo: number, hi = 0): boolean =>
    faults(guest, code().wrmsr(index, lo, hi));

  describe("model-specific registers of a guest", () => {
    test("the APIC goes to x2APIC mode only if CPUID shows that mode", () => {
      const takes = (shown: boolean): boolean => {
        const { vcpu } = new Guest(makeSubject(), "real", { irqchip: true });
        const cpuid = vcpu.getCpuid2();
        const leaf1 = cpuid.entries.find((entry) => entry.function === 1)!;
        if (!shown) leaf1.ecx &= ~(1 << X2APIC_BIT);
        vcpu.setCpuid2(cpuid);
        const entries = [{ index: MSR.APIC_BASE, data: X2APIC_ON }];
        return vcpu.setMsrs(create(kvm_msrs, { nmsrs: 1, entries })) === 1;
      };
      expect([takes(true), takes(false)]).toEqual([true, false]);
    });

    test("those that do not exist raise #GP", () => {
      const guest = guestOf();
      // IA32_MPERF, IA32_APERF, MSR_TEST_CTRL, MSR_TURBO_RATIO_LIMIT, IA32_THERM_STATUS, two that are nobody's
      for (const index of [0xe7, 0xe8, 0x33, 0x1ad, 0x19c, 0x1234_5678, 0xc000_1234])
        expect([index, read(guest, index), refuses(guest, index, 0)]).toEqual([index, "#GP", true]);
    });

    test.each([
      ["IA32_PLATFORM_ID", MSR.PLATFORM_ID, 0n],
      ["MSR_EBC_FREQUENCY_ID", MSR.EBC_FREQUENCY_ID, 1n << 24n],
      ["MSR_FSB_FREQ", MSR.FSB_FREQ, 3n],
      ["IA32_MTRRCAP", MSR.MTRRCAP, 0x508n],
      ["IA32_PERF_STATUS", MSR.PERF_STATUS, 0x400_0000_03e8n],
      ["MSR_LASTBRANCH_FROM_IP", MSR.LASTBRANCH_FROM, 0n],
      ["MSR_RAPL_POWER_UNIT", MSR.RAPL_POWER_UNIT, 0n],
      ["SYSCFG", MSR.AMD_SYSCFG, 0n],
    ])("%s is a constant", (_, index, value) => {
      const guest = guestOf();
      expect([read(guest, index), refuses(guest, index, 1)]).toEqual([value, true]);
    });

    test.each([
      ["IA32_BIOS_SIGN_ID", MSR.BIOS_SIGN_ID],
      ["MSR_BBL_CR_CTL3", MSR.BBL_CR_CTL3],
      ["NB_CFG", MSR.AMD_NB_CFG],
      ["PERFCTR0 without performance counters", MSR.PMC0],
    ])("%s drops what is written", (_, index) => {
      const guest = guestOf();
      const before = read(guest, index);
      expect(before).not.toBe("#GP");
      expect(refuses(guest, index, 0x55)).toBe(false);
      expect(read(guest, index)).toBe(before);
    });

    test("the MTRRs take what is a memory type and an address [SDM 3A 12.11.2]", () => {
      const guest = guestOf();
      const width = 40 - 32;
      expect(refuses(guest, MSR.MTRR_DEF_TYPE, 0xc06)).toBe(false);
      expect(read(guest, MSR.MTRR_DEF_TYPE)).toBe(0xc06n);
      for (const [index, lo, hi] of [
        [MSR.MTRR_DEF_TYPE, 0x402, 0],
        [MSR.MTRR_DEF_TYPE, 0x1006, 0],
        [MSR.MTRR_DEF_TYPE, 6, 1],
        [MSR.MTRR_FIX64K_00000, 0x0606_0206, 0],
        [MSR.MTRR_FIX4K_C0000 + 7, 0, 0x0700_0000],
        [MSR.MTRR_PHYSBASE0, 7, 0],
        [MSR.MTRR_PHYSBASE0, 0x106, 0],
        [MSR.MTRR_PHYSBASE0, 6, 1 << 30],
        [MSR.MTRR_PHYSMASK0, 0x400, 0],
        [MSR.MTRR_PHYSMASK0 + 16, 0x800, 0],
      ] as const)
        expect([index, lo, hi, refuses(guest, index, lo, hi)]).toEqual([index, lo, hi, true]);
      expect(refuses(guest, MSR.MTRR_PHYSMASK0 + 14, 0x8000_0800, (1 << width) - 1)).toBe(false);
      expect(read(guest, MSR.MTRR_PHYSMASK0 + 14)).toBe(0xff_8000_0800n);
      expect(refuses(guest, MSR.MTRR_FIX64K_00000, 0x0605_0401, 0)).toBe(false);
    });

    test("the PAT takes memory types", () => {
      needProcessor(makeSubject(), "takes what a processor refuses in MSRs");
      const guest = guestOf();
      expect(refuses(guest, MSR.PAT, 0x0007_0106, 0x0007_0504)).toBe(false);
      for (const type of [2, 3, 8]) expect([type, refuses(guest, MSR.PAT, 0, type << 24)]).toEqual([type, true]);
    });

    test("machine-check banks", () => {
      const guest = guestOf();
      const banks = Number(BigInt(read(guest, MSR.MCG_CAP)) & 0xffn);
      expect(banks).toBeGreaterThan(0);
      for (const [offset, lo, refused] of [
        [0, 0, false],
        [0, 1, true],
        [1, 0, false],
        [1, 1, true],
        [2, 0x1234, false],
        [3, 0x1234, false],
      ] as const)
        expect([offset, lo, refuses(guest, MSR.MC0_CTL + offset, lo)]).toEqual([offset, lo, refused]);
      expect(refuses(guest, MSR.MC0_CTL, 0xffff_fffe, 0xffff_ffff)).toBe(false);
      expect(read(guest, MSR.MC0_CTL + 2)).toBe(0x1234n);
      expect(read(guest, MSR.MC0_CTL + 4 * banks)).toBe("#GP");
      expect(refuses(guest, MSR.MCG_CAP, 0)).toBe(true);
    });

    test("IA32_FEATURE_CONTROL is locked once", (context) => {
      const list = makeSubject().engine.getMsrIndexList();
      context.skip(!list.includes(MSR.FEATURE_CONTROL), "the engine has no IA32_FEATURE_CONTROL");
      const guest = guestOf();
      expect(refuses(guest, MSR.FEATURE_CONTROL, 1 << 30)).toBe(true);
      expect(refuses(guest, MSR.FEATURE_CONTROL, 1)).toBe(false);
      expect([read(guest, MSR.FEATURE_CONTROL), refuses(guest, MSR.FEATURE_CONTROL, 1)]).toEqual([1n, true]);
    });

    test("IA32_MISC_ENABLE: what is unavailable stays so", () => {
      needProcessor(makeSubject(), "takes what a processor refuses in MSRs");
      const guest = guestOf();
      const value = Number(read(guest, MSR.MISC_ENABLE));
      expect(refuses(guest, MSR.MISC_ENABLE, value ^ 0x800)).toBe(true);
      expect(refuses(guest, MSR.MISC_ENABLE, value | 0x40_0000)).toBe(false);
      expect(read(guest, MSR.MISC_ENABLE)).toBe(BigInt(value | 0x40_0000));
    });

    test("IA32_TSC_ADJUST moves with the counter, and the counter with it [SDM 3B 18.17.3]", () => {
      needProcessor(makeSubject(), "reads the host's TSC");
      const guest = guestOf();
      expect(read(guest, MSR.TSC_ADJUST)).toBe(0n);
      expect(refuses(guest, MSR.TSC_ADJUST, 0, 0x100)).toBe(false);
      expect(BigInt(read(guest, MSR.TSC)) >> 40n).toBe(1n);
      expect(refuses(guest, MSR.TSC, 0)).toBe(false);
      expect(BigInt.asIntN(64, BigInt(read(guest, MSR.TSC_ADJUST)))).toBeLessThan(0n);
      const entries = [{ index: MSR.TSC, data: 1n << 44n }];
      const before = read(guest, MSR.TSC_ADJUST);
      guest.vcpu.setMsrs(create(kvm_msrs, { nmsrs: 1, entries }));
      expect([read(guest, MSR.TSC_ADJUST), BigInt(read(guest, MSR.TSC)) >> 44n]).toEqual([before, 1n]);
    });

    test("CPUID can be kept from programs", () => {
      needProcessor(makeSubject(), "takes what a processor refuses in MSRs");
      const guest = guestOf();
      expect(BigInt(read(guest, MSR.PLATFORM_INFO)) & 0x8000_0000n).toBe(0x8000_0000n);
      expect(refuses(guest, MSR.MISC_FEATURES_ENABLES, 2)).toBe(true);
      expect(refuses(guest, MSR.MISC_FEATURES_ENABLES, 1)).toBe(false);
      expect(faults(guest, code().bytes(0x0f, 0xa2))).toBe(false);
    });
  });

  describe("lists of model-specific registers", () => {
    test("all that are to be saved can be read and set again", () => {
      const guest = new Guest(makeSubject(), "protected", { irqchip: true });
      for (const index of makeSubject().engine.getMsrIndexList()) {
        const msrs = create(kvm_msrs, { nmsrs: 1, entries: [{ index }] });
        if (guest.vcpu.getMsrs(msrs) === 1) expect([index, guest.vcpu.setMsrs(msrs)]).toEqual([index, 1]);
      }
    });

    test("those of features are read without a vCPU", (context) => {
      need(context, makeSubject(), "KVM_CAP_GET_MSR_FEATURES");
      const { engine } = makeSubject();
      const list = engine.getMsrFeatureIndexList();
      expect(list).toContain(MSR.ARCH_CAPABILITIES);
      const msrs = create(kvm_msrs, { nmsrs: list.length, entries: [...list].map((index) => ({ index })) });
      expect(engine.getMsrs(msrs)).toBe(list.length);
      expect(engine.getMsrs(create(kvm_msrs, { nmsrs: 1, entries: [{ index: 0x1234_5678 }] }))).toBe(0);
    });
  });
}
