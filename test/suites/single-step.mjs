// Single-step vectors of an 80286 in real-address mode, on a vCPU of the software engine.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { readMoo } from "./moo.mjs";
import { RealModeVcpu } from "./real-mode-vcpu.mjs";

/** @typedef {import("./moo.mjs").Vector} Vector */
/** @typedef {import("./real-mode-vcpu.mjs").Registers} Registers */
/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./suite.mjs").Suite} Suite */

/** Vectors taken from each file, the first ones. */
const limit = 1000;

const hlt = 0xf4;

/** CF, PF, AF, ZF, SF, TF, IF, DF, OF. In real mode the 80286 keeps IOPL and NT clear, which later processors do not. */
const realModeFlags = 0x0fd5;

/**
 * @param {string} folder with an opcode's vectors in OPCODE.MOO.gz, and metadata.json
 * @returns {Suite}
 */
export function singleStep(folder) {
  const metadata = JSON.parse(readFileSync(join(folder, "metadata.json"), "utf8"));
  const files = readdirSync(folder).filter((name) => name.endsWith(".MOO.gz"));
  /** @type {RealModeVcpu | undefined} */
  let vcpu;
  const entries = files.toSorted().map((name) => {
    const opcode = name.replace(".MOO.gz", "");
    /** @type {() => Promise<Result>} */
    const run = async () => {
      vcpu ??= new RealModeVcpu();
      const vectors = readMoo(gunzipSync(readFileSync(join(folder, name))), limit);
      return judge(vectors, definedFlags(metadata.opcodes, opcode), vcpu);
    };
    return { name: opcode, deadline: 60, tskvm: run };
  });
  return { name: "single-step-80286", entries };
}

/** Rotations by more than 1, where the suite's list lacks that OF is undefined. [SDM 2B RCL/RCR/ROL/ROR] */
const undefinedOverflow = new Set(["C0.2", "C0.3", "C1.2", "C1.3"]);

/**
 * The flags that an opcode defines, by the suite's own list.
 * @param {Record<string, any>} opcodes
 * @param {string} opcode such as "F7.6"
 * @returns {number}
 */
function definedFlags(opcodes, opcode) {
  const [first = "", reg = ""] = opcode.split(".");
  const entry = reg === "" ? opcodes[first] : opcodes[first]?.reg?.[reg];
  const overflow = undefinedOverflow.has(opcode) ? 0x0800 : 0;
  return realModeFlags & (entry?.["flags-mask"] ?? 0xffff) & ~overflow;
}

/**
 * @param {Vector[]} vectors
 * @param {number} flags that are compared
 * @param {RealModeVcpu} vcpu
 * @returns {Result}
 */
function judge(vectors, flags, vcpu) {
  const judged = vectors.filter((vector) => !changedSince(vector));
  const failures = judged.flatMap((vector) => {
    const wrong = differences(vector, flags, vcpu);
    return wrong.length === 0 ? [] : [`${vector.name}: ${wrong.join(", ")}`];
  });
  if (judged.length === 0) return { verdict: "skip", reason: "every vector is of what changed after the 80286" };
  if (failures.length === 0) return { verdict: "pass" };
  return { verdict: "fail", reason: `${failures.length} of ${judged.length}`, failures: failures.slice(0, 5) };
}

/** What uses the stack segment. */
const onStack = /^(\w+ )*(pop|popa|push|pusha|ret|retf|iret|leave|call)\b|\[ss:|\[bp|^ss /;

/**
 * Whether later processors rightly do something else.
 * @param {Vector} vector
 */
function changedSince({ name, length, exception }) {
  // LOCK before anything but a read-modify-write of memory is #UD. [SDM 2A LOCK]
  if (/\block\b/.test(name)) return true;
  // An instruction may have 15 bytes, not 10. [SDM 3B 23.25]
  if (length > 10) return true;
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

/**
 * @param {Vector} vector
 * @param {number} flags
 * @param {RealModeVcpu} vcpu
 * @returns {string[]} what differs from the vector's final state
 */
function differences({ initial, final, exception }, flags, vcpu) {
  const before = /** @type {Registers} */ ({ ...initial.registers });
  before.flags &= realModeFlags;
  const after = { ...before, ...final.registers };
  for (const [address, byte] of initial.memory) vcpu.memory.writeU8(address, byte);
  const end = after.cs * 16 + ((after.ip - 1) & 0xffff);
  vcpu.memory.writeU8(end, hlt);
  vcpu.set(before);
  if (!vcpu.runToHalt()) return ["it does not halt"];
  const now = vcpu.get();
  const registers = Object.entries(after).flatMap(([name, value]) => {
    const mask = name === "flags" ? flags : 0xffff;
    const got = now[/** @type {keyof Registers} */ (name)] & mask;
    return got === (value & mask) ? [] : [`${name} ${hex(got)} instead of ${hex(value & mask)}`];
  });
  const image = exception === undefined ? undefined : after.ss * 16 + after.sp + 4;
  const memory = final.memory.flatMap(([address, byte]) => {
    const mask = address === image ? flags & 0xff : address - 1 === image ? flags >> 8 : 0xff;
    const got = vcpu.memory.readU8(address) & mask;
    return address === end || got === (byte & mask)
      ? []
      : [`[${hex(address)}] ${hex(got)} instead of ${hex(byte & mask)}`];
  });
  return [...registers, ...memory];
}

/** @param {number} value */
const hex = (value) => value.toString(16);
