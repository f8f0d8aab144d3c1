import { describe, expect, test } from "vitest";
import { create } from "../../src/base/struct-layout.ts";
import { CoalescedRing } from "../../src/kvm/coalesced-ring.ts";
import { DirtyRing } from "../../src/kvm/dirty-ring.ts";
import * as CAP from "../../src/spec/kvm/capability.ts";
import {
  KVM_EXIT_X86_RDMSR,
  KVM_EXIT_X86_WRMSR,
  KVM_MSR_EXIT_REASON_FILTER,
  KVM_MSR_EXIT_REASON_UNKNOWN,
} from "../../src/spec/kvm/exit.ts";
import { KVM_SREGS2_FLAGS_PDPTRS_VALID, kvm_nested_state } from "../../src/spec/kvm/vcpu-struct.ts";
import {
  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_MSR_FILTER_DEFAULT_ALLOW,
  KVM_MSR_FILTER_READ,
  KVM_MSR_FILTER_WRITE,
  kvm_coalesced_mmio_zone,
  kvm_enable_cap,
} from "../../src/spec/kvm/vm-struct.ts";
import { CR0, CR4 } from "../../src/spec/x86/control-register.ts";
import { MSR } from "../../src/spec/x86/msr.ts";
import { Code, IF, R } from "./assembler.ts";
import { AT, errnoOf, Guest, need, needProcessor, type Subject } from "./guest.ts";

const PAGE = 0x1000;
const PLACE = 0x10_0000;
const PORT = 0x80;
const HLT = { exit: "KVM_EXIT_HLT" };
const SPARE_MSR = 0x1234_5678;

/** What an engine may have or not: each by its capability, and an unknown ioctl without it. */
export function optionalSuite(makeSubject: () => Subject): void {
  const program = (): Code => new Code(32, AT.code);
  const guestOf = (code: Code): Guest => new Guest(makeSubject(), "protected").start(code);
  const enable = (guest: Guest, cap: number, value: number): void =>
    guest.vm.enableCap(create(kvm_enable_cap, { cap, args: [value] }));
  const write = (page: number): Code =>
    program()
      .storeImmediate(PLACE + page * PAGE, 1)
      .hlt();

  describe("optional capabilities", () => {
    test("KVM_CLEAR_DIRTY_LOG: reading the log leaves it, clearing begins anew", (context) => {
      need(context, makeSubject(), "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
      const guest = guestOf(write(2));
      enable(guest, CAP.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
      guest.addMemory(5, PLACE, 64 * PAGE, KVM_MEM_LOG_DIRTY_PAGES);
      const log = (): number => {
        const bitmap = new Uint8Array(8);
        guest.vm.getDirtyLog(5, bitmap);
        return bitmap[0]!;
      };
      guest.next();
      expect([log(), log()]).toEqual([4, 4]);
      guest.vm.clearDirtyLog(5, 0, 64, Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0));
      expect(log()).toBe(0);
      guest.setRegs({ rip: AT.code });
      guest.next();
      expect(log()).toBe(4);
    });

    test("KVM_CLEAR_DIRTY_LOG of what is no piece of a log", (context) => {
      need(context, makeSubject(), "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
      const guest = guestOf(write(2));
      guest.addMemory(5, PLACE, 128 * PAGE, KVM_MEM_LOG_DIRTY_PAGES);
      const clear = (slot: number, first: number, pages: number): string | undefined =>
        errnoOf(() => guest.vm.clearDirtyLog(slot, first, pages, new Uint8Array(32)));
      const errors = [clear(5, 1, 64), clear(5, 0, 63), clear(5, 64, 128), clear(5, 192, 64), clear(6, 0, 64)];
      expect(errors).toEqual(["EINVAL", "EINVAL", "EINVAL", "EINVAL", "ENOENT"]);
    });

    test("dirty ring: slot and page of every write, until it is reset", (context) => {
      const subject = makeSubject();
      need(context, subject, "KVM_CAP_DIRTY_LOG_RING");
      const guest = new Guest(subject, "protected", { dirtyRing: 0x1_0000 }).start(write(3));
      guest.addMemory(5, PLACE, 64 * PAGE, KVM_MEM_LOG_DIRTY_PAGES);
      const ring = new DirtyRing(guest.vcpu.dirtyRing!);
      const harvest = (): [number, number][] => {
        const pages: [number, number][] = [];
        ring.harvest((slot, page) => pages.push([slot, page]));
        return pages.filter(([slot]) => slot === 5);
      };
      guest.next();
      expect(harvest()).toEqual([[5, 3]]);
      expect(guest.vm.resetDirtyRings()).toBeGreaterThan(0);
      guest.setRegs({ rip: AT.code });
      guest.next();
      expect(harvest()).toEqual([[5, 3]]);
    });

    test("coalesced MMIO: writes wait in the ring, reads leave", (context) => {
      need(context, makeSubject(), "KVM_CAP_COALESCED_MMIO");
      const code = program()
        .storeImmediate(AT.hole, 0x11)
        .storeImmediate(AT.hole + 4, 0x22);
      const guest = guestOf(code.load(4, R.cx, AT.hole + 4).storeImmediate(AT.hole, 0x33));
      guest.vm.registerCoalescedMmio(create(kvm_coalesced_mmio_zone, { addr: AT.hole, size: 8 }));
      expect(guest.next()).toEqual({ read: AT.hole + 4, length: 4 });
      const seen: unknown[] = [];
      const ring = new CoalescedRing(guest.vcpu.kvmRun);
      expect(ring.drain((...write) => seen.push(write))).toBe(2);
      expect(seen).toEqual([
        [AT.hole, 4, 0x11, 0, false],
        [AT.hole + 4, 4, 0x22, 0, false],
      ]);
      guest.vm.unregisterCoalescedMmio(create(kvm_coalesced_mmio_zone, { addr: AT.hole, size: 8 }));
      expect(guest.next()).toEqual({ write: AT.hole, length: 4, data: 0x33n });
    });

    test("coalesced MMIO: a full ring leaves", (context) => {
      need(context, makeSubject(), "KVM_CAP_COALESCED_MMIO");
      const loop = program().mov(R.cx, 200).label("again").storeImmediate(AT.hole, 0x11);
      const guest = guestOf(loop.bytes(0xff, 0xc9).jumpIf(IF.notZero, "again").hlt()); // dec ecx
      guest.vm.registerCoalescedMmio(create(kvm_coalesced_mmio_zone, { addr: AT.hole, size: 4 }));
      expect(guest.next()).toEqual({ write: AT.hole, length: 4, data: 0x11n });
      // a page holds 170 entries; the one before the first stays empty
      expect(new CoalescedRing(guest.vcpu.kvmRun).drain(() => {})).toBe(169);
      expect(guest.next()).toEqual(HLT);
      const wrong = create(kvm_coalesced_mmio_zone, { addr: AT.hole, size: 4, pio: 2 });
      expect(errnoOf(() => guest.vm.registerCoalescedMmio(wrong))).toBe("EINVAL");
    });

    test("coalesced ports", (context) => {
      need(context, makeSubject(), "KVM_CAP_COALESCED_PIO");
      const guest = guestOf(program().outTo(1, PORT, 7).outTo(2, PORT, 0x1234).hlt());
      guest.vm.registerCoalescedMmio(create(kvm_coalesced_mmio_zone, { addr: PORT, size: 2, pio: 1 }));
      expect(guest.next()).toEqual(HLT);
      const seen: unknown[] = [];
      new CoalescedRing(guest.vcpu.kvmRun).drain((address, length, lo, _hi, isPort) =>
        seen.push([address, length, lo & (2 ** (8 * length) - 1), isPort]),
      );
      expect(seen).toEqual([
        [PORT, 1, 7, true],
        [PORT, 2, 0x1234, true],
      ]);
    });

    test("MSRs that a filter denies are user space's", (context) => {
      need(context, makeSubject(), "KVM_CAP_X86_MSR_FILTER");
      need(context, makeSubject(), "KVM_CAP_X86_USER_SPACE_MSR");
      const guest = guestOf(program().rdmsr(SPARE_MSR).wrmsr(SPARE_MSR, 0x11, 0x22).hlt());
      enable(guest, CAP.KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
      const flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
      guest.vm.setMsrFilter({
        flags: KVM_MSR_FILTER_DEFAULT_ALLOW,
        ranges: [{ flags, base: SPARE_MSR, nmsrs: 8, bitmap: Uint8Array.of(0xfe) }],
      });
      guest.next();
      expect(guest.exit.reason).toBe(KVM_EXIT_X86_RDMSR);
      expect(guest.exit.msr).toMatchObject({ index: SPARE_MSR, reason: KVM_MSR_EXIT_REASON_FILTER });
      guest.exit.msr.setValue(0x1234, 0x5678);
      guest.next();
      expect(guest.exit.reason).toBe(KVM_EXIT_X86_WRMSR);
      expect(guest.exit.msr).toMatchObject({ index: SPARE_MSR, lo: 0x11, hi: 0x22 });
      expect(guest.next()).toEqual(HLT);
    });

    test("MSRs that are denied or unknown: #GP, from the kernel or from user space", (context) => {
      need(context, makeSubject(), "KVM_CAP_X86_MSR_FILTER");
      need(context, makeSubject(), "KVM_CAP_X86_USER_SPACE_MSR");
      const guest = guestOf(program().rdmsr(MSR.SYSENTER_CS).hlt());
      const handler = new Code(32, AT.code + 0x800).outTo(1, PORT, 13).hlt();
      guest.place(handler);
      guest.gate(13, handler.origin);
      const flags = KVM_MSR_FILTER_READ;
      const denied = { flags, base: MSR.SYSENTER_CS, nmsrs: 1, bitmap: Uint8Array.of(0) };
      guest.vm.setMsrFilter({ flags: KVM_MSR_FILTER_DEFAULT_ALLOW, ranges: [denied] });
      expect(guest.next()).toEqual({ out: PORT, size: 1, data: [13] });
      guest.next();
      enable(guest, CAP.KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN);
      guest.start(program().rdmsr(SPARE_MSR).hlt());
      guest.next();
      expect(guest.exit.reason).toBe(KVM_EXIT_X86_RDMSR);
      expect(guest.exit.msr).toMatchObject({ index: SPARE_MSR, reason: KVM_MSR_EXIT_REASON_UNKNOWN });
      guest.exit.msr.error = true;
      expect(guest.next()).toEqual({ out: PORT, size: 1, data: [13] });
      const wrong = { flags: 4, base: 0, nmsrs: 1, bitmap: Uint8Array.of(0) };
      expect(errnoOf(() => guest.vm.setMsrFilter({ flags: 0, ranges: [wrong] }))).toBe("EINVAL");
      expect(errnoOf(() => guest.vm.setMsrFilter({ flags: 1, ranges: [] }))).toBe("EINVAL");
      expect(errnoOf(() => enable(guest, CAP.KVM_CAP_X86_USER_SPACE_MSR, 8))).toBe("EINVAL");
    });

    test("KVM_GET_SREGS2 gives what KVM_GET_SREGS gives, and takes it back", (context) => {
      need(context, makeSubject(), "KVM_CAP_SREGS2");
      const guest = guestOf(program().hlt());
      const sregs = guest.vcpu.getSregs2();
      expect(sregs.bytes.subarray(0, 280)).toEqual(guest.vcpu.getSregs().bytes.subarray(0, 280));
      sregs.fs.base_num = 0x1000;
      guest.vcpu.setSregs2(sregs);
      expect(guest.vcpu.getSregs().fs.base_num).toBe(0x1000);
      for (const flags of [KVM_SREGS2_FLAGS_PDPTRS_VALID, 2]) {
        sregs.flags_num = flags;
        expect(errnoOf(() => guest.vcpu.setSregs2(sregs))).toBe("EINVAL");
      }
    });

    test("KVM_SREGS2 has the table entries of PAE paging", (context) => {
      need(context, makeSubject(), "KVM_CAP_SREGS2");
      needProcessor(makeSubject(), "does not take PAE paging by KVM_SET_SREGS2");
      const guest = guestOf(program().hlt());
      const sregs = guest.vcpu.getSregs2();
      sregs.cr4_num = CR4.PAE;
      sregs.cr0_num = (sregs.cr0_lo | CR0.PG) >>> 0;
      sregs.flags_num = KVM_SREGS2_FLAGS_PDPTRS_VALID;
      sregs.pdptrs.set(1, 0x5001n);
      guest.vcpu.setSregs2(sregs);
      const got = guest.vcpu.getSregs2();
      expect([got.flags_num, got.pdptrs.get(1)]).toEqual([KVM_SREGS2_FLAGS_PDPTRS_VALID, 0x5001n]);
    });

    test("nested state is got and set", (context) => {
      need(context, makeSubject(), "KVM_CAP_NESTED_STATE");
      const guest = guestOf(program().hlt());
      const state = guest.vcpu.getNestedState();
      guest.vcpu.setNestedState(state);
      expect(guest.vcpu.getNestedState().bytes).toEqual(state.bytes);
      state.flags = 0xffff;
      expect(errnoOf(() => guest.vcpu.setNestedState(state))).toBe("EINVAL");
    });

    test("without nested state its calls are wrong arguments", (context) => {
      const subject = makeSubject();
      context.skip(subject.engine.checkExtension(CAP.KVM_CAP_NESTED_STATE) !== 0, "the engine has nested state");
      const guest = guestOf(program().hlt());
      expect(errnoOf(() => guest.vcpu.getNestedState())).toBe("EINVAL");
      expect(errnoOf(() => guest.vcpu.setNestedState(create(kvm_nested_state, { size: 128 })))).toBe("EINVAL");
    });

    test("what is absent is an unknown ioctl", () => {
      const { engine } = makeSubject();
      const guest = guestOf(program().hlt());
      const zone = create(kvm_coalesced_mmio_zone);
      const calls: [number, () => unknown][] = [
        [CAP.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, () => guest.vm.clearDirtyLog(0, 0, 64, new Uint8Array(8))],
        [CAP.KVM_CAP_DIRTY_LOG_RING, () => guest.vm.resetDirtyRings()],
        [CAP.KVM_CAP_COALESCED_MMIO, () => guest.vm.registerCoalescedMmio(zone)],
        [CAP.KVM_CAP_COALESCED_MMIO, () => guest.vm.unregisterCoalescedMmio(zone)],
        [CAP.KVM_CAP_X86_MSR_FILTER, () => guest.vm.setMsrFilter({ flags: 0, ranges: [] })],
        [CAP.KVM_CAP_SREGS2, () => guest.vcpu.getSregs2()],
        [CAP.KVM_CAP_X86_SMM, () => guest.vcpu.smi()],
      ];
      for (const [cap, call] of calls)
        if (engine.checkExtension(cap) === 0) expect([cap, errnoOf(call)]).toEqual([cap, "ENOTTY"]);
    });
  });
}
