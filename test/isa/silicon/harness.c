// Runs short user-mode programs on the processor itself. Reads requests from standard input until its end, then writes
// one response for each. A program starts by a return from a signal handler, which loads the whole register state, and
// ends with the signal of its first exception, in whose handler that state is found; the next one starts from there. A
// request may name places where its program goes on after its first exceptions instead.
// The layout constants are given by -D: see layout.ts, whose IMAGE is struct image here.
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define DATA_BYTES (DATA_PAGES * PAGE)
#define CODE_SIZE (CODE_PAGES * PAGE)
#define WINDOW1 (PAGE - 64)
#define WINDOW2 (2 * PAGE - 64)
#define TIMEOUT_TRAP 255
#define SYSTEM_CALL_TRAP 254
#define HASH_START 0x811c9dc5
#define TICK_US 200000

enum { ES, CS, SS, DS, FS, GS };

struct image {
  uint64_t gpr[16];
  uint64_t rip;
  uint32_t rflags;
  uint16_t selectors[6];
  uint64_t fs_base;
  uint64_t gs_base;
  uint64_t reserved;
  uint8_t fxsave[512];
  uint8_t ymm[256];
  uint8_t windows[WINDOW_BYTES];
};
_Static_assert(sizeof(struct image) == IMAGE_BYTES, "IMAGE of layout.ts");

// Followed by the code, filled up to a multiple of 8 bytes.
struct request {
  struct image image;
  uint32_t code_offset;
  uint32_t code_length;
  uint32_t filler;
  uint32_t catch_count;
  uint32_t catches[MAX_CATCHES];
  uint8_t code[];
};

struct raised {
  uint64_t trap;
  uint64_t error;
  uint64_t address;
  uint64_t rip;
};

struct response {
  struct image image;
  uint64_t trap;
  uint64_t error;
  uint64_t address;
  uint64_t hash;
  uint64_t code_hash;
  uint64_t caught_count;
  struct raised caught[MAX_CATCHES];
};

// Order of the general registers' encoding.
static const int GREGS[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// Where the XSAVE area in a signal frame has its header and the upper halves of YMM, and the features that it holds.
// [SDM 1 13.4.2, table 13-1; Linux, asm/sigcontext.h, struct _fpx_sw_bytes]
#define XSTATE_BV 512
#define XSAVE_YMM 576
#define SW_MAGIC 464
#define SW_FEATURES 472
#define AVX_STATE 4

static uint8_t *input;
static size_t input_size;
static const struct request *request;
static struct response *responses;
static size_t done, ticked;
static int finished;
static uint8_t *code_writable;
static uint8_t *const data = (uint8_t *)DATA;
static gregset_t own_registers;
static uint8_t own_fxsave[512];
static uint64_t own_fs;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

// Not libc's: its thread pointer is FS, which a program has changed.
static long arch_prctl(long code, uint64_t address) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_arch_prctl), "D"(code), "S"(address) : "rcx", "r11", "memory");
  return result;
}

static void *map(uintptr_t at, size_t size, int protection, int flags, int fd) {
  void *mapped = mmap((void *)at, size, protection, flags | (at ? MAP_FIXED_NOREPLACE : 0), fd, 0);
  if (mapped == MAP_FAILED) fail("mmap");
  return mapped;
}

// The code pages are mapped twice: for the program, which may change itself, and to be filled.
static void map_pages(void) {
  int fd = memfd_create("code", 0);
  if (fd < 0 || ftruncate(fd, CODE_SIZE) < 0) fail("memfd");
  code_writable = map(0, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  map(CODE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, fd);
  map(DATA, DATA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  uint8_t *constant = map(READ_ONLY, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  for (int n = 0; n < PAGE; n++) constant[n] = n * 157 + 1;
  mprotect(constant, PAGE, PROT_READ);
}

static uint32_t hash_words(uint32_t hash, const uint8_t *bytes, size_t from, size_t to) {
  for (size_t n = from; n < to; n += 4) hash = (hash ^ *(const uint32_t *)(bytes + n)) * 0x01000193;
  return hash;
}

// The same as hashData and hashCode of layout.ts.
static uint32_t hash_data(void) {
  uint32_t hash = hash_words(HASH_START, data, 0, WINDOW1);
  return hash_words(hash, data, WINDOW1 + 128, WINDOW2);
}

static uint32_t hash_code(void) { return hash_words(HASH_START, code_writable, 0, CODE_SIZE); }

static uint8_t *xsave_area(const ucontext_t *context) { return (uint8_t *)context->uc_mcontext.fpregs; }

static uint64_t *xstate_bv(const ucontext_t *context) { return (uint64_t *)(xsave_area(context) + XSTATE_BV); }

static int has_avx_state(const ucontext_t *context) {
  const uint8_t *area = xsave_area(context);
  return *(const uint32_t *)(area + SW_MAGIC) == FP_XSTATE_MAGIC1 &&
         (*(const uint64_t *)(area + SW_FEATURES) & AVX_STATE) != 0;
}

// Marks the state as present in the signal frame's XSAVE header, else it is initialised instead of loaded.
static void load_fxsave(ucontext_t *context, const uint8_t *image) {
  uint8_t *area = xsave_area(context);
  uint32_t mask;
  memcpy(&mask, area + 28, 4);
  memcpy(area, image, FXSAVE_BYTES);
  memcpy(area + 28, &mask, 4);
  *xstate_bv(context) |= 3;
}

static void load_ymm(ucontext_t *context, const uint8_t *upper) {
  if (!has_avx_state(context)) return;
  memcpy(xsave_area(context) + XSAVE_YMM, upper, 256);
  *xstate_bv(context) |= AVX_STATE;
}

static void load_segments(const struct image *image) {
  __asm__ volatile("mov %0, %%ds\n\tmov %1, %%es" : : "rm"(image->selectors[DS]), "rm"(image->selectors[ES]));
  arch_prctl(ARCH_SET_GS, image->gs_base);
  arch_prctl(ARCH_SET_FS, image->fs_base);
}

static void start(ucontext_t *context) {
  const struct image *image = &request->image;
  greg_t *registers = context->uc_mcontext.gregs;
  memset(code_writable, request->filler, CODE_SIZE);
  memcpy(code_writable + request->code_offset, request->code, request->code_length);
  memset(data, 0, DATA_BYTES);
  memcpy(data + WINDOW1, image->windows, 128);
  memcpy(data + WINDOW2, image->windows + 128, 64);
  for (int n = 0; n < 16; n++) registers[GREGS[n]] = image->gpr[n];
  registers[REG_RIP] = image->rip;
  registers[REG_EFL] = image->rflags;
  registers[REG_CSGSFS] = (uint64_t)image->selectors[SS] << 48 | image->selectors[CS];
  load_fxsave(context, image->fxsave);
  load_ymm(context, image->ymm);
  load_segments(image);
}

static void read_segments(struct image *image, const ucontext_t *context) {
  uint64_t packed = context->uc_mcontext.gregs[REG_CSGSFS];
  image->selectors[CS] = packed;
  image->selectors[SS] = packed >> 48;
  __asm__("mov %%ds, %0" : "=m"(image->selectors[DS]));
  __asm__("mov %%es, %0" : "=m"(image->selectors[ES]));
  __asm__("mov %%fs, %0" : "=m"(image->selectors[FS]));
  __asm__("mov %%gs, %0" : "=m"(image->selectors[GS]));
  arch_prctl(ARCH_GET_FS, (uint64_t)&image->fs_base);
  arch_prctl(ARCH_GET_GS, (uint64_t)&image->gs_base);
}

static void finish(const ucontext_t *context, uint64_t trap) {
  struct response *response = &responses[done];
  struct image *image = &response->image;
  const greg_t *registers = context->uc_mcontext.gregs;
  read_segments(image, context);
  arch_prctl(ARCH_SET_FS, own_fs);
  for (int n = 0; n < 16; n++) image->gpr[n] = registers[GREGS[n]];
  image->rip = registers[REG_RIP];
  image->rflags = registers[REG_EFL];
  response->trap = trap;
  response->error = registers[REG_ERR];
  response->address = registers[REG_CR2];
  response->hash = hash_data();
  response->code_hash = hash_code();
  memcpy(image->fxsave, xsave_area(context), FXSAVE_BYTES);
  if (has_avx_state(context) && *xstate_bv(context) & AVX_STATE)
    memcpy(image->ymm, xsave_area(context) + XSAVE_YMM, 256);
  memcpy(image->windows, data + WINDOW1, 128);
  memcpy(image->windows + 128, data + WINDOW2, 64);
}

static const struct request *after(const struct request *one) {
  return (const struct request *)(one->code + ((one->code_length + 7) & ~7u));
}

static int is_end(const struct request *one) { return (const uint8_t *)one >= input + input_size; }

static void next(ucontext_t *context) {
  done++;
  request = after(request);
  if (!is_end(request)) return start(context);
  finished = 1;
  memcpy(context->uc_mcontext.gregs, own_registers, sizeof own_registers);
  load_fxsave(context, own_fxsave);
}

static void on_begin(int signal, siginfo_t *info, void *argument) {
  (void)signal;
  (void)info;
  ucontext_t *context = argument;
  memcpy(own_registers, context->uc_mcontext.gregs, sizeof own_registers);
  memcpy(own_fxsave, xsave_area(context), FXSAVE_BYTES);
  start(context);
}

// Notes an exception and lets the program go on where the request says; 0: it ends.
static int catch(greg_t *registers) {
  struct response *response = &responses[done];
  if (response->caught_count == request->catch_count) return 0;
  struct raised *raised = &response->caught[response->caught_count];
  raised->trap = registers[REG_TRAPNO];
  raised->error = registers[REG_ERR];
  raised->address = registers[REG_CR2];
  raised->rip = registers[REG_RIP];
  registers[REG_RIP] = request->catches[response->caught_count++];
  return 1;
}

__attribute__((used)) static void on_exception(int signal, siginfo_t *info, void *argument) {
  (void)info;
  ucontext_t *context = argument;
  if (signal != SIGSYS && catch(context->uc_mcontext.gregs)) return;
  finish(context, signal == SIGSYS ? SYSTEM_CALL_TRAP : context->uc_mcontext.gregs[REG_TRAPNO]);
  next(context);
}

// A program that is the same at two ticks does not end.
__attribute__((used)) static void on_tick(int signal, siginfo_t *info, void *argument) {
  (void)signal;
  (void)info;
  int endless = ticked == done && !finished;
  ticked = done;
  if (!endless) return;
  finish(argument, TIMEOUT_TRAP);
  next(argument);
}

// A program may have set AC and NT, and a handler begins with them: our own accesses are not to be checked, and the next
// program would inherit NT, which is not loaded from a signal frame.
#define CLEAR_FLAGS_AND_GO(handler) __asm__("pushfq\n\tandl $~0x44000, (%rsp)\n\tpopfq\n\tjmp " #handler)

__attribute__((naked)) static void enter_exception(int signal, siginfo_t *info, void *argument) {
  (void)signal;
  (void)info;
  (void)argument;
  CLEAR_FLAGS_AND_GO(on_exception);
}

__attribute__((naked)) static void enter_tick(int signal, siginfo_t *info, void *argument) {
  (void)signal;
  (void)info;
  (void)argument;
  CLEAR_FLAGS_AND_GO(on_tick);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};
  sigaddset(&action.sa_mask, SIGVTALRM);
  if (sigaction(signal, &action, NULL) < 0) fail("sigaction");
}

static void install_handlers(void) {
  stack_t stack = {.ss_size = 1 << 18};
  stack.ss_sp = map(0, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (sigaltstack(&stack, NULL) < 0) fail("sigaltstack");
  handle(SIGUSR1, on_begin);
  handle(SIGVTALRM, enter_tick);
  const int exceptions[] = {SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS, SIGSYS};
  for (size_t n = 0; n < sizeof exceptions / sizeof *exceptions; n++) handle(exceptions[n], enter_exception);
}

// A program that went astray must not reach the kernel, which could stop it for ever: a system call from the code pages
// is a signal. A kernel without filters runs programs all the same. [Linux, Documentation/userspace-api/seccomp_filter.rst]
static void refuse_system_calls(void) {
  const uint32_t ip = offsetof(struct seccomp_data, instruction_pointer);
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, CODE, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, CODE + CODE_SIZE, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void read_requests(void) {
  size_t capacity = 1 << 20;
  input = malloc(capacity);
  for (ssize_t got; (got = read(0, input + input_size, capacity - input_size)) > 0;) {
    input_size += got;
    if (input_size == capacity) input = realloc(input, capacity *= 2);
  }
  request = (const struct request *)input;
  size_t count = 0;
  for (const struct request *one = request; !is_end(one); one = after(one)) count++;
  responses = calloc(count + 1, sizeof(struct response));
}

static void write_responses(void) {
  const uint8_t *bytes = (const uint8_t *)responses;
  size_t size = done * sizeof(struct response);
  for (ssize_t put; size > 0; bytes += put, size -= put) {
    if ((put = write(1, bytes, size)) <= 0) fail("write");
  }
}

int main(void) {
  struct itimerval tick = {.it_interval = {.tv_usec = TICK_US}, .it_value = {.tv_usec = TICK_US}};
  map_pages();
  read_requests();
  install_handlers();
  refuse_system_calls();
  arch_prctl(ARCH_GET_FS, (uint64_t)&own_fs);
  setitimer(ITIMER_VIRTUAL, &tick, NULL);
  if (!is_end(request)) syscall(SYS_kill, getpid(), SIGUSR1);
  write_responses();
  return 0;
}
