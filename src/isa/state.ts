/**
 * The architectural state of one vCPU and the engine-independent cells around it, as byte offsets from the
 * vCPU's base in linear memory. Every executor (evaluator, interpreter, compiled regions, helpers) and every
 * KVM state record reads and writes this one layout. Offsets stay below 64 KiB so that a decoded record can
 * name a register in 16 bits.
 */

export type Placed<N extends string> = { readonly [K in N]: number };

/** Places fields one after another, each aligned to its own size (at most 16). */
export function place<N extends string>(
  fields: readonly (readonly [N, number])[],
): Placed<N> & { readonly end: number } {
  let offset = 0;
  const placed: Record<string, number> = {};
  for (const [name, size] of fields) {
    const alignment = Math.min(16, size & -size);
    offset = (offset + alignment - 1) & -alignment;
    placed[name] = offset;
    offset += size;
  }
  placed.end = offset;
  return placed as Placed<N> & { end: number };
}

/** Number of bytes of one segment record; its fields are in SEGMENT. */
export const SEGMENT_SIZE = 32;

/**
 * One segment register with its hidden part. `limit` counts bytes (granularity applied), `attributes` is the second
 * dword of the descriptor masked with 0x00f0ff00, `check` is 0 when no access through the segment can fail
 * (flat writable data in legacy modes, everything in 64-bit mode) and 1 otherwise. [SDM 3A 3.4.3]
 */
export const SEGMENT = place([
  ["base", 8],
  ["limit", 4],
  ["attributes", 4],
  ["selector", 4],
  ["check", 4],
] as const);

/** Segment registers in the order of their encoding. [SDM 2B B.1.3] `flat` is the segment of no base and no limit. */
export const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr", "flat"] as const;
export type SegmentName = (typeof SEGMENTS)[number];

/** Bytes of the software TLB: entries x size, for each of the access modes of TLB_MODES. */
export const TLB_ENTRIES = 1024;
/** One TLB entry: tags are the page's linear address or -1 for "no access"; host = low 32 bits of linear address + addend. */
export const TLB_ENTRY = place([
  ["readTag", 8],
  ["writeTag", 8],
  ["execTag", 8],
  ["addend", 4],
  // see helpers/tlb.ts
  ["kind", 4],
] as const);
export const TLB_ENTRY_SIZE = 32;
/** Access modes with a TLB each in every bank: supervisor, user, supervisor under SMAP with AC clear. */
export const TLB_MODES = 3;
/** Address spaces whose translations are kept: see helpers/tlb.ts. */
export const TLB_BANKS = 4;
/** Entries of pages that are not global that are remembered, to drop them without a look at all others. */
export const TLB_LOG_ENTRIES = 512;
/** Buckets of the set of regions with large pages. */
export const LARGE_REGION_BYTES = 1024;

/** The jump cache maps (linear rip, mode) to a decoded record; an entry's key is CPU.jumpKey when it was made. */
export const JUMP_CACHE_ENTRIES = 4096;
export const JUMP_CACHE_ENTRY = place([
  ["linear", 8],
  ["key", 4],
  ["record", 4],
] as const);
export const JUMP_CACHE_ENTRY_SIZE = 16;
/** Buckets of the set of pages that the jump cache may have code of. */
export const JUMP_PAGES_BYTES = 4096;

/** Completed port and MMIO accesses of the instruction that is being entered again: XSAVE makes the most. */
export const REPLAY_ENTRIES = 128;
export const REPLAY_ENTRY = place([
  ["address", 8],
  ["data", 8],
  ["size", 4],
  ["kind", 4],
] as const);
export const REPLAY_ENTRY_SIZE = 32;

/** Offsets from the vCPU base. */
export const CPU = place([
  // Registers
  ["gpr", 16 * 8],
  ["rip", 8],
  // Arithmetic flags, unevaluated (see ir/lower.ts)
  ["flagResult", 8],
  ["flagAux", 4],
  // System flags; the arithmetic bits in it are valid only after the flags were packed
  ["eflags", 4],
  // A register that is always 0: the base or index of an address that has none
  ["zero", 8],
  // rip of the first instruction of the block that is running
  ["blockRip", 8],
  // Mode: see MODE
  ["mode", 4],
  ["cpl", 4],
  // The limit of CS for which the jump cache holds; 0xffffffff in 64-bit mode
  ["codeLimit", 4],
  // ~0 in 64-bit mode, 0xffffffff or 0xffff by SS.B elsewhere
  ["stackMask", 8],
  // ~0 in 64-bit mode, 0xffffffff elsewhere: every linear address is cut to it
  ["linearMask", 8],
  ["segments", SEGMENTS.length * SEGMENT_SIZE],
  ["gdtrBase", 8],
  ["gdtrLimit", 4],
  ["idtrLimit", 4],
  ["idtrBase", 8],
  ["cr0", 8],
  ["cr2", 8],
  ["cr3", 8],
  ["cr4", 8],
  ["cr8", 8],
  ["efer", 8],
  ["xcr0", 8],
  ["pdptr", 4 * 8],
  ["dr", 8 * 8],
  // x87: physical registers of 80 bits, 16 bytes apart
  ["fpr", 8 * 16],
  ["fcw", 4],
  ["fsw", 4],
  // one bit per physical register: 1 = not empty (FXSAVE's abridged tag word)
  ["ftw", 4],
  ["fop", 4],
  ["fip", 8],
  ["fdp", 8],
  ["fcs", 4],
  ["fds", 4],
  ["mxcsr", 4],
  // 0, or the vector (6 #UD or 7 #NM) that x87 / SSE instructions raise by CR0.EM, CR0.TS, CR4.OSFXSR
  ["x87Trap", 4],
  ["sseTrap", 4],
  ["avxTrap", 4],
  // 0, or #UD where no VEX prefix exists: in real-address and virtual-8086 mode
  ["vexTrap", 4],
  // xmm/ymm registers, 32 bytes apart
  ["xmm", 16 * 32],
  // MSRs that instructions use
  ["star", 8],
  ["lstar", 8],
  ["cstar", 8],
  ["sfmask", 8],
  ["kernelGsBase", 8],
  ["sysenterCs", 8],
  ["sysenterEsp", 8],
  ["sysenterEip", 8],
  ["pat", 8],
  ["tscAux", 8],
  ["debugctl", 8],
  // Rights of protection keys for user and supervisor pages, and the keys that the TLB depends on: bit n is key n of user
  // pages, bit 16 + n of supervisor pages
  ["pkru", 4],
  ["keysUsed", 4],
  ["pkrs", 8],
  ["miscFeatures", 8],
  // System management mode: bits of SMM_STATE, and where its memory begins, below 4 GiB
  ["smm", 4],
  ["smbase", 8],
  // 1 from MONITOR until an event is delivered
  ["monitorArmed", 4],
  // Physical address width in bits, for reserved bits of page tables
  ["maxPhyAddr", 4],
  // Bits of FEATURE
  ["features", 4],
  // Why run() must stop or what must be delivered: see TRAP
  ["trap", 4],
  ["faultVector", 4],
  ["faultError", 4],
  // linear address of a page fault, or DR6 bits of a debug exception
  ["faultAddress", 8],
  // The address that a #GP under way is for because it is not canonical, 0 for none: see name_stack_fault
  ["notCanonical", 8],
  // Bits of INHIBIT: interrupts held off for one instruction by STI, MOV SS or POP SS
  ["inhibit", 4],
  // rip of the instruction for which inhibit holds
  ["inhibitRip", 8],
  // What the running instruction leaves for a debug exception after it: see helpers/debug.ts
  ["debugPending", 4],
  // rip of the instruction for which EFLAGS.RF holds: elsewhere it is clear whatever CPU.eflags has
  ["resumeRip", 8],
  // Under single-stepping: rip after the instruction, if it does not branch
  ["stepRip", 8],
  // Bits of GUEST_DEBUG: who debugs the guest from outside, with debug registers of its own
  ["guestDebug", 4],
  ["hostDr", 8 * 8],
  // 1 from the delivery of an NMI until IRET
  ["nmiMasked", 4],
  // Instructions left before run() must look at events; negative: come out. Other threads store -1 to kick
  ["budget", 4],
  // Instructions retired, as a 64-bit count updated with the budget
  ["retired", 8],
  // 1 while the engine has an interrupt to deliver as soon as it is allowed
  ["interruptPending", 4],
  // Current software TLB (absolute address) of the access mode
  ["tlb", 4],
  // Exit under way: see EXIT
  ["exitReason", 4],
  ["exitSize", 4],
  // 1 while MSRs are asked for with msr_allowed first, and why an access of one is user space's: a KVM_MSR_EXIT_REASON_ bit
  ["msrPolicy", 4],
  ["msrReason", 4],
  ["exitAddress", 8],
  ["exitData", 8],
  ["exitCount", 4],
  // Replay of completed accesses
  ["replayCount", 4],
  ["replayCursor", 4],
  // Address of what all vCPUs of the VM share: see VM
  ["vm", 4],
  // Host address of the table of memory slots and their number
  ["slots", 4],
  ["slotCount", 4],
  // Host address of the table with one byte a host page: see PAGE_FLAG
  ["pageFlags", 4],
  // Hash table from (host address, mode) to record: absolute address and entries - 1
  ["codeMap", 4],
  ["codeMapMask", 4],
  // Counts writes of this vCPU to pages of decoded code
  ["codeWrites", 4],
  // Counters
  ["tlbMisses", 8],
  ["tlbFlushes", 8],
  ["jumpMisses", 8],
  // What the entries of the jump cache that count have as their key, and what follows: see helpers/jump-cache.ts
  ["jumpKey", 4],
  ["jumpEpochs", 2 * 4],
  ["jumpLocal", 4],
  // Buffer for accesses that cross a page or touch a device
  ["bounce", 64],
  ["scratch", 1024],
  ["replay", REPLAY_ENTRIES * REPLAY_ENTRY_SIZE],
  // The bank in use, the one to take next, and of each the identifier of its address space + 1, or 0: see helpers/tlb.ts
  ["tlbBank", 4],
  ["tlbNextBank", 4],
  ["tlbBanks", TLB_BANKS * 4],
  // Entries of the current bank that were filled for pages that are not global, and how many, or more than there is room for
  ["tlbLogged", 4],
  ["tlbLog", TLB_LOG_ENTRIES * 4],
  // Which regions large pages are known of, by hash
  ["largeRegions", LARGE_REGION_BYTES],
  // One that is always empty, then the banks
  ["tlbs", (1 + TLB_BANKS * TLB_MODES) * TLB_ENTRIES * TLB_ENTRY_SIZE],
  // The jump cache and the TLBs lie beyond 64 KiB: only records' register fields need 16 bits
  ["jumpCache", JUMP_CACHE_ENTRIES * JUMP_CACHE_ENTRY_SIZE],
  ["jumpPages", JUMP_PAGES_BYTES],
] as const);

/** Bytes of one vCPU's state, a whole number of wasm pages. */
export const CPU_SIZE = (CPU.end + 0xffff) & ~0xffff;

/** Offset of a segment register's record. */
export function segmentOffset(name: SegmentName): number {
  return CPU.segments + SEGMENTS.indexOf(name) * SEGMENT_SIZE;
}

/** Bits of CPU.mode: code size in bits 0-1, then what else a jump cache entry depends on. */
export const MODE = { code16: 0, code32: 1, code64: 2, sizeMask: 3, user: 4, single: 8 } as const;

/** CPU.features: what CPUID shows of the features whose instructions do not exist without it. */
export const FEATURE = {
  rdtscp: 1,
  rdpid: 2,
  xgetbv1: 4,
  xsaves: 8,
  monitor: 16,
  la57: 32,
  pdpe1gb: 64,
  pse36: 128,
  invpcid: 256,
  lm: 1024,
  pks: 2048,
  // not one of CPUID: the vendor is AMD
  amd: 512,
} as const;

/** CPU.trap: why the running handler returned. */
export const TRAP = {
  /** Nothing: go on at rip. */
  none: 0,
  /** An exception: faultVector, faultError, faultAddress; rip is the faulting instruction's. */
  exception: 1,
  /** Leave to the vCPU's caller: exitReason and so on; rip is the instruction's, which is entered again. */
  exit: 2,
  /** HLT executed; rip is past it. */
  halt: 3,
  /** Exception while delivering a double fault. */
  shutdown: 4,
  /** The budget is used up or somebody kicked. */
  budget: 5,
  /** An exception for who debugs the guest from outside: faultVector, DR6 bits in faultAddress; not delivered. */
  debug: 6,
  /** A write to a chip of the engine: rip is the instruction's, which is entered again as a block of its own. */
  alone: 7,
} as const;

/** CPU.exitReason while trap is exit; also the kind of a replay entry. */
export const EXIT = {
  none: 0,
  ioIn: 1,
  ioOut: 2,
  mmioRead: 3,
  mmioWrite: 4,
  msrRead: 5,
  msrWrite: 6,
  fetch: 7,
} as const;

/** Bits of CPU.smm: the vCPU is in system management mode; it had masked NMIs when it entered. */
export const SMM_STATE = { active: 1, insideNmi: 2 } as const;

/** Bits of CPU.inhibit. */
export const INHIBIT = { sti: 1, movSs: 2 } as const;

/** Bits of CPU.guestDebug, as in KVM_SET_GUEST_DEBUG's control. */
export const GUEST_DEBUG = { singleStep: 2, softwareBreakpoints: 0x1_0000, hardwareBreakpoints: 0x2_0000 } as const;

/**
 * Bits of a byte of the page flag table, which all vCPUs change with atomic operations. `code`: some vCPU has decoded code
 * of the page; `logDirty`: the next write is to be noted; `dirtied`: one was, since the log was last read.
 */
export const PAGE_FLAG = { code: 1, logDirty: 2, dirtied: 4 } as const;

/** Words that the vCPUs of a VM share, from CPU.vm on. */
export const VM = place([
  // 1 while a vCPU makes a locked access that the host's processor cannot make atomic
  ["lock", 4],
] as const);

/** One memory slot as the helpers see it; pages are 4 KiB. */
export const SLOT = place([
  ["firstPage", 8],
  ["pages", 8],
  ["host", 4],
  ["flags", 4],
] as const);
export const SLOT_SIZE = 32;
export const MAX_SLOTS = 64;

/**
 * Where a decoded record has the bytes from its block's start to the end of its instruction, in 4 bytes; the rest of it is
 * the executor's own.
 */
export const RECORD_NEXT = 8;

/** One entry of the code map: `key` is host address << 4 | mode bits, 0 when free. */
export const CODE_MAP_ENTRY = place([
  ["key", 8],
  ["record", 4],
  // of an instruction that crosses a page, the host page of its second part
  ["second", 4],
] as const);
export const CODE_MAP_ENTRY_SIZE = CODE_MAP_ENTRY.end;

/** x87Trap/sseTrap values and CPU vectors are [SDM 3A 6.3.1]. */
// biome-ignore format: table
export const VECTOR = {
  DE: 0, DB: 1, NMI: 2, BP: 3, OF: 4, BR: 5, UD: 6, NM: 7, DF: 8, TS: 10, NP: 11, SS: 12, GP: 13, PF: 14, MF: 16, AC: 17, MC: 18, XM: 19,
} as const;

/** EFLAGS bits. [SDM 1 3.4.3] */
// biome-ignore format: table
export const EFLAGS = {
  CF: 0x1, PF: 0x4, AF: 0x10, ZF: 0x40, SF: 0x80, TF: 0x100, IF: 0x200, DF: 0x400, OF: 0x800, IOPL: 0x3000, NT: 0x4000, RF: 0x10000, VM: 0x20000,
  AC: 0x40000, VIF: 0x80000, VIP: 0x100000, ID: 0x200000, fixed: 0x2, arithmetic: 0x8d5,
} as const;

/** Numbers of the general registers. [SDM 2A 2.2.1] */
// biome-ignore format: table
export const GPR = { rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7, r8: 8, r9: 9, r10: 10, r11: 11, r12: 12, r13: 13, r14: 14, r15: 15 } as const;
