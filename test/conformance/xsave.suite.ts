import { describe, expect, test } from "vitest";
import { create } from "../../src/base/struct-layout.ts";
import * as CAP from "../../src/spec/kvm/capability.ts";
import { kvm_xcrs } from "../../src/spec/kvm/vcpu-struct.ts";
import { XCR0 } from "../../src/spec/x86/control-register.ts";
import { FXSAVE } from "../../src/spec/x86/fxsave.ts";
import { XSAVE } from "../../src/spec/x86/xsave.ts";
import { Code } from "./assembler.ts";
import { AT, errnoOf, Guest, need, type Subject } from "./guest.ts";

/** KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XCRS, KVM_SET_XCRS. */
export function xsaveSuite(makeSubject: () => Subject): void {
  const guestOf = (): Guest => new Guest(makeSubject(), "long").start(new Code(64, AT.code).hlt());

  describe("XSAVE area and XCR0", () => {
    test("the XSAVE area", (context) => {
      need(context, makeSubject(), "KVM_CAP_XSAVE");
      const guest = guestOf();
      const area = guest.vcpu.getXsave();
      area.bytes.set(
        Uint8Array.from({ length: 256 }, (_, n) => n ^ 0x5a),
        FXSAVE.XMM0,
      );
      area.dataView.setUint16(FXSAVE.FCW, 0x27f, true);
      area.dataView.setUint32(FXSAVE.MXCSR, 0x1fa0, true);
      const pkru = area.dataView.getUint32(XSAVE.XSTATE_BV, true) & XCR0.PKRU;
      area.dataView.setUint32(XSAVE.XSTATE_BV, 3 | pkru, true);
      guest.vcpu.setXsave(area);
      guest.next();
      expect(guest.vcpu.getXsave().bytes).toEqual(area.bytes);
      expect(guest.vcpu.getFpu()).toMatchObject({ fcw: 0x27f });
      area.dataView.setUint32(XSAVE.XSTATE_BV + 4, 0x4000_0000, true);
      expect(errnoOf(() => guest.vcpu.setXsave(area))).toBe("EINVAL");
    });

    test("an XSAVE area with components that are not there, in compacted format, or with reserved bits", (context) => {
      need(context, makeSubject(), "KVM_CAP_XSAVE");
      const guest = guestOf();
      const wrong = (at: number, value: number): string => {
        const area = guest.vcpu.getXsave();
        area.dataView.setUint32(XSAVE.XSTATE_BV, 3, true);
        area.dataView.setUint32(at, value, true);
        return errnoOf(() => guest.vcpu.setXsave(area));
      };
      expect(wrong(XSAVE.XSTATE_BV, 0x4000_0000)).toBe("EINVAL");
      expect(wrong(XSAVE.XCOMP_BV + 4, 0x8000_0000)).toBe("EINVAL");
      expect(wrong(XSAVE.RESERVED, 1)).toBe("EINVAL");
      expect(wrong(XSAVE.EXTENDED - 4, 1)).toBe("EINVAL");
      expect(wrong(FXSAVE.MXCSR, 0x1_1f80)).toBe("EINVAL");
      expect(wrong(FXSAVE.MXCSR, 0x1f80)).toBe("");
    });

    test("components that an XSAVE area leaves out become initial", (context) => {
      need(context, makeSubject(), "KVM_CAP_XSAVE");
      const guest = guestOf();
      const area = guest.vcpu.getXsave();
      area.bytes.fill(1, FXSAVE.XMM0, FXSAVE.XMM0 + 256);
      area.dataView.setUint16(FXSAVE.FCW, 0x27f, true);
      area.dataView.setUint32(FXSAVE.MXCSR, 0x1fa0, true);
      area.dataView.setUint32(XSAVE.XSTATE_BV, 3, true);
      guest.vcpu.setXsave(area);
      expect(guest.vcpu.getXsave().dataView.getUint32(XSAVE.XSTATE_BV, true) & 3).toBe(3);
      area.dataView.setUint32(XSAVE.XSTATE_BV, 0, true);
      guest.vcpu.setXsave(area);
      const after = guest.vcpu.getXsave();
      expect(after.dataView.getUint16(FXSAVE.FCW, true)).toBe(0x37f);
      expect(after.dataView.getUint32(FXSAVE.MXCSR, true)).toBe(0x1f80);
      expect(after.bytes.subarray(FXSAVE.XMM0, FXSAVE.XMM0 + 256)).toEqual(new Uint8Array(256));
    });

    test("KVM_GET_XSAVE2 gives what KVM_GET_XSAVE gives", (context) => {
      need(context, makeSubject(), "KVM_CAP_XSAVE2");
      const guest = guestOf();
      const area = guest.vcpu.getXsave2();
      expect(area.bytes.length).toBe(makeSubject().engine.checkExtension(CAP.KVM_CAP_XSAVE2));
      expect(area.bytes).toEqual(guest.vcpu.getXsave().bytes);
    });

    test("upper halves of vector registers in the XSAVE area", (context) => {
      need(context, makeSubject(), "KVM_CAP_XSAVE");
      const guest = guestOf();
      const { entries, nent } = guest.vcpu.getCpuid2();
      const leaf = Array.from({ length: nent }, (_, n) => entries[n]!).find((e) => e.function === 13 && e.index === 0);
      context.skip(((leaf?.eax ?? 0) & 4) === 0, "the engine has no AVX");
      const area = guest.vcpu.getXsave();
      area.bytes.set(
        Uint8Array.from({ length: 256 }, (_, n) => n ^ 0xa5),
        XSAVE.AVX,
      );
      area.dataView.setUint32(XSAVE.XSTATE_BV, 4, true);
      guest.vcpu.setXsave(area);
      const now = guest.vcpu.getXsave();
      expect(now.dataView.getUint32(XSAVE.XSTATE_BV, true) & 4).toBe(4);
      expect(now.bytes.subarray(XSAVE.AVX, XSAVE.AVX + 256)).toEqual(area.bytes.subarray(XSAVE.AVX, XSAVE.AVX + 256));
    });

    test("PKRU is in the XSAVE area, and stays if the area has it not", (context) => {
      need(context, makeSubject(), "KVM_CAP_XSAVE");
      const guest = guestOf();
      const { entries, nent } = guest.vcpu.getCpuid2();
      const leaf = Array.from({ length: nent }, (_, n) => entries[n]!).find((e) => e.function === 13 && e.index === 9);
      context.skip(leaf === undefined, "the engine has no PKRU");
      const pkru = (): number => guest.vcpu.getXsave().dataView.getUint32(leaf!.ebx, true);
      const area = guest.vcpu.getXsave();
      area.dataView.setUint32(leaf!.ebx, 0x5555_5554, true);
      area.dataView.setUint32(XSAVE.XSTATE_BV, XCR0.PKRU, true);
      guest.vcpu.setXsave(area);
      expect(pkru()).toBe(0x5555_5554);
      area.dataView.setUint32(XSAVE.XSTATE_BV, 3, true);
      guest.vcpu.setXsave(area);
      expect(pkru()).toBe(0x5555_5554);
    });

    test("XCR0", (context) => {
      need(context, makeSubject(), "KVM_CAP_XCRS");
      const guest = guestOf();
      const xcrs = create(kvm_xcrs, { nr_xcrs: 1 });
      xcrs.xcrs[0]!.value_num = 3;
      guest.vcpu.setXcrs(xcrs);
      expect(guest.vcpu.getXcrs().xcrs[0]!.value_num).toBe(3);
      for (const impossible of [2, 0, 0x4000_0001, 0x1_0000_0001]) {
        xcrs.xcrs[0]!.value_num = impossible;
        expect(errnoOf(() => guest.vcpu.setXcrs(xcrs))).toBe("EINVAL");
      }
    });
  });
}
