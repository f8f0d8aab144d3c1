import { elf, join, multibootHeader, pvhNote } from "./kernel-files.ts";

// Guests of a few instructions: ELF kernels with a PVH entry, so they begin in 32-bit protected mode without paging.
// [Intel SDM 2] gives the opcodes.

const ENTRY = 0x10_0000;
const COM1 = 0x3f8;
const MODEM_CONTROL = COM1 + 4;
const LINE_STATUS = COM1 + 5;
const DEBUG_EXIT = 0xf4;

type Code = readonly number[];

const imm16 = (value: number): Code => [value & 0xff, value >>> 8];
const imm32 = (value: number): Code => [...imm16(value & 0xffff), ...imm16(value >>> 16)];
const movDx = (port: number): Code => [0x66, 0xba, ...imm16(port)];
const movAl = (value: number): Code => [0xb0, value];
const outDxAl: Code = [0xee];
const inAlDx: Code = [0xec];
const jmpShort = (distance: number): Code => [0xeb, distance & 0xff];

/** Writes text to COM1. */
export function print(text: string): Code {
  return [...movDx(COM1), ...[...new TextEncoder().encode(text)].flatMap((byte) => [...movAl(byte), ...outDxAl])];
}

/** Writes to COM1 for ever. */
export const flood: Code = [...movDx(COM1), ...movAl(0x78), ...outDxAl, ...jmpShort(-3)];

/** Writes `value` to the debug-exit port. */
export function debugExit(value: number): Code {
  return [...movDx(DEBUG_EXIT), ...movAl(value), ...outDxAl];
}

/** Does nothing for ever, with interrupts off. */
export const spin: Code = jmpShort(-2);

/** Sends back each byte that COM1 receives, until it is `last`. */
export function echoUntil(last: string): Code {
  const receive = [...movDx(LINE_STATUS), ...inAlDx, 0xa8, 0x01]; // test al, 1
  const wait = [...receive, 0x74, -(receive.length + 2) & 0xff]; // jz receive
  const echo = [...movDx(COM1), ...inAlDx, ...outDxAl, 0x3c, last.charCodeAt(0)]; // cmp al, last
  const readyToReceive = [...movDx(MODEM_CONTROL), ...movAl(0x03), ...outDxAl]; // DTR and RTS
  return [...readyToReceive, ...wait, ...echo, 0x75, -(wait.length + echo.length + 2) & 0xff]; // jne receive
}

/** Raises an exception that cannot be delivered: no IDT, so the processor shuts down. */
export const tripleFault: Code = [0x0f, 0x01, 0x1d, ...imm32(ENTRY + 9), 0x0f, 0x0b, ...imm32(0), ...imm16(0)]; // lidt; ud2

/** Resets the machine through the keyboard controller. */
export const reset: Code = [...movDx(0x64), ...movAl(0xfe), ...outDxAl, ...spin];

const store32 = (address: number, value: number): Code => [0xc7, 0x05, ...imm32(address), ...imm32(value)];

/** What a processor does that was started: it writes "A" to COM1, adds one to the byte at 7000H and halts. 16-bit code. */
const STARTED = [...[0xba, ...imm16(COM1)], ...movAl(0x41), ...outDxAl, 0xf0, 0xfe, 0x06, 0x00, 0x70, 0xf4, 0xeb, 0xfd];
const START_PAGE = 8;

/** Starts the other processors by INIT and a startup message to all of them, and waits until `count` run. [SDM 3A 11.4.4] */
export function startProcessors(count: number): Code {
  const code = new Int32Array(Uint8Array.from([...STARTED, 0, 0]).buffer);
  const put = [...code].flatMap((word, n) => store32((START_PAGE << 12) + 4 * n, word));
  const message = (icr: number) => store32(0xfee0_0300, 0xc_4000 | icr);
  const wait = [0x80, 0x3d, ...imm32(0x7000), count]; // cmp byte [7000H], count
  const start = [...store32(0xfee0_00f0, 0x1ff), ...message(0x500), ...message(0x600 | START_PAGE)];
  return [...store32(0x7000, 0), ...put, ...start, ...wait, 0x75, -(wait.length + 2) & 0xff];
}

/** The first instructions of a program: an interrupt line that stays high interrupts `count` times by the I/O APIC, each "L" on COM1. */
export function levelInterrupts(count: number): Code {
  const [vector, line, counter] = [0x50, 11, 0x7000];
  const setLine = (level: number) => [...movDx(0x2000 + line), ...movAl(level), ...outDxAl];
  const eoi = store32(0xfee0_00b0, 0);
  const sleep = [0xfb, 0xf4, ...jmpShort(-3)]; // sti; hlt; jmp hlt
  const ioapic = (register: number, value: number) => [
    ...store32(0xfec0_0000, register),
    ...store32(0xfec0_0010, value),
  ];
  const setUp = (handler: number): Code => [
    ...[0xbc, ...imm32(0x9000)], // mov esp
    ...store32(0x6008, 0xffff),
    ...store32(0x600c, 0xcf_9b00), // the descriptor of CS
    ...[...store32(0x6100, 0x6000_000f), ...store32(0x6104, 0)],
    ...[...store32(0x6110, 0x5000_07ff), ...store32(0x6114, 0)],
    ...[0x0f, 0x01, 0x15, ...imm32(0x6100), 0x0f, 0x01, 0x1d, ...imm32(0x6110)], // lgdt; lidt
    ...store32(0x5000 + 8 * vector, 0x8_0000 | (handler & 0xffff)),
    ...store32(0x5004 + 8 * vector, (handler & 0xffff_0000) | 0x8e00),
    ...store32(counter, 0),
    ...[...store32(0xfee0_00f0, 0x1ff), ...store32(0xfee0_0350, 0x1_0000)], // LINT0 is masked: nothing of the PIC
    ...[...ioapic(0x11 + 2 * line, 0), ...ioapic(0x10 + 2 * line, 0x8000 | vector)],
    ...setLine(1),
  ];
  const again = [...eoi, ...sleep];
  const handler = [
    ...print("L"),
    ...[0xff, 0x05, ...imm32(counter), 0x83, 0x3d, ...imm32(counter), count], // inc [counter]; cmp [counter], count
    ...[0x74, again.length, ...again], // je
  ];
  const start = setUp(0).length + sleep.length;
  return [...setUp(ENTRY + start), ...sleep, ...handler, ...setLine(0), ...eoi];
}

/** A kernel file of these instructions. */
export function program(...code: readonly Code[]): Uint8Array {
  return elf(32, ENTRY, [pvhNote(ENTRY, 32), { paddr: ENTRY, bytes: Uint8Array.from(code.flat()) }]);
}

/** Writes what multiboot tells to COM1: the command line, then the first 3 bytes of the first module. [Multiboot 0.6.96 3.3] */
const printBootInformation: Code = [
  ...movDx(COM1),
  ...[0x8b, 0x73, 16], // mov esi, [ebx + 16]: cmdline
  ...[0xac, 0x84, 0xc0, 0x74, 3, ...outDxAl, ...jmpShort(-8)], // lodsb; test al, al; jz; out; jmp lodsb
  ...[0x8b, 0x73, 24, 0x8b, 0x36], // mov esi, [ebx + 24]; mov esi, [esi]: mods_addr, mod_start
  ...[0xac, ...outDxAl, 0xac, ...outDxAl, 0xac, ...outDxAl],
];

/** A multiboot kernel that shows what it was given and ends with `status` at the debug-exit port. */
export function multibootProgram(status: number): Uint8Array {
  const header = multibootHeader(3).subarray(0, 12);
  const code = Uint8Array.from([...printBootInformation, ...debugExit(status)]);
  return elf(32, ENTRY + header.length, [{ paddr: ENTRY, bytes: join([header, code]) }]);
}
