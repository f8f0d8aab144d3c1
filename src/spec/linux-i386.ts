/** What a program for Linux on i386 needs, which amd64 kernels run too [System V ABI i386; Linux arch/x86/entry/syscalls/syscall_32.tbl]. */

export const SYSCALL = {
  exit: 1,
  write: 4,
  execve: 11,
  chdir: 12,
  mkdir: 39,
  chroot: 61,
  setgroups: 206,
  setuid: 213,
  setgid: 214,
} as const;

/** Instructions [SDM 2]; the registers are arguments of a system call, in their order. */
export const CODE = {
  movEax: 0xb8,
  movArgument: [0xbb, 0xb9, 0xba],
  int80: [0xcd, 0x80],
  /** TEST EAX, EAX; JNS rel32: over what follows if the call did not fail. */
  jumpIfSuccess: [0x85, 0xc0, 0x0f, 0x89],
  /** CMP EAX, imm32; JNE rel32. */
  compareEax: 0x3d,
  jumpIfNotEqual: [0x0f, 0x85],
} as const;

/** An executable in one segment [System V ABI, "Object Files"]. */
export const ELF32 = {
  ident: [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  executable: 2,
  machine386: 3,
  headerSize: 52,
  programHeaderSize: 32,
  load: 1,
  flagsAll: 7,
  base: 0x0804_8000,
} as const;
