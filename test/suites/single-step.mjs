// Single-step vectors of an 8086 or 80286 in real-address mode, on a vCPU of the software engine.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { changedSince8086, changedSince80286 } from "./changed-since.mjs";
import { readMoo } from "./moo.mjs";
import { RealModeVcpu } from "./real-mode-vcpu.mjs";

/** @typedef {import("./moo.mjs").Vector} Vector */
/** @typedef {import("./real-mode-vcpu.mjs").Registers} Registers */
/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./suite.mjs").Suite} Suite */

/** Vectors taken from each file, the first ones. */
const limit = 1000;

const hlt = 0xf4;

/**
 * CF, PF, AF, ZF, SF, TF, IF, DF, OF. Above them the 8086 has ones, and the 80286 in real mode zeros; on later processors
 * they are IOPL and NT. [SDM 3B 23.31.2]
 */
const realModeFlags = 0x0fd5;

/**
 * @typedef {object} Recorded
 * @property {string} suite
 * @property {number} addressMask
 * @property {boolean} halted the recording ends behind a HLT, not before the next instruction
 * @property {(vector: Vector) => boolean} changedSince whether later processors rightly do something else
 */

/** What the vectors were recorded from, by the suite's own name for it. @type {Record<string, Recorded>} */
const recorded = {
  8086: { suite: "single-step-8086", addressMask: 0xf_ffff, halted: false, changedSince: changedSince8086 },
  286: { suite: "single-step-80286", addressMask: 0xff_ffff, halted: true, changedSince: changedSince80286 },
};

/**
 * @param {string} folder with an opcode's vectors in OPCODE.MOO.gz, and metadata.json
 * @returns {Suite}
 */
export function singleStep(folder) {
  const metadata = JSON.parse(readFileSync(join(folder, "metadata.json"), "utf8"));
  const files = readdirSync(folder).filter((name) => name.endsWith(".MOO.gz"));
  const processor = recorded[metadata.cpu];
  if (!processor) throw new Error(`vectors of a ${metadata.cpu} are not known`);
  /** @type {RealModeVcpu | undefined} */
  let vcpu;
  const entries = files.toSorted().map((name) => {
    const opcode = name.replace(".MOO.gz", "");
    /** @type {() => Promise<Result>} */
    const run = async () => {
      vcpu ??= new RealModeVcpu(processor.addressMask);
      const vectors = readMoo(gunzipSync(readFileSync(join(folder, name))), limit);
      return judge(vectors, definedFlags(metadata.opcodes, opcode), processor, vcpu);
    };
    return { name: opcode, deadline: 60, tskvm: run };
  });
  return { name: processor.suite, entries };
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
 * @param {Recorded} processor
 * @param {RealModeVcpu} vcpu
 * @returns {Result}
 */
function judge(vectors, flags, processor, vcpu) {
  const judged = vectors.filter((vector) => !processor.changedSince(vector) && canBeHalted(vector, processor));
  const failures = judged.flatMap((vector) => {
    const wrong = differences(vector, flags, processor, vcpu);
    return wrong.length === 0 ? [] : [`${vector.name}: ${wrong.join(", ")}`];
  });
  if (judged.length === 0) return { verdict: "skip", reason: "every vector is of what later processors do otherwise" };
  if (failures.length === 0) return { verdict: "pass" };
  return { verdict: "fail", reason: `${failures.length} of ${judged.length}`, failures: failures.slice(0, 5) };
}

/** Where a vector ends: at a HLT. @param {Registers} after @param {Recorded} processor */
const endOf = ({ cs, ip }, { halted, addressMask }) => (cs * 16 + ((halted ? ip - 1 : ip) & 0xffff)) & addressMask;

/**
 * Whether a HLT can stand where the vector ends: not in the instruction itself, nor where it writes.
 * @param {Vector} vector
 * @param {Recorded} processor
 */
function canBeHalted({ initial, final, bytes }, processor) {
  if (processor.halted) return true;
  const before = /** @type {Registers} */ (initial.registers);
  const end = endOf({ ...before, ...final.registers }, processor);
  const start = (before.cs * 16 + before.ip) & processor.addressMask;
  const byteAt = (/** @type {[number, number][]} */ memory) => memory.find(([address]) => address === end)?.[1];
  return (end < start || end >= start + bytes.length) && byteAt(initial.memory) === byteAt(final.memory);
}

/**
 * @param {Vector} vector
 * @param {number} flags
 * @param {Recorded} processor
 * @param {RealModeVcpu} vcpu
 * @returns {string[]} what differs from the vector's final state
 */
function differences(vector, flags, processor, vcpu) {
  const { initial, final } = vector;
  const before = /** @type {Registers} */ ({ ...initial.registers });
  before.flags &= realModeFlags;
  const after = { ...before, ...final.registers };
  for (const [address, byte] of initial.memory) vcpu.memory.writeU8(address, byte);
  const end = endOf(after, processor);
  if (!processor.halted) after.ip = (after.ip + 1) & 0xffff;
  vcpu.memory.writeU8(end, hlt);
  vcpu.set(before);
  if (!vcpu.runToHalt()) return ["it does not halt"];
  const now = vcpu.get();
  const registers = Object.entries(after).flatMap(([name, value]) => {
    const mask = name === "flags" ? flags : 0xffff;
    const got = now[/** @type {keyof Registers} */ (name)] & mask;
    return got === (value & mask) ? [] : [`${name} ${hex(got)} instead of ${hex(value & mask)}`];
  });
  const flagsAt = flagsOffset(vector);
  const image = flagsAt === undefined ? undefined : (after.ss * 16 + after.sp + flagsAt) & processor.addressMask;
  const memory = final.memory.flatMap(([address, byte]) => {
    const mask = address === image ? flags & 0xff : address - 1 === image ? flags >> 8 : 0xff;
    const got = vcpu.memory.readU8(address) & mask;
    return address === end || got === (byte & mask)
      ? []
      : [`[${hex(address)}] ${hex(got)} instead of ${hex(byte & mask)}`];
  });
  for (const [address] of [...initial.memory, ...final.memory]) vcpu.memory.writeU8(address, hlt);
  return [...registers, ...memory];
}

/**
 * Where the instruction pushed the flags, from SP on; undefined: it did not.
 * @param {Vector} vector
 */
function flagsOffset({ name, exception }) {
  if (/\bpushf\b/.test(name)) return 0;
  return exception === undefined && !/\bint[o3]?\b/.test(name) ? undefined : 4;
}

/** @param {number} value */
const hex = (value) => value.toString(16);
