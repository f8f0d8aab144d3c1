/** Values of Linux system calls, x86-64. EFD_CLOEXEC and EFD_NONBLOCK are the O_ values. [open(2), mmap(2), madvise(2), eventfd(2), poll(2), signal(7)] */

export const O_RDWR = 0x2;
export const O_CLOEXEC = 0x8_0000;
export const O_NONBLOCK = 0x800;

export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;

export const MADV_DONTNEED = 4;

export const POLLIN = 0x1;

/** Ignored unless somebody listens, and never queued. */
export const SIGURG = 23;

export const CLOCK_MONOTONIC = 1;
export const SIGEV_THREAD_ID = 4;

/** Numbers of system calls, x86-64. [asm/unistd_64.h] */
export const SYS_TIMER_CREATE = 222;
export const SYS_TIMER_SETTIME = 223;
export const SYS_TIMER_DELETE = 226;

/** A descriptor that names a file and neither reads nor writes it. */
export const O_PATH = 0x20_0000;
