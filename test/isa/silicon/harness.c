// Runs short user-mode programs on the processor itself. Reads requests from standard input until its end, then writes
// one response for each. A program starts by a return from a signal handler, which loads the whole register state, and
// ends with the signal of its first exception, in whose handler that state is found; the next one starts from there.
// The layout constants are given by -D: see layout.ts.
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define DATA_BYTES (DATA_PAGES * PAGE)
#define CODE_SIZE (CODE_PAGES * PAGE)
#define WINDOW1 (PAGE - 64)
#define WINDOW2 (2 * PAGE - 64)
#define FXSAVE_BYTES 512
#define YMM_BYTES 256
// Places in the signal frame's XSAVE image: the kernel's list of components, that of those present, upper halves of YMM.
#define XFEATURES 472
#define XSTATE_BV 512
#define YMM_UPPER 576
#define XSTATE_X87_SSE 3
#define XSTATE_AVX 4
#define TIMEOUT_TRAP 255

struct request {
  uint64_t gpr[16];
  uint64_t rip;
  uint32_t rflags;
  uint32_t cs;
  uint32_t code_offset;
  uint32_t filler;
  uint8_t fxsave[FXSAVE_BYTES];
  uint8_t ymm[YMM_BYTES];
  uint8_t windows[WINDOW_BYTES];
  uint8_t code[CODE_BYTES];
};

struct response {
  uint64_t gpr[16];
  uint64_t rip;
  uint64_t rflags;
  uint64_t trap;
  uint64_t error;
  uint64_t address;
  uint64_t hash;
  uint8_t fxsave[FXSAVE_BYTES];
  uint8_t ymm[YMM_BYTES];
  uint8_t windows[WINDOW_BYTES];
};

// Order of the general registers' encoding.
static const int GREGS[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static struct request *requests;
static struct response *responses;
static size_t count;
static size_t current;
static uint8_t *code_writable;
static uint8_t *const data = (uint8_t *)DATA;
static gregset_t own_registers;
static uint8_t own_fxsave[FXSAVE_BYTES];
static uint8_t own_ymm[YMM_BYTES];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void *map(uintptr_t at, size_t size, int protection, int flags, int fd) {
  void *mapped = mmap((void *)at, size, protection, flags | (at ? MAP_FIXED_NOREPLACE : 0), fd, 0);
  if (mapped == MAP_FAILED) fail("mmap");
  return mapped;
}

// The code pages are mapped twice: to be executed, and to be written.
static void map_pages(void) {
  int fd = memfd_create("code", 0);
  if (fd < 0 || ftruncate(fd, CODE_SIZE) < 0) fail("memfd");
  code_writable = map(0, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  map(CODE, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
  map(DATA, DATA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  uint8_t *constant = map(READ_ONLY, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  for (int n = 0; n < PAGE; n++) constant[n] = n * 157 + 1;
  mprotect(constant, PAGE, PROT_READ);
}

static void copy_windows(uint8_t *to, const uint8_t *from, int into_data) {
  if (into_data) {
    memcpy(to + WINDOW1, from, 128);
    memcpy(to + WINDOW2, from + 128, 64);
  } else {
    memcpy(to, from + WINDOW1, 128);
    memcpy(to + 128, from + WINDOW2, 64);
  }
}

// The same as hashWords of layout.ts.
static uint32_t hash_data(void) {
  uint32_t hash = 0x811c9dc5;
  const uint32_t *word = (const uint32_t *)data;
  for (int n = 0; n < DATA_BYTES / 4; n++) hash = (hash ^ word[n]) * 0x01000193;
  return hash;
}

static void set_code(const struct request *request, int present) {
  uint8_t *at = code_writable + request->code_offset;
  if (present) {
    memset(code_writable, request->filler, CODE_SIZE);
    memcpy(at, request->code, CODE_BYTES);
  } else memset(at, request->filler, CODE_BYTES);
}

static int has_ymm(const uint8_t *frame) { return (*(const uint64_t *)(frame + XFEATURES) & XSTATE_AVX) != 0; }

// Upper halves of the YMM registers that a signal frame holds: zeros if the component is in its initial state.
static void save_ymm(uint8_t *to, const ucontext_t *context) {
  const uint8_t *frame = (const uint8_t *)context->uc_mcontext.fpregs;
  int present = has_ymm(frame) && *(const uint64_t *)(frame + XSTATE_BV) & XSTATE_AVX;
  if (present) memcpy(to, frame + YMM_UPPER, YMM_BYTES);
  else memset(to, 0, YMM_BYTES);
}

// Marks the state as present in the signal frame's XSAVE header, else it is initialised instead of loaded.
static void load_vectors(ucontext_t *context, const uint8_t *image, const uint8_t *ymm) {
  uint8_t *frame = (uint8_t *)context->uc_mcontext.fpregs;
  uint32_t mask;
  memcpy(&mask, frame + 28, 4);
  memcpy(frame, image, 416);
  memcpy(frame + 28, &mask, 4);
  *(uint64_t *)(frame + XSTATE_BV) |= XSTATE_X87_SSE;
  if (!has_ymm(frame)) return;
  memcpy(frame + YMM_UPPER, ymm, YMM_BYTES);
  *(uint64_t *)(frame + XSTATE_BV) |= XSTATE_AVX;
}

static void start(ucontext_t *context) {
  const struct request *request = &requests[current];
  greg_t *registers = context->uc_mcontext.gregs;
  set_code(request, 1);
  memset(data, 0, DATA_BYTES);
  copy_windows(data, request->windows, 1);
  for (int n = 0; n < 16; n++) registers[GREGS[n]] = request->gpr[n];
  registers[REG_RIP] = request->rip;
  registers[REG_EFL] = request->rflags;
  registers[REG_CSGSFS] = (registers[REG_CSGSFS] & ~0xffffL) | request->cs;
  load_vectors(context, request->fxsave, request->ymm);
}

static void finish(const ucontext_t *context, int signal) {
  struct response *response = &responses[current];
  const greg_t *registers = context->uc_mcontext.gregs;
  for (int n = 0; n < 16; n++) response->gpr[n] = registers[GREGS[n]];
  response->rip = registers[REG_RIP];
  response->rflags = registers[REG_EFL];
  response->trap = signal == SIGALRM ? TIMEOUT_TRAP : registers[REG_TRAPNO];
  response->error = registers[REG_ERR];
  response->address = registers[REG_CR2];
  response->hash = hash_data();
  memcpy(response->fxsave, context->uc_mcontext.fpregs, FXSAVE_BYTES);
  save_ymm(response->ymm, context);
  copy_windows(response->windows, data, 0);
}

static void arm_timer(void) {
  struct itimerval limit = {.it_value = {.tv_sec = 2}};
  setitimer(ITIMER_REAL, &limit, NULL);
}

static void stop(ucontext_t *context) {
  memcpy(context->uc_mcontext.gregs, own_registers, sizeof own_registers);
  load_vectors(context, own_fxsave, own_ymm);
}

static void on_begin(int signal, siginfo_t *info, void *argument) {
  (void)signal;
  (void)info;
  ucontext_t *context = argument;
  memcpy(own_registers, context->uc_mcontext.gregs, sizeof own_registers);
  memcpy(own_fxsave, context->uc_mcontext.fpregs, FXSAVE_BYTES);
  save_ymm(own_ymm, context);
  start(context);
}

__attribute__((used)) static void on_exception(int signal, siginfo_t *info, void *argument) {
  (void)info;
  ucontext_t *context = argument;
  finish(context, signal);
  set_code(&requests[current], 0);
  if (signal == SIGALRM) arm_timer();
  if (++current < count) start(context);
  else stop(context);
}

// A program may have set AC, and a handler begins with it: our own accesses are not to be checked.
__attribute__((naked)) static void enter_exception(int signal, siginfo_t *info, void *argument) {
  (void)signal;
  (void)info;
  (void)argument;
  __asm__("pushfq\n\tandl $~0x40000, (%rsp)\n\tpopfq\n\tjmp on_exception");
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  if (sigaction(signal, &action, NULL) < 0) fail("sigaction");
}

static void install_handlers(void) {
  stack_t stack = {.ss_size = 1 << 18};
  stack.ss_sp = map(0, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (sigaltstack(&stack, NULL) < 0) fail("sigaltstack");
  handle(SIGUSR1, on_begin);
  const int exceptions[] = {SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS, SIGALRM};
  for (size_t n = 0; n < sizeof exceptions / sizeof *exceptions; n++) handle(exceptions[n], enter_exception);
}

// 32-bit programs reach memory through DS and ES; 64-bit ones ignore them.
static void load_segments(void) {
  __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(DS32));
  if (syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)GS_BASE) < 0) fail("arch_prctl");
}

static void read_requests(void) {
  size_t size = 0, capacity = 1 << 20;
  uint8_t *bytes = malloc(capacity);
  for (ssize_t got; (got = read(0, bytes + size, capacity - size)) > 0;) {
    size += got;
    if (size == capacity) bytes = realloc(bytes, capacity *= 2);
  }
  requests = (struct request *)bytes;
  count = size / sizeof(struct request);
  responses = calloc(count + 1, sizeof(struct response));
}

static void write_responses(void) {
  const uint8_t *bytes = (const uint8_t *)responses;
  size_t size = count * sizeof(struct response);
  for (ssize_t put; size > 0; bytes += put, size -= put) {
    if ((put = write(1, bytes, size)) <= 0) fail("write");
  }
}

int main(void) {
  map_pages();
  read_requests();
  install_handlers();
  load_segments();
  arm_timer();
  if (count > 0) syscall(SYS_kill, getpid(), SIGUSR1);
  write_responses();
  return 0;
}
