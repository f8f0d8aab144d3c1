import { describe, expect, test } from "vitest";
import { create, type StructInit } from "../base/struct-layout.ts";
import { EINVAL } from "../spec/kvm/errno.ts";
import {
  KVM_MP_STATE_INIT_RECEIVED,
  kvm_debugregs,
  kvm_mp_state,
  kvm_sregs,
  kvm_vcpu_events,
  kvm_xcrs,
} from "../spec/kvm/vcpu-struct.ts";
import { CR4 } from "../spec/x86/control-register.ts";
import { checkCr4, checkDebugregs, checkMpState, checkSregs, checkVcpuEvents, checkXcrs } from "./state-rules.ts";

type Sregs = StructInit<typeof kvm_sregs>;
const real: Sregs = { cr0: 0x6000_0010 };
const paged32: Sregs = { cr0: 0x8005_0033, cr4: 0x10 };
const long: Sregs = { cr0: 0x8005_0033, cr4: 0x20, efer: 0xd01, cs: { l: 1 } };

describe("KVM_SET_SREGS", () => {
  test.each<[string, Sregs]>([
    ["reset", real],
    ["protected", { cr0: 0x11 }],
    ["32-bit paging", paged32],
    ["LME set before paging", { ...paged32, cr0: 0x33, efer: 0x100 }],
    ["64-bit", long],
    ["compatibility mode", { ...long, cs: { l: 0 } }],
    ["64-bit with PCID", { ...long, cr4: 0x2_0020 }],
  ])("takes %s", (_name, init) => {
    expect(checkSregs(create(kvm_sregs, init))).toBe(0);
  });

  test.each<[string, Sregs]>([
    ["paging without protection", { cr0: 0x8000_0010 }],
    ["NW without CD", { cr0: 0x2000_0010 }],
    ["long mode without PAE", { ...long, cr4: 0 }],
    ["LME and PG without LMA", { ...long, efer: 0x100 }],
    ["LMA without LME", { ...long, efer: 0x400 }],
    ["LMA without paging", { ...long, cr0: 0x33 }],
    ["64-bit code outside long mode", { ...paged32, cs: { l: 1 } }],
    ["PCID outside long mode", { ...paged32, cr4: 0x2_0020 }],
    ["a high half of CR0", { ...long, cr0: 0x1_8005_0033n }],
    ["a high half of CR4", { ...long, cr4: 0x1_0000_0020n }],
    ["a high half of EFER", { ...long, efer: 0x1_0000_0d01n }],
  ])("EINVAL: %s", (_name, init) => {
    expect(checkSregs(create(kvm_sregs, init))).toBe(EINVAL);
  });
});

test("KVM_SET_DEBUGREGS", () => {
  expect(checkDebugregs(create(kvm_debugregs, { db: [2n ** 63n], dr6: 0xffff_0ff0, dr7: 0x400 }))).toBe(0);
  for (const bad of [{ flags: 1 }, { dr6: 2 ** 32 }, { dr7: 2 ** 40 }])
    expect(checkDebugregs(create(kvm_debugregs, bad))).toBe(EINVAL);
});

test.each<[number, number, number]>([
  [1, 7, 0],
  [3, 7, 0],
  [7, 7, 0],
  [7, 3, EINVAL],
  [5, 7, EINVAL],
  [2, 7, EINVAL],
  [2 ** 32 + 1, 7, EINVAL],
  [1, 0, 0],
])("KVM_SET_XCRS: XCR0 %d where %d is supported", (value, supported, expected) => {
  expect(checkXcrs(create(kvm_xcrs, { nr_xcrs: 1, xcrs: [{ xcr: 0, value }] }), supported)).toBe(expected);
});

test("KVM_SET_XCRS: count, flags, other registers", () => {
  expect(checkXcrs(create(kvm_xcrs, { nr_xcrs: 17 }), 7)).toBe(EINVAL);
  expect(checkXcrs(create(kvm_xcrs, { flags: 1 }), 7)).toBe(EINVAL);
  expect(checkXcrs(create(kvm_xcrs, { nr_xcrs: 1, xcrs: [{ xcr: 1 }] }), 7)).toBe(0);
});

test("KVM_SET_VCPU_EVENTS", () => {
  expect(checkVcpuEvents(create(kvm_vcpu_events, { flags: 0xf, exception: { injected: 1, nr: 14 } }))).toBe(0);
  expect(checkVcpuEvents(create(kvm_vcpu_events, { exception: { injected: 0, nr: 99 } }))).toBe(0);
  expect(checkVcpuEvents(create(kvm_vcpu_events, { flags: 0x10 }))).toBe(EINVAL);
  for (const nr of [2, 32])
    expect(checkVcpuEvents(create(kvm_vcpu_events, { exception: { injected: 1, nr } }))).toBe(EINVAL);
});

test("KVM_SET_VCPU_EVENTS: no SMI for a vCPU that waits for its startup", () => {
  const events = (flags: number, smi: object) => create(kvm_vcpu_events, { flags, smi });
  for (const smi of [{ smm: 1 }, { pending: 1 }]) {
    expect(checkVcpuEvents(events(8, smi), KVM_MP_STATE_INIT_RECEIVED)).toBe(EINVAL);
    expect(checkVcpuEvents(events(0, smi), KVM_MP_STATE_INIT_RECEIVED)).toBe(0);
    expect(checkVcpuEvents(events(8, smi))).toBe(0);
  }
});

test("KVM_SET_MP_STATE", () => {
  const states = [0, 1, 2, 3, 4, 5, 9, 99];
  const check = (hasIrqchip: boolean) =>
    states.map((mp_state) => checkMpState(create(kvm_mp_state, { mp_state }), hasIrqchip) === 0);
  expect(check(true)).toEqual([true, true, true, true, true, false, false, false]);
  expect(check(false)).toEqual([true, false, false, false, false, false, false, false]);
  const held = states.map((mp_state) => checkMpState(create(kvm_mp_state, { mp_state }), true, true) === 0);
  expect(held).toEqual([true, true, false, true, false, false, false, false]);
});

test("CR4 follows CPUID", () => {
  const cpuid = { has: (feature: string) => feature === "umip" || feature === "xsave" };
  for (const bits of [0, CR4.PAE, CR4.UMIP, CR4.UMIP | CR4.OSXSAVE | CR4.PGE])
    expect([bits, checkCr4(bits, cpuid)]).toEqual([bits, 0]);
  for (const bits of [CR4.SMEP, CR4.PAE | CR4.PKE, CR4.LA57, CR4.VMXE])
    expect([bits, checkCr4(bits, cpuid)]).toEqual([bits, EINVAL]);
});
