// What later processors rightly do otherwise than those from which single-step vectors were recorded.

/** @typedef {import("./moo.mjs").Vector} Vector */

/** What uses the stack segment. */
const onStack = /^(\w+ )*(pop|popa|push|pusha|ret|retf|iret|leave|call)\b|\[ss:|\[bp|^ss /;

/** @param {Vector} vector of an 80286 */
export function changedSince80286({ name, bytes, exception }) {
  // LOCK before anything but a read-modify-write of memory is #UD. [SDM 2A LOCK]
  if (/\block\b/.test(name)) return true;
  // An instruction may have 15 bytes, not 10. [SDM 3B 23.25]
  if (bytes.length - 1 > 10) return true;
  // FS and GS are there. [SDM 3B 23.18]
  if (/\b[fg]s\b/.test(name)) return true;
  // A fault leaves the flags as they were. [SDM 3A 6.5]
  if (exception === 0 && /^(\w+ )*aam\b/.test(name)) return true;
  if (exception !== 13) return false;
  // What lies beyond the stack segment's limit is #SS in real mode too. [SDM 2A 3.1.1.12]
  if (onStack.test(name)) return true;
  // A string instruction that faults leaves SI and DI as they were. [SDM 3A 6.5]
  return /\b(ins|outs|movs|cmps|stos|lods|scas)w\b/.test(name);
}

/** @param {Vector} vector of an 8086 */
export function changedSince8086(vector) {
  return isOtherOpcode(vector) || wrapsInSegment(vector) || isOtherArithmetic(vector);
}

const prefixes = new Set([0x26, 0x2e, 0x36, 0x3e, 0xf0, 0xf2, 0xf3]);

/**
 * @param {Vector} vector
 * @returns {{ opcode: number, modrm: number, reg: number, repeated: boolean }} modrm: the byte behind the opcode
 */
function encoding({ bytes }) {
  const at = bytes.findIndex((byte) => !prefixes.has(byte));
  const modrm = bytes[at + 1] ?? 0;
  const repeated = bytes.subarray(0, at).some((byte) => (byte & 0xfe) === 0xf2);
  return { opcode: bytes[at] ?? 0, modrm, reg: (modrm >> 3) & 7, repeated };
}

/** @param {Vector} vector */
function isOtherOpcode(vector) {
  const { opcode, modrm, reg } = encoding(vector);
  // 0F begins opcodes of two bytes, and 60-6F, C0, C1, C8 and C9 are instructions of the 80186. [SDM 2D A.3]
  if (opcode === 0x0f || (opcode & 0xf0) === 0x60 || [0xc0, 0xc1, 0xc8, 0xc9].includes(opcode)) return true;
  // Coprocessor instructions are executed. [SDM 3B 23.19]
  if ((opcode & 0xf8) === 0xd8) return true;
  // Group 2 /6 is an alias of SHL. [SDM 2D table A-6]
  if ((opcode & 0xfc) === 0xd0 && reg === 6) return true;
  // There are more segment registers, and none can be loaded into CS. [SDM 2B MOV]
  if ((opcode === 0x8c && reg > 3) || (opcode === 0x8e && (reg > 3 || reg === 1))) return true;
  // These have one encoding. [SDM 2D table A-6]
  if ([0x8f, 0xc6, 0xc7].includes(opcode) && reg !== 0) return true;
  if ((opcode === 0xfe && reg > 1) || (opcode === 0xff && reg === 7)) return true;
  // Far pointers are in memory. [SDM 2A CALL, JMP]
  if (opcode === 0xff && (reg === 3 || reg === 5) && modrm >= 0xc0) return true;
  // PUSH SP stores what SP was before. [SDM 3B 23.31.1]
  return opcode === 0x54 || (opcode === 0xff && modrm === 0xf4);
}

/** A word or an instruction that goes on at offset 0 of its segment; later it is #GP or #SS. [SDM 3B 23.33.1] @param {Vector} vector */
function wrapsInSegment({ initial, final }) {
  const touched = new Set([...initial.memory, ...final.memory].map(([address]) => address));
  const { cs = 0, ds = 0, es = 0, ss = 0 } = initial.registers;
  return [cs, ds, es, ss, 0].some((segment) => {
    const base = segment * 16;
    return touched.has((base + 0xffff) & 0xfffff) && touched.has(base);
  });
}

/** @param {Vector} vector */
function isOtherArithmetic(vector) {
  const { ax = 0, cx = 0, flags = 0 } = vector.initial.registers;
  const { opcode, reg, repeated } = encoding(vector);
  // Counts are taken modulo 32. [SDM 2B SAL/SAR/SHL/SHR]
  if ((opcode & 0xfe) === 0xd2 && (cx & 0xff) > 31) return true;
  const multiplies = (opcode & 0xfe) === 0xf6 && reg >= 4;
  // REP before a multiplication or division is ignored. [SDM 2B REP]
  if (multiplies && repeated) return true;
  // A divide error returns to the instruction itself, and a quotient may be the most negative number. [SDM 3A 6.15, 2A IDIV]
  if ((multiplies || opcode === 0xd4) && takesVectorZero(vector)) return true;
  const [al, carry, auxiliary] = [ax & 0xff, (flags & 1) !== 0, (flags & 0x10) !== 0];
  // Above 99H AL is adjusted whatever AF is, and what DAS borrows goes into CF. [SDM 2A DAA, DAS]
  if ((opcode === 0x27 || opcode === 0x2f) && auxiliary && !carry && al > 0x99 && al < 0xa0) return true;
  if (opcode === 0x2f && auxiliary && !carry && al < 6) return true;
  const adjusts = (al & 15) > 9 || auxiliary;
  // AAA and AAS carry into AH as a whole. [SDM 2A AAA, AAS]
  if (opcode === 0x37) return adjusts && al > 0xf9;
  return opcode === 0x3f && adjusts && al < 6;
}

/** @param {Vector} vector */
const takesVectorZero = ({ initial }) => [0, 1, 2, 3].every((at) => initial.memory.some(([address]) => address === at));
