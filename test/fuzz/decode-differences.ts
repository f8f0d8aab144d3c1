import type { CodeSize } from "../../src/isa/decoder/decode.ts";
import type { Form } from "../../src/isa/table/row.ts";
import type { Decoding } from "./decode.ts";

/** A byte string that Zydis reads otherwise: `what` names the part; `form` is ours, `theirs` Zydis's. */
export interface DecodeDifference {
  readonly what: string;
  readonly size: CodeSize;
  readonly bytes: Uint8Array;
  readonly form: Form | undefined;
  readonly theirs: Decoding | undefined;
}

/** Extensions by Zydis's own classes that the processor has not: what belongs to them is #UD. */
const ABSENT: ReadonlySet<string> = new Set([
  ..."ADOX_ADCX AMD3DNOW AMD_INVLPGB AMX_BF16 AMX_INT8 AMX_TILE AVX512EVEX AVX512VEX AVX_VNNI CET CLDEMOTE CLWB CLZERO".split(
    " ",
  ),
  ..."ENQCMD FMA4 GFNI HRESET KEYLOCKER KEYLOCKER_WIDE KNC KNCE KNCV MCOMMIT MONITOR MONITORX MOVDIR MPX PADLOCK".split(
    " ",
  ),
  ..."PCONFIG PKU PREFETCHWT1 PT RDPID RDPRU RTM SERIALIZE SGX SGX_ENCLV SMX SNP SSE4A SVM TBM TDX TSX_LDTRK UINTR".split(
    " ",
  ),
  ..."VAES VMFUNC VPCLMULQDQ VTX WAITPKG XOP".split(" "),
]);

interface Explanation {
  readonly why: string;
  readonly holds: (difference: DecodeDifference) => boolean;
}

const mnemonicOf = ({ form }: DecodeDifference): string => form?.row.mnemonic ?? "";
const isNamed = ({ theirs }: DecodeDifference, names: RegExp): boolean => names.test(theirs?.mnemonic ?? "");

const EXPLANATIONS: readonly Explanation[] = [
  {
    why: "an extension that the processor has not",
    holds: ({ what, theirs }) => what === "refused" && ABSENT.has(theirs!.extension),
  },
  {
    why: "SYSCALL and SYSRET exist in 64-bit mode only [SDM 2B SYSCALL, SYSRET]",
    holds: (one) => one.what === "refused" && one.size !== 64 && isNamed(one, /^(syscall|sysret)$/),
  },
  { why: "RSM is #UD outside system management mode [SDM 2B RSM]", holds: (one) => isNamed(one, /^rsm$/) },
  {
    why: "without MPX its encodings are the NOP that they were reserved from [SDM 2B NOP, 2D table A-3]",
    holds: ({ what, form }) => what !== "length" && /^0F 1[AB]$/.test(form?.row.opcode ?? ""),
  },
  {
    why: "hints and reads of the shadow stack that the processor has not are the NOP that they were reserved from [SDM 2D table A-3; APM 3 PREFETCH]",
    holds: ({ what, form }) =>
      what === "mnemonic" && form?.row.mnemonic === "NOP" && /^0F (0D|1C|1E)$/.test(form?.row.opcode ?? ""),
  },
  {
    why: "Zydis reads WBNOINVD as the WBINVD that it is for a processor without it [SDM 2D WBNOINVD]",
    holds: (one) => one.what === "mnemonic" && mnemonicOf(one) === "WBNOINVD" && isNamed(one, /^wbinvd$/),
  },
  {
    why: "D9 D8 to DF are FSTP, which Zydis gives a name of its own [APM 5 A.3]",
    holds: (one) => one.what === "mnemonic" && mnemonicOf(one) === "FSTP" && isNamed(one, /^fstpnce$/),
  },
  {
    why: "the register operand of a NOP has no meaning and is left out [SDM 2B NOP]",
    holds: (one) => one.what === "registers" && mnemonicOf(one) === "NOP",
  },
  {
    why: "Zydis names the implied XMM0 of BLENDV only where it is written [SDM 2A BLENDVPS]",
    holds: (one) => one.what === "registers" && /BLENDV/.test(mnemonicOf(one)),
  },
  {
    why: "Zydis names the implied ST(0) of FUCOM and others, the table what the manual writes [SDM 2A FUCOM]",
    holds: ({ what, form, theirs }) =>
      what === "registers" &&
      theirs!.extension === "X87" &&
      form!.operands.some((o) => "file" in o && o.file === "x87"),
  },
  {
    why: "F3 90 with REX.B exchanges, as processors do; Zydis has PAUSE [SDM 2B XCHG, PAUSE]",
    holds: ({ form, theirs }) => form?.row.opcode === "90 +r" && theirs?.mnemonic === "pause",
  },
  {
    why: "LEA reads no memory, so its segment has no meaning [SDM 2A LEA]",
    holds: (one) => one.what === "memory" && mnemonicOf(one) === "LEA",
  },
  {
    why: "3E before an indirect branch is a segment override without CET [SDM 2A 2.1.1]",
    holds: (one) => one.what === "memory" && /^(CALL|JMP)$/.test(mnemonicOf(one)) && one.bytes.includes(0x3e),
  },
  {
    why: "the address of POP through rSP counts with what it popped, which our displacement has [SDM 2B POP]",
    holds: (one) => one.what === "memory" && mnemonicOf(one) === "POP",
  },
  {
    why: "SIB.base 101 with mod 00 is no register, whatever REX.B says; Zydis has R13 [SDM 2A table 2-3]",
    holds: ({ what, theirs }) => what === "memory" && /^\w+:r13/.test(theirs!.memory),
  },
  {
    why: "a mask of signs has 32 bits whatever REX.W names, the rest is 0 [SDM 2B MOVMSKPS]",
    holds: (one) => one.what === "registers" && /MOVMSKP|PMOVMSKB|PEXTRW/.test(mnemonicOf(one)),
  },
  {
    why: "the source of LAR and LSL is a selector: 16 bits of a register of any width [SDM 2A LAR, LSL]",
    holds: (one) => one.what === "registers" && /^(LAR|LSL)$/.test(mnemonicOf(one)),
  },
];

/** Why a difference is none of the decoder's faults; undefined if it may be one. */
export function explainDecoding(difference: DecodeDifference): string | undefined {
  return EXPLANATIONS.find(({ holds }) => holds(difference))?.why;
}
