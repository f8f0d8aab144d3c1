// bigint: a dump is made once, when the guest has ended
import { create } from "../base/struct-layout.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { kvm_translation } from "../spec/kvm/vcpu-struct.ts";

const GENERAL = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"] as const;
const EXTENDED = ["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const;
const POINTERS = ["rip", "rflags"] as const;
const CONTROL = ["cr0", "cr2", "cr3", "cr4", "efer"] as const;
const SEGMENTS = ["cs", "ss", "ds", "es", "fs", "gs", "ldt", "tr"] as const;
const TABLES = ["gdt", "idt"] as const;

type RegisterName =
  | (typeof GENERAL)[number]
  | (typeof EXTENDED)[number]
  | (typeof POINTERS)[number]
  | (typeof CONTROL)[number];

const INSTRUCTION_BYTES = 16;
const PAGE = 0x1000n;
const MASK_64 = (1n << 64n) - 1n;

/** A vCPU's state as a person reads it: plain data, in the order in which it is shown. */
export interface CpuDump {
  readonly vcpu: number;
  readonly registers: { readonly [name in RegisterName]: bigint };
  readonly segments: { readonly [name: string]: { selector: number; base: bigint; limit: number; type: number } };
  readonly tables: { readonly [name: string]: { base: bigint; limit: number } };
  /** The bytes from CS:RIP on, as many as are mapped to memory. */
  readonly instruction: readonly number[];
}

/** Reads the state of a vCPU that is out of the guest. */
export function dumpCpu(vcpu: Vcpu, memory: GuestMemory): CpuDump {
  const regs = vcpu.getRegs();
  const sregs = vcpu.getSregs();
  const segment = (name: (typeof SEGMENTS)[number]) => {
    const { selector, base, limit, type } = sregs[name];
    return { selector, base, limit, type };
  };
  return {
    vcpu: vcpu.id,
    registers: {
      ...pick([...GENERAL, ...EXTENDED, ...POINTERS], (name) => regs[name]),
      ...pick(CONTROL, (name) => sregs[name]),
    },
    segments: pick(SEGMENTS, segment),
    tables: pick(TABLES, (name) => ({ base: sregs[name].base, limit: sregs[name].limit })),
    instruction: instructionBytes(vcpu, memory, (sregs.cs.base + regs.rip) & MASK_64),
  };
}

/** The dump as lines of text. */
export function formatCpuDump(dump: CpuDump): string[] {
  const { registers } = dump;
  const row = (names: readonly RegisterName[]) =>
    names.map((name) => `${name.padEnd(3)} ${hex(registers[name], 16)}`).join(" ");
  const segments = Object.entries(dump.segments).map(
    ([name, { selector, base, limit, type }]) =>
      `${name.padEnd(3)} ${hex(selector, 4)} base ${hex(base, 16)} limit ${hex(limit, 8)} type ${hex(type, 1)}`,
  );
  const tables = Object.entries(dump.tables).map(
    ([name, { base, limit }]) => `${name}      base ${hex(base, 16)} limit ${hex(limit, 8)}`,
  );
  return [
    `vCPU ${dump.vcpu}`,
    ...[GENERAL.slice(0, 4), GENERAL.slice(4), EXTENDED.slice(0, 4), EXTENDED.slice(4)].map(row),
    `rip ${hex(registers.rip, 16)} rflags ${hex(registers.rflags, 8)}`,
    row(CONTROL.slice(0, 4)),
    `efer ${hex(registers.efer, 16)}`,
    ...segments,
    ...tables,
    `code ${dump.instruction.map((byte) => hex(byte, 2)).join(" ") || "not mapped"}`,
  ];
}

function pick<N extends string, T>(names: readonly N[], value: (name: N) => T): Record<N, T> {
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<N, T>;
}

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

function instructionBytes(vcpu: Vcpu, memory: GuestMemory, linear: bigint): number[] {
  const bytes: number[] = [];
  let page: number | undefined;
  for (let index = 0; index < INSTRUCTION_BYTES; index++) {
    const address = (linear + BigInt(index)) & MASK_64;
    if (index === 0 || address % PAGE === 0n) page = translatePage(vcpu, address - (address % PAGE));
    const gpa = (page ?? -1) + Number(address % PAGE);
    if (page === undefined || !memory.contains(gpa, 1)) break;
    bytes.push(memory.readU8(gpa));
  }
  return bytes;
}

function translatePage(vcpu: Vcpu, linear: bigint): number | undefined {
  const translation = vcpu.translate(create(kvm_translation, { linear_address: linear }));
  return translation.valid ? translation.physical_address_num : undefined;
}
