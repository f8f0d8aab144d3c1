/**
 * The x86 branch filter of xz. Before compression it turned the relative targets of CALL and JMP (E8, E9 and 32 bits)
 * into absolute ones, which repeat more often; here they become relative again. A target is taken for one only if its top
 * byte is 00 or FF, as it is within 16 MiB forwards or backwards. [xz-file-format 5.3.2]
 */

/** Decodes `code` in place; its first byte is at stream position 0. */
export function decodeBcjX86(code: Uint8Array): void {
  const last = code.length - 5;
  // Opcodes that were passed over: bit n is for the byte n + 1 before this one.
  let passed = 0;
  for (let at = 0; at <= last; at++) {
    if ((code[at]! & 0xfe) !== 0xe8) {
      passed <<= 1;
    } else if (isTarget(code, at, passed & 7)) {
      writeTarget(code, at + 1, relativeTarget(readTarget(code, at + 1), at + 5, passed & 7));
      at += 4;
      passed = 0;
    } else {
      passed = (passed << 1) | 1;
    }
  }
}

/**
 * Whether the encoder converted the opcode at `at`. Bytes that may belong to the operand of an opcode passed over shortly
 * before are left alone: if there are several such, or if this operand holds a top byte that the earlier one could have.
 */
function isTarget(code: Uint8Array, at: number, passed: number): boolean {
  if (!isSign(code[at + 4]!)) return false;
  if (passed === 0) return true;
  const distance = distanceOf(passed);
  return distance !== undefined && !isSign(code[at + 4 - distance]!);
}

/** How far back the opcode passed over is, if it is just one. */
function distanceOf(passed: number): 1 | 2 | 3 | undefined {
  if (passed === 1) return 1;
  if (passed === 2) return 2;
  return passed === 4 ? 3 : undefined;
}

/**
 * Makes a target relative to `next`, the position behind the instruction. After an opcode passed over, the encoder took
 * care that the byte which is that one's top byte did not come out as 00 or FF, by inverting the bits up to it: undone here.
 */
function relativeTarget(absolute: number, next: number, passed: number): number {
  let target = (absolute - next) | 0;
  const distance = distanceOf(passed);
  if (distance !== undefined) {
    const topShift = 24 - 8 * distance;
    const inverted = 2 ** (32 - 8 * distance) - 1;
    if (isSign((target >>> topShift) & 0xff)) target = ((target ^ inverted) - next) | 0;
  }
  return (target << 7) >> 7;
}

function isSign(byte: number): boolean {
  return byte === 0x00 || byte === 0xff;
}

function readTarget(code: Uint8Array, at: number): number {
  return code[at]! | (code[at + 1]! << 8) | (code[at + 2]! << 16) | (code[at + 3]! << 24);
}

function writeTarget(code: Uint8Array, at: number, value: number): void {
  code[at] = value;
  code[at + 1] = value >>> 8;
  code[at + 2] = value >>> 16;
  code[at + 3] = value >>> 24;
}
