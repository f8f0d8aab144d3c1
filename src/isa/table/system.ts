import * as Far from "../semantics/far.ts";
import * as Io from "../semantics/io.ts";
import * as Segment from "../semantics/segment.ts";
import * as S from "../semantics/system.ts";
import * as X from "../semantics/xsave.ts";
import { type Row, row } from "./row.ts";

const F64 = { size64: "f64" } as const;
const NOT64 = { mode: "not64" } as const;
const ONLY64 = { mode: "only64" } as const;
const SIZELESS = { sizeless: true } as const;
/** Changes what following instructions mean, or whether interrupts come. */
const ENDS = { sizeless: true, ends: true } as const;
const REP = { rep: "rep" } as const;

const SEGMENTS: readonly Row[] = [
  row("8C", "MOV Rv/Mw,Sw", Segment.movFromSegment),
  row("8E", "MOV Sw,Ew", Segment.movToSegment),
  row("07", "POP ES", Segment.popSegment("es"), { size64: "d64", mode: "not64" }),
  row("17", "POP SS", Segment.popSegment("ss"), { size64: "d64", mode: "not64" }),
  row("1F", "POP DS", Segment.popSegment("ds"), { size64: "d64", mode: "not64" }),
  row("0F A1", "POP FS", Segment.popSegment("fs"), { size64: "d64" }),
  row("0F A9", "POP GS", Segment.popSegment("gs"), { size64: "d64" }),
  row("C4", "LES Gv,Mp", Segment.loadFarPointer("es"), NOT64),
  row("C5", "LDS Gv,Mp", Segment.loadFarPointer("ds"), NOT64),
  row("0F B2", "LSS Gv,Mp", Segment.loadFarPointer("ss")),
  row("0F B4", "LFS Gv,Mp", Segment.loadFarPointer("fs")),
  row("0F B5", "LGS Gv,Mp", Segment.loadFarPointer("gs")),
  row("0F 00 /0", "SLDT Rv/Mw", Segment.storeSystemSegment("ldtr")),
  row("0F 00 /1", "STR Rv/Mw", Segment.storeSystemSegment("tr")),
  row("0F 00 /2", "LLDT Ew", Segment.lldt),
  row("0F 00 /3", "LTR Ew", Segment.ltr),
  row("0F 00 /4", "VERR Ew", Segment.verr),
  row("0F 00 /5", "VERW Ew", Segment.verw),
  row("0F 02", "LAR Gv,Ew", Segment.lar),
  row("0F 03", "LSL Gv,Ew", Segment.lsl),
  row("63", "ARPL Ew,Gw", Segment.arpl, NOT64),
  row("0F 01 /0", "SGDT Ms", Segment.storeTable(0), F64),
  row("0F 01 /1", "SIDT Ms", Segment.storeTable(1), F64),
  row("0F 01 /2", "LGDT Ms", Segment.loadTable(0), F64),
  row("0F 01 /3", "LIDT Ms", Segment.loadTable(1), F64),
];

const TRANSFERS: readonly Row[] = [
  row("9A", "CALLF Ap", Far.direct("far_call"), NOT64),
  row("EA", "JMPF Ap", Far.direct("far_jump"), NOT64),
  row("FF /3", "CALLF Mp", Far.indirect("far_call")),
  row("FF /5", "JMPF Mp", Far.indirect("far_jump")),
  row("CA", "RETF Iw", Far.farReturn, { sizes: [16, 32, 64] }),
  row("CB", "RETF", Far.farReturn, { sizes: [16, 32, 64] }),
  row("CF", "IRET", Far.iret, { sizes: [16, 32, 64] }),
  row("0F AA", "RSM", Far.rsm, SIZELESS),
  row("0F 05", "SYSCALL", Far.syscall, { ...SIZELESS, feature: "syscall" }),
  row("0F 07", "SYSRET", Far.sysret, { sizes: [16, 32, 64], feature: "syscall" }),
  row("0F 34", "SYSENTER", Far.sysenter, { ...SIZELESS, feature: "sep" }),
  row("0F 35", "SYSEXIT", Far.sysexit, { sizes: [32, 64], feature: "sep" }),
];

const CONTROL: readonly Row[] = [
  row("0F 20", "MOV Ry,Cd", S.readControl, F64),
  row("0F 21", "MOV Ry,Dd", S.readDebug, F64),
  row("0F 22", "MOV Cd,Ry", S.writeControl, { size64: "f64", ends: true }),
  row("0F 23", "MOV Dd,Ry", S.writeDebug, { size64: "f64", ends: true }),
  row("0F 01 /4", "SMSW Rv/Mw", S.smsw),
  row("0F 01 /6", "LMSW Ew", S.lmsw, { ends: true }),
  row("0F 01 /7", "INVLPG M", S.invlpg, ENDS),
  row("0F 01 /0 rm=1", "VMCALL", S.hypercall, ENDS),
  row("NP 0F 01 /1 rm=0", "MONITOR", S.monitor, { ...SIZELESS, feature: "monitor" }),
  row("NP 0F 01 /1 rm=1", "MWAIT", S.mwait, { ...ENDS, feature: "monitor" }),
  row("NP 0F 01 /1 rm=2", "CLAC", S.clac, { ...SIZELESS, feature: "smap" }),
  row("NP 0F 01 /1 rm=3", "STAC", S.stac, { ...SIZELESS, feature: "smap" }),
  row("NP 0F 01 /2 rm=0", "XGETBV", S.xgetbv, { ...SIZELESS, feature: "xsave" }),
  row("NP 0F 01 /2 rm=1", "XSETBV", S.xsetbv, { ...ENDS, feature: "xsave" }),
  row("0F 01 /3 rm=1", "VMMCALL", S.hypercall, ENDS),
  row("66 0F 38 82", "INVPCID Gy,Mdq", S.invpcid, { size64: "f64", ends: true, feature: "invpcid" }),
  row("NP 0F 01 /5 rm=6", "RDPKRU", S.rdpkru, { ...SIZELESS, feature: "pku" }),
  row("NP 0F 01 /5 rm=7", "WRPKRU", S.wrpkru, { ...SIZELESS, feature: "pku" }),
  row("0F 01 /7 rm=0", "SWAPGS", S.swapgs, { ...SIZELESS, ...ONLY64 }),
  row("0F 01 /7 rm=1", "RDTSCP", S.rdtscp, { ...SIZELESS, feature: "rdtscp" }),
  row("NP 0F 01 /5 rm=0", "SERIALIZE", S.serialize, { ...ENDS, feature: "serialize" }),
  row("0F C7 /6", "RDRAND Rv", S.random, { feature: "rdrand", nfx: true }),
  row("0F C7 /7", "RDSEED Rv", S.random, { feature: "rdseed", nfx: true }),
  row("F3 0F C7 /7", "RDPID Ry", S.rdpid, { size64: "f64", feature: "rdpid" }),
  row("0F 06", "CLTS", S.clts, SIZELESS),
  row("0F 08", "INVD", S.invalidateCaches, SIZELESS),
  row("0F 09", "WBINVD", S.invalidateCaches, SIZELESS),
  row("F3 0F 09", "WBNOINVD", S.invalidateCaches, { ...SIZELESS, feature: "wbnoinvd" }),
  row("0F 30", "WRMSR", S.wrmsr, ENDS),
  row("0F 31", "RDTSC", S.rdtsc, SIZELESS),
  row("0F 32", "RDMSR", S.rdmsr, SIZELESS),
  row("0F 33", "RDPMC", S.rdpmc, SIZELESS),
  row("0F A2", "CPUID", S.cpuid, SIZELESS),
  row("F3 0F AE /0", "RDFSBASE Ry", S.readBase("fs"), { ...ONLY64, feature: "fsgsbase" }),
  row("F3 0F AE /1", "RDGSBASE Ry", S.readBase("gs"), { ...ONLY64, feature: "fsgsbase" }),
  row("F3 0F AE /2", "WRFSBASE Ry", S.writeBase("fs"), { ...ONLY64, feature: "fsgsbase" }),
  row("F3 0F AE /3", "WRGSBASE Ry", S.writeBase("gs"), { ...ONLY64, feature: "fsgsbase" }),
  row("F4", "HLT", S.hlt, SIZELESS),
  row("FA", "CLI", Segment.cli, SIZELESS),
  row("FB", "STI", Segment.sti, ENDS),
];

/** With REX.W x87 pointers have 64 bits. */
const SIZES = { sizes: [32, 64] } as const;

const STATE: readonly Row[] = [
  row("NP 0F AE /4", "XSAVE M", X.xsave, { ...SIZES, feature: "xsave" }),
  row("NP 0F AE /5", "XRSTOR M", X.xrstor, { ...SIZES, feature: "xsave" }),
  row("NP 0F AE /6", "XSAVEOPT M", X.xsaveopt, { ...SIZES, feature: "xsaveopt" }),
  row("NP 0F C7 /3", "XRSTORS M", X.xrstors, { ...SIZES, feature: "xsaves" }),
  row("NP 0F C7 /4", "XSAVEC M", X.xsavec, { ...SIZES, feature: "xsavec" }),
  row("NP 0F C7 /5", "XSAVES M", X.xsaves, { ...SIZES, feature: "xsaves" }),
];

const PORTS: readonly Row[] = [
  row("E4", "IN AL,Ib", Io.input),
  row("E5", "IN eAX,Ib", Io.input),
  row("E6", "OUT Ib,AL", Io.output),
  row("E7", "OUT Ib,eAX", Io.output),
  row("EC", "IN AL,DX", Io.input),
  row("ED", "IN eAX,DX", Io.input),
  row("EE", "OUT DX,AL", Io.output),
  row("EF", "OUT DX,eAX", Io.output),
  row("6C", "INS Yb,DX", Io.inputString, REP),
  row("6D", "INS Yz,DX", Io.inputString, REP),
  row("6E", "OUTS DX,Xb", Io.outputString, REP),
  row("6F", "OUTS DX,Xz", Io.outputString, REP),
];

/** Segments, far transfers, system registers and ports. [SDM 2D A.3] */
export const SYSTEM: readonly Row[] = [...SEGMENTS, ...TRANSFERS, ...CONTROL, ...STATE, ...PORTS];
