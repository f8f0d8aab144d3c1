// The decoder tables of the Linux kernel's perf tests: bytes, their length, and what they are.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DECODE, decode } from "../../dist/isa/decoder/decode.js";
import { Instruction } from "../../dist/isa/decoder/instruction.js";

/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./suite.mjs").Suite} Suite */

/**
 * @typedef {object} Line
 * @property {Uint8Array} bytes
 * @property {number} length
 * @property {string} mnemonic
 */

/**
 * @param {string} folder `tools/perf/arch/x86/tests`
 * @returns {Suite}
 */
export function decoderTables(folder) {
  const entries = /** @type {const} */ ([32, 64]).map((bits) => {
    const text = () => readFileSync(join(folder, `insn-x86-dat-${bits}.c`), "utf8");
    /** @type {() => Promise<Result>} */
    const ours = async () => judge(parseTable(text()), bits);
    return { name: `insn-x86-dat-${bits}`, deadline: 60, tskvm: ours };
  });
  return { name: "decoder-tables", entries };
}

/** @param {string} text @returns {Line[]} */
export function parseTable(text) {
  const rows = text.matchAll(
    /^\{\{((?:0x[0-9a-f]{2}, )+)\}, (\d+),.*\n"[^"\\]*\\t((?:(?:rep\w*|lock|bnd|notrack|data16) )*\S+)/gm,
  );
  return Array.from(rows, ([, bytes, length, mnemonic]) => ({
    bytes: Uint8Array.from(String(bytes).trim().split(/,\s*/).filter(Boolean), Number),
    length: Number(length),
    mnemonic: String(mnemonic).replace(/^(?:\w+ )+/, ""),
  }));
}

/** Instruction sets that no processor of tskvm has, by mnemonic. @type {[set: string, mnemonics: RegExp][]} */
const absent = [
  ["AVX-512", /^k(add|and|andn|mov|not|or|ortest|shift[lr]|test|unpck|xnor|xor)[bwdq]+$/],
  ["AMX", /^(ldtilecfg|sttilecfg|tdp\w+|tile\w+)$/],
  ["CET", /^(clrssbsy|incssp[dq]|rstorssp|saveprevssp|setssbsy|wru?ss[dq])$/],
  ["ENQCMD", /^enqcmds?$/],
  ["GFNI", /^v?gf2p8\w+$/],
  ["HRESET", /^hreset$/],
  ["MOVDIRI and MOVDIR64B", /^movdir(i|64b)$/],
  ["PCONFIG", /^pconfig$/],
  ["PKU", /^(rd|wr)pkru$/],
  ["PTWRITE", /^ptwrite[lq]?$/],
  ["SGX", /^encl[suv]$/],
  ["TSXLDTRK", /^x(res|sus)ldtrk$/],
  ["UINTR", /^(clui|stui|testui|uiret|senduipi)$/],
  ["VAES", /^vaes(dec|enc)(last)?$/],
  ["VMX", /^vm(read|write)$/],
  ["VPCLMULQDQ", /^vpclmulqdq$/],
  ["WAITPKG", /^(tpause|umonitor|umwait)$/],
];

/** Prefixes that may stand before an EVEX prefix: segment overrides and the address size. */
const legacy = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67]);

/**
 * EVEX prefix: 62 is BOUND outside 64-bit mode if a memory operand follows. [SDM 2A 2.7]
 * @param {Uint8Array} bytes
 * @param {32 | 64} mode
 */
function isEvex(bytes, mode) {
  const at = bytes.findIndex((byte) => !legacy.has(byte));
  return bytes[at] === 0x62 && (mode === 64 || (bytes[at + 1] ?? 0) >= 0xc0);
}

/**
 * Fails with the mnemonics that are decoded with another length, or refused although their instruction set is there.
 * @param {Line[]} lines
 * @param {32 | 64} mode
 * @returns {Result}
 */
export function judge(lines, mode) {
  const insn = new Instruction();
  /** @type {Set<string>} */
  const failures = new Set();
  let refused = 0;
  for (const { bytes, length, mnemonic } of lines) {
    const status = decode(bytes, 0, bytes.length, mode, insn);
    if (status === DECODE.ok && insn.length === length) continue;
    if (status === DECODE.ok) failures.add(`${mnemonic}: ${insn.length} bytes instead of ${length}`);
    else if (isEvex(bytes, mode) || absent.some(([, names]) => names.test(mnemonic))) refused++;
    else failures.add(`${mnemonic}: refused`);
  }
  const reason = `${refused} of ${lines.length} lines are of instruction sets that are absent`;
  if (lines.length > 0 && failures.size === 0) return { verdict: "pass", reason };
  return { verdict: "fail", reason: `${failures.size} kinds of lines`, failures: [...failures].toSorted() };
}
