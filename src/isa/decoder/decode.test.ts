import { describe, expect, test } from "vitest";
import { disassemble } from "../disassembler.ts";
import { CPU, segmentOffset } from "../state.ts";
import { formOf } from "../table/forms.ts";
import { type CodeSize, DECODE, decode } from "./decode.ts";
import { slotField } from "./fields.ts";
import { FLAT, Instruction, NO_REGISTER, RIP } from "./instruction.ts";

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.split(" "), (byte) => Number.parseInt(byte, 16));
}

function status(hex: string, mode: CodeSize, available?: number): number {
  const bytes = bytesOf(hex);
  return decode(bytes, 0, available ?? bytes.length, mode, new Instruction());
}

function decoded(hex: string, mode: CodeSize): Instruction {
  const instruction = new Instruction();
  const bytes = bytesOf(hex);
  expect(decode(bytes, 0, bytes.length, mode, instruction), hex).toBe(DECODE.ok);
  return instruction;
}

/** Encodings with their text at address 0x1000; every byte belongs to the instruction. */
const GOLDEN: readonly (readonly [CodeSize, string, string])[] = [
  [64, "48 01 d8", "add rax,rbx"],
  [64, "01 d8", "add eax,ebx"],
  [64, "66 45 01 c8", "add r8w,r9w"],
  [64, "00 e7", "add bh,ah"],
  [64, "40 00 e7", "add dil,spl"],
  [64, "f0 48 83 45 08 ff", "lock add QWORD PTR [rbp+0x8],0xffffffffffffffff"],
  [64, "66 81 c1 34 12", "add cx,0x1234"],
  [64, "48 b8 88 77 66 55 44 33 22 11", "mov rax,0x1122334455667788"],
  [64, "49 c7 c7 fe ff ff ff", "mov r15,0xfffffffffffffffe"],
  [64, "48 a1 88 77 66 55 44 33 22 11", "mov rax,QWORD PTR ds:0x1122334455667788"],
  [64, "67 a1 44 33 22 11", "mov eax,DWORD PTR ds:0x11223344"],
  [64, "8b 05 10 00 00 00", "mov eax,DWORD PTR [rip+0x10]"],
  [64, "67 8b 05 10 00 00 00", "mov eax,DWORD PTR [eip+0x10]"],
  [64, "65 48 8b 04 25 28 00 00 00", "mov rax,QWORD PTR gs:0x28"],
  [64, "4a 8d 44 a3 f0", "lea rax,[rbx+r12*4-0x10]"],
  [64, "43 8b 44 25 00", "mov eax,DWORD PTR [r13+r12]"],
  [64, "8f 44 24 08", "pop QWORD PTR [rsp+0x8]"],
  [64, "41 57", "push r15"],
  [64, "66 50", "push ax"],
  [64, "6a ff", "push 0xffffffffffffffff"],
  [64, "e8 00 01 00 00", "call 0x1105"],
  [64, "66 e8 00 01 00 00", "call 0x1106"],
  [64, "ff 25 00 10 00 00", "jmp QWORD PTR [rip+0x1000]"],
  [64, "0f 84 fa ff ff ff", "jz 0x1000"],
  [64, "e3 fe", "jrcxz 0x1000"],
  [64, "67 e3 fd", "jecxz 0x1000"],
  [64, "90", "nop"],
  [64, "f3 90", "pause"],
  [64, "49 90", "xchg r8,rax"],
  [64, "0f 1f 84 00 00 00 00 00", "nop DWORD PTR [rax+rax]"],
  [64, "f3 0f 1e fa", "nop edx"],
  [64, "f3 48 a5", "rep movs QWORD PTR es:[rdi],QWORD PTR ds:[rsi]"],
  [64, "f2 ae", "repne scas al,BYTE PTR es:[rdi]"],
  [64, "48 63 c8", "movsxd rcx,eax"],
  [64, "0f b6 c4", "movzx eax,ah"],
  [64, "f0 48 0f c7 0f", "lock cmpxchg16b XMMWORD PTR [rdi]"],
  [64, "0f c7 4f 08", "cmpxchg8b QWORD PTR [rdi+0x8]"],
  [64, "66 f3 0f b8 c1", "popcnt ax,cx"],
  [64, "66 f2 0f 38 f1 c1", "crc32 eax,cx"],
  [64, "0f 38 f0 07", "movbe eax,DWORD PTR [rdi]"],
  [64, "c8 10 00 02", "enter 0x10,0x2"],
  [64, "48 98", "cdqe"],
  [64, "0f 20 d8", "mov rax,cr3"],
  [64, "0f 20 18", "mov rax,cr3"],
  [64, "2e 48 8b 00", "mov rax,QWORD PTR [rax]"],
  [32, "40", "inc eax"],
  [32, "66 8b 07", "mov ax,WORD PTR [edi]"],
  [32, "67 8b 47 02", "mov eax,DWORD PTR [bx+0x2]"],
  [32, "65 a1 14 00 00 00", "mov eax,DWORD PTR gs:0x14"],
  [32, "ea 44 33 22 11 10 00", "jmpf 0x10:0x11223344"],
  [32, "c4 07", "les eax,FWORD PTR [edi]"],
  [32, "62 07", "bound eax,QWORD PTR [edi]"],
  [32, "60", "pusha"],
  [32, "d4 0a", "aam 0xa"],
  [32, "8d 74 26 00", "lea esi,[esi]"],
  [32, "63 c8", "arpl ax,cx"],
  [64, "c4 e2 70 f2 c2", "andn eax,ecx,edx"],
  [64, "c4 42 b0 f2 07", "andn r8,r9,QWORD PTR [r15]"],
  [64, "c4 e3 fb f0 05 10 00 00 00 07", "rorx rax,QWORD PTR [rip+0x10],0x7"],
  [64, "67 c4 e2 78 f3 1c 8b", "blsi eax,DWORD PTR [ebx+ecx*4]"],
  [32, "c4 e2 f0 f2 c2", "andn eax,ecx,edx"],
  [32, "c4 c2 30 f2 c2", "andn eax,ecx,edx"],
  [32, "c5 07", "lds eax,FWORD PTR [edi]"],
  [16, "c4 e2 70 f2 c2", "andn eax,ecx,edx"],
  [16, "8b 07", "mov ax,WORD PTR [bx]"],
  [16, "8b 42 fe", "mov ax,WORD PTR [bp+si-0x2]"],
  [16, "66 67 8b 04 8b", "mov eax,DWORD PTR [ebx+ecx*4]"],
  [16, "26 a1 34 12", "mov ax,WORD PTR es:0x1234"],
  [16, "e9 fd ff", "jmp 0x1000"],
  [16, "66 68 78 56 34 12", "push 0x12345678"],
];

describe("length and text", () => {
  for (const [mode, hex, text] of GOLDEN) {
    test(`${hex} in ${mode}-bit code`, () => {
      const instruction = decoded(hex, mode);
      expect(disassemble(instruction, 0x1000n)).toBe(text);
      expect(instruction.length).toBe(bytesOf(hex).length);
    });
  }

  test("every shorter piece of an instruction needs more bytes", () => {
    for (const [mode, hex] of GOLDEN) {
      for (let available = 0; available < bytesOf(hex).length; available++) {
        expect(status(hex, mode, available), `${available} bytes of ${hex}`).toBe(DECODE.more);
      }
    }
  });
});

describe("validity", () => {
  test("LOCK is for memory destinations of instructions that allow it", () => {
    expect(status("f0 01 07", 64)).toBe(DECODE.ok);
    expect(status("f0 01 c7", 64)).toBe(DECODE.invalid);
    expect(status("f0 03 07", 64)).toBe(DECODE.invalid);
    expect(status("f0 39 07", 64)).toBe(DECODE.invalid);
    expect(status("f0 87 07", 64)).toBe(DECODE.ok);
  });

  test("15 bytes are the limit", () => {
    expect(status(`${"66 ".repeat(14)}90`, 64)).toBe(DECODE.ok);
    expect(status(`${"66 ".repeat(15)}90`, 64)).toBe(DECODE.tooLong);
    expect(status(`${"26 ".repeat(13)}8b 05 00 00 00 00`, 64)).toBe(DECODE.tooLong);
  });

  test("opcodes belong to modes", () => {
    for (const hex of ["06", "27", "60", "ce", "d4 0a", "9a 00 00 00 00 00 00", "82 c0 01", "c4 07 00 00", "62 07"]) {
      expect(status(hex, 64), hex).toBe(DECODE.invalid);
      expect(status(hex, 32), hex).toBe(DECODE.ok);
    }
    expect(status("0f 01 f8", 32)).toBe(DECODE.invalid);
    expect(status("0f 01 f8", 64)).toBe(DECODE.ok);
  });

  test("memory-only operands, group holes and registers that do not exist", () => {
    for (const hex of [
      "8d c0",
      "0f c7 c8",
      "fe d0",
      "ff f8",
      "8f c8",
      "c6 c8 00",
      "0f 20 c8",
      "8e c8",
      "8c f0",
      "0f 04",
    ]) {
      expect(status(hex, 64), hex).toBe(DECODE.invalid);
    }
    for (const hex of ["c4 c0 00 00", "c5 c0 00 00", "62 c0"]) expect(status(hex, 32), hex).toBe(DECODE.invalid);
  });
});

describe("VEX", () => {
  test("a legacy prefix or REX before it is #UD; address size and segment overrides are not", () => {
    for (const prefix of ["66", "f2", "f3", "f0", "48", "40"])
      expect(status(`${prefix} c4 e2 70 f2 c2`, 64), prefix).toBe(DECODE.invalid);
    for (const prefix of ["67", "64", "2e", "66 2e"])
      expect(status(`${prefix} c4 e2 70 f2 c2`, 64), prefix).toBe(prefix.length > 2 ? DECODE.invalid : DECODE.ok);
  });

  test("fields that an instruction does not use have one value", () => {
    expect(status("c4 e3 7b f0 c1 07", 64)).toBe(DECODE.ok);
    expect(status("c4 e3 73 f0 c1 07", 64)).toBe(DECODE.invalid);
    expect(status("c4 e2 74 f2 c2", 64)).toBe(DECODE.invalid);
  });

  test("outside 64-bit mode the top bit of vvvv names no register, and is still 1 where none is named", () => {
    expect(decoded("c4 c2 30 f2 c2", 32).vvvv).toBe(1);
    expect(status("c4 e3 7b f0 c1 07", 32)).toBe(DECODE.ok);
    expect(status("c4 e3 3b f0 c1 07", 32)).toBe(DECODE.invalid);
  });

  test("maps other than 1 to 3 are empty", () => {
    for (const map of ["e0", "e4", "ff"]) expect(status(`c4 ${map} 70 f2 c2`, 64), map).toBe(DECODE.invalid);
  });
});

describe("prefixes", () => {
  test("REX counts only directly before the opcode", () => {
    expect(formOf(decoded("48 66 01 d8", 64)).bits).toBe(16);
    expect(formOf(decoded("66 48 01 d8", 64)).bits).toBe(64);
    expect(decoded("48 66 01 d8", 64).rex).toBe(0);
  });

  test("the last override counts; those of ES, CS, SS and DS do not exist in 64-bit mode", () => {
    expect(decoded("64 65 8b 00", 64).segment).toBe(5);
    expect(decoded("64 3e 8b 00", 64).segment).toBe(4);
    expect(decoded("3e 8b 00", 64).segment).toBe(FLAT);
    expect(decoded("64 3e 8b 00", 32).segment).toBe(3);
  });

  test("of F2 and F3 the last one repeats", () => {
    expect(formOf(decoded("f2 f3 a6", 64)).rep).toBe("rep");
    expect(formOf(decoded("f3 f2 a6", 64)).rep).toBe("repne");
    expect(formOf(decoded("f2 a4", 64)).rep).toBe("rep");
    expect(formOf(decoded("f3 01 d8", 64)).rep).toBe("none");
  });
});

describe("fields", () => {
  test("default segments", () => {
    expect(decoded("8b 45 00", 32).segment).toBe(2);
    expect(decoded("8b 04 24", 32).segment).toBe(2);
    expect(decoded("8b 04 28", 32).segment).toBe(3);
    expect(decoded("8b 02", 16).segment).toBe(2);
    expect(decoded("8b 45 00", 64).segment).toBe(FLAT);
    expect(decoded("a4", 32).segment).toBe(3);
  });

  test("memory operands", () => {
    expect(decoded("43 8b 44 a5 80", 64)).toMatchObject({ base: 13, index: 12, scale: 2, dispLow: -128, dispHigh: -1 });
    expect(decoded("8b 04 25 00 00 00 80", 64)).toMatchObject({
      base: NO_REGISTER,
      index: NO_REGISTER,
      dispLow: -0x80000000,
      dispHigh: -1,
    });
    expect(decoded("8b 05 00 00 00 80", 64)).toMatchObject({ base: RIP, index: NO_REGISTER });
    expect(decoded("8b 05 00 00 00 80", 32)).toMatchObject({ base: NO_REGISTER, index: NO_REGISTER });
    expect(decoded("67 8b 00", 64).addressSize).toBe(32);
    expect(decoded("67 8b 00", 32)).toMatchObject({ addressSize: 16, base: 3, index: 6 });
    expect(decoded("48 a1 88 77 66 55 44 33 22 91", 64)).toMatchObject({
      dispLow: 0x55667788,
      dispHigh: 0x91223344 | 0,
    });
    expect(decoded("a1 ff ff", 16)).toMatchObject({ dispLow: 0xffff, dispHigh: 0 });
  });

  test("POP addresses memory after rSP moved", () => {
    expect(decoded("8f 04 24", 64)).toMatchObject({ base: 4, dispLow: 8, dispHigh: 0 });
    expect(decoded("8f 44 24 fc", 32)).toMatchObject({ dispLow: 0, dispHigh: 0 });
    expect(decoded("8f 00", 64)).toMatchObject({ dispLow: 0 });
  });

  test("immediates are sign-extended; far pointers and ENTER have two", () => {
    expect(decoded("6a 80", 64)).toMatchObject({ immLow: -128, immHigh: -1 });
    expect(decoded("48 b8 01 00 00 00 02 00 00 00", 64)).toMatchObject({ immLow: 1, immHigh: 2 });
    expect(decoded("ea fe ff ff ff 34 12", 32)).toMatchObject({ immLow: -2, immHigh: 0x1234 });
    expect(decoded("ea fe ff 34 12", 16)).toMatchObject({ immLow: 0xfffe, immHigh: 0x1234 });
    expect(decoded("c8 fe ff 03", 64).immLow).toBe(0x3fffe);
  });

  test("slot fields are state offsets of registers", () => {
    expect(slotField("gpr8", 4, false)).toBe(CPU.gpr + 1);
    expect(slotField("gpr8", 4, true)).toBe(CPU.gpr + 32);
    expect(slotField("gpr8", 12, true)).toBe(CPU.gpr + 96);
    expect(slotField("gpr", 15, true)).toBe(CPU.gpr + 120);
    expect(slotField("segment", 5, false)).toBe(segmentOffset("gs"));
    expect(slotField("mmx", 9, true)).toBe(CPU.fpr + 16);
    expect(slotField("xmm", 9, true)).toBe(CPU.xmm + 288);
    expect(slotField("control", 8, true)).toBe(8);
  });
});
