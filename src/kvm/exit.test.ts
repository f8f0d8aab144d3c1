import { describe, expect, test } from "vitest";
import { view } from "../base/struct-layout.ts";
import {
  KVM_EXIT_HLT,
  KVM_EXIT_HYPERCALL,
  KVM_EXIT_IO,
  KVM_EXIT_IO_IN,
  KVM_EXIT_IO_OUT,
  KVM_EXIT_MMIO,
  KVM_INTERNAL_ERROR_EMULATION,
  KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
} from "../spec/kvm/exit.ts";
import { kvm_run } from "../spec/kvm/run-struct.ts";
import { describeExit, ExitView, PIO_DATA_OFFSET } from "./exit.ts";

/** A page as the kernel fills it, and the two ways to look at it. */
function page() {
  const bytes = new Uint8Array(new SharedArrayBuffer(0x3000));
  return { bytes, run: view(kvm_run, bytes), exit: new ExitView(bytes) };
}

describe("ExitView reads what the kernel writes", () => {
  test("port output with several items", () => {
    const { bytes, run, exit } = page();
    run.exit_reason = KVM_EXIT_IO;
    Object.assign(run.io, { direction: KVM_EXIT_IO_OUT, size: 2, port: 0x3f8, count: 3, data_offset_num: 0x1000 });
    bytes.set([0x34, 0x12, 0xff, 0xff, 0xcd, 0xab], 0x1000);
    const { io } = exit;
    expect([exit.reason, io.direction, io.size, io.port, io.count, io.dataOffset]).toEqual([
      KVM_EXIT_IO,
      KVM_EXIT_IO_OUT,
      2,
      0x3f8,
      3,
      0x1000,
    ]);
    expect([0, 1, 2].map((index) => io.value(index))).toEqual([0x1234, 0xffff, 0xabcd]);
  });

  test.each([
    [1, 0x78],
    [2, 0x5678],
    [4, 0x9234_5678],
  ])("answers port input of %d bytes", (size, expected) => {
    const { bytes, run, exit } = page();
    Object.assign(run.io, { direction: KVM_EXIT_IO_IN, size, port: 0x60, count: 2, data_offset_num: 0x1000 });
    exit.io.setValue(1, 0x9234_5678);
    expect(exit.io.value(1)).toBe(expected);
    expect(exit.io.value(0)).toBe(0);
    expect(bytes.subarray(0x1000 + 2 * size, 0x1010).every((byte) => byte === 0)).toBe(true);
  });

  test.each([
    [1, 0x88, 0],
    [2, 0x7788, 0],
    [3, 0x66_7788, 0],
    [4, 0xd566_7788, 0],
    [5, 0xd566_7788, 0x44],
    [8, 0xd566_7788, 0x8122_3344],
  ])("MMIO write of %d bytes", (length, lo, hi) => {
    const { run, exit } = page();
    Object.assign(run.mmio, { phys_addr: 0xf_fee0_0300n, len: length, is_write: 1 });
    run.mmio.data.set([0x88, 0x77, 0x66, 0xd5, 0x44, 0x33, 0x22, 0x81]);
    const { mmio } = exit;
    expect([mmio.physAddr, mmio.length, mmio.isWrite, mmio.lo, mmio.hi]).toEqual([0xf_fee0_0300, length, true, lo, hi]);
  });

  test("MSR and hypercall", () => {
    const { run, exit } = page();
    Object.assign(run.msr, { reason: 2, index: 0xc000_0080, data: 0x8000_0001_f000_0002n });
    expect([exit.msr.index, exit.msr.reason, exit.msr.lo, exit.msr.hi]).toEqual([
      0xc000_0080, 2, 0xf000_0002, 0x8000_0001,
    ]);
    exit.msr.error = true;
    exit.msr.setValue(1, 2);
    expect([run.msr.error, run.msr.data]).toEqual([1, 0x2_0000_0001n]);

    run.hypercall.nr = 12n;
    run.hypercall.args.set(5, 2n ** 40n);
    run.hypercall.longmode = 1;
    exit.hypercall.setResult(5, 6);
    expect([exit.hypercall.nr, exit.hypercall.argument(5), exit.hypercall.longmode]).toEqual([12, 2 ** 40, true]);
    expect(run.hypercall.ret).toBe(0x6_0000_0005n);
  });

  test("the header, both ways", () => {
    const { run, exit } = page();
    run.cr8 = 5n;
    run.apic_base = 0xfee0_0900n;
    run.if_flag = 1;
    run.ready_for_interrupt_injection = 1;
    expect([exit.cr8, exit.apicBase, exit.ifFlag, exit.readyForInterruptInjection]).toEqual([
      5,
      0xfee0_0900,
      true,
      true,
    ]);
    exit.immediateExit = true;
    exit.requestInterruptWindow = true;
    exit.cr8 = 9;
    expect([run.immediate_exit, run.request_interrupt_window, run.cr8]).toEqual([1, 1, 9n]);
    expect([exit.immediateExit, exit.requestInterruptWindow]).toEqual([true, true]);
  });
});

describe("a software engine fills the page as the kernel does", () => {
  test("port I/O, whose data lies in the second page", () => {
    const { run, exit } = page();
    exit.io.fill(KVM_EXIT_IO_OUT, 4, 0xcf8, 1);
    exit.io.setValue(0, 0x8000_0000);
    expect(run.io).toMatchObject({ direction: 1, size: 4, port: 0xcf8, count: 1, data_offset: 4096n });
    expect(PIO_DATA_OFFSET).toBe(4096);
    expect(run.dataView.getUint32(0x20, true)).toBe(0x0cf8_0401);
  });

  test("MMIO", () => {
    const { run, exit } = page();
    exit.mmio.fill(0x12_3456_789a, 8, true, 0x8000_0001, 0x8000_0002);
    expect([run.mmio.phys_addr, run.mmio.len, run.mmio.is_write]).toEqual([0x12_3456_789an, 8, 1]);
    expect([exit.mmio.lo, exit.mmio.hi]).toEqual([0x8000_0001, 0x8000_0002]);
    exit.mmio.fill(0xfee0_0000, 4, false);
    exit.mmio.setValue(0xffff_ffff, 0);
    expect([exit.mmio.physAddr, exit.mmio.isWrite, exit.mmio.lo]).toEqual([0xfee0_0000, false, 0xffff_ffff]);
  });

  test("MSR, without the last answer's error", () => {
    const { run, exit } = page();
    exit.msr.error = true;
    exit.msr.fill(0x1b, 4, 5, 6);
    expect(run.msr).toMatchObject({ error: 0, reason: 4, index: 0x1b, data: 0x6_0000_0005n });
  });

  test("the state after a run", () => {
    const { run, exit } = page();
    run.flags = 3;
    exit.fillState(true, false, 7, 0x1_fee0_0800);
    expect(run).toMatchObject({ if_flag: 1, ready_for_interrupt_injection: 0, flags: 0, cr8: 7n });
    expect(run.apic_base).toBe(0x1_fee0_0800n);
    exit.fillState(true, false, 7, 0, true);
    expect(run.flags).toBe(1);
  });

  test("an instruction that cannot be emulated, at most 15 bytes", () => {
    const { run, exit } = page();
    const flag = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
    exit.fillEmulationFailure(KVM_INTERNAL_ERROR_EMULATION, flag, new Uint8Array(20).fill(0x66));
    exit.fillEmulationFailure(KVM_INTERNAL_ERROR_EMULATION, flag, Uint8Array.of(0x0f, 0xff));
    const { emulation_failure: failure } = run;
    expect([exit.internalSuberror, failure.ndata, failure.flags, failure.insn_size]).toEqual([1, 3, 1n, 2]);
    expect([...failure.insn_bytes]).toEqual([0x0f, 0xff, ...new Array<number>(13).fill(0)]);
  });

  test("a debug exit", () => {
    const { run, exit } = page();
    exit.fillDebug(1, 0x8000_0000, 0xffff_ffff, 0x4ff0, 0x400);
    expect(run.debug.arch).toMatchObject({ exception: 1, pc: 0xffff_ffff_8000_0000n, dr6: 0x4ff0n, dr7: 0x400n });
    expect(exit.debugException).toBe(1);
  });
});

test("exits in words", () => {
  const { exit } = page();
  exit.reason = KVM_EXIT_IO;
  exit.io.fill(KVM_EXIT_IO_IN, 1, 0x64, 1);
  expect(describeExit(exit)).toBe("KVM_EXIT_IO: in port 0x64, 1 of 1 bytes");
  exit.reason = KVM_EXIT_MMIO;
  exit.mmio.fill(0xd000_0000, 4, true, 1);
  expect(describeExit(exit)).toBe("KVM_EXIT_MMIO: write of 4 bytes at 0xd0000000");
  exit.reason = KVM_EXIT_HLT;
  expect(describeExit(exit)).toBe("KVM_EXIT_HLT");
  exit.reason = KVM_EXIT_HYPERCALL;
  expect(describeExit(exit)).toBe("KVM_EXIT_HYPERCALL");
});
