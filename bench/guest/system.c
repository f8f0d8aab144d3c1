// What the kernel does for programs.
#define _GNU_SOURCE
#include "bench.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

uint32_t system_calls(void)
{
    uint32_t sum = 0;
    for (int i = 0; i < 200000; i++)
        sum += (uint32_t)syscall(SYS_getuid) + (uint32_t)(syscall(SYS_close, -1) == -1);
    return sum ^ (sum >> 20) * (uint32_t)getuid();
}

uint32_t fork_exec(void)
{
    uint32_t sum = 0;
    for (int i = 0; i < 150; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            execl(self, self, "--nothing", (char *)0);
            _exit(1);
        }
        waitpid(child, &status, 0);
        sum = mix(sum, (uint32_t)WEXITSTATUS(status));
    }
    return sum;
}

uint32_t pipes(void)
{
    int to[2], from[2], status;
    uint32_t sum = 0;
    if (pipe(to) || pipe(from))
        return 0;
    pid_t child = fork();
    if (child == 0) {
        uint32_t value;
        close(to[1]);
        while (read(to[0], &value, 4) == 4) {
            value = value * 3 + 1;
            if (write(from[1], &value, 4) != 4)
                break;
        }
        _exit(3);
    }
    for (uint32_t i = 0; i < 15000; i++) {
        uint32_t value = i;
        if (write(to[1], &value, 4) != 4 || read(from[0], &value, 4) != 4)
            break;
        sum = mix(sum, value);
    }
    close(to[1]);
    waitpid(child, &status, 0);
    close(to[0]);
    close(from[0]);
    close(from[1]);
    return mix(sum, (uint32_t)WEXITSTATUS(status));
}

uint32_t page_faults(void)
{
    enum { BYTES = 4 << 20 };
    uint32_t sum = 0;
    for (uint32_t round = 0; round < 30; round++) {
        uint8_t *a = mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (uint32_t at = 0; at < BYTES; at += 4096)
            sum += a[at]++ + round;
        munmap(a, BYTES);
    }
    return sum;
}

// Code written, run a few times and written again: mov eax, constant; add eax, constant; ret.
uint32_t made_code(void)
{
    uint8_t *code = mmap(0, 1 << 16, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 40000; i++) {
        uint8_t *at = code + (i * 64) % (1 << 16), *start = at;
        *at++ = 0xb8;
        for (int n = 0; n < 4; n++)
            *at++ = (uint8_t)(i >> 8 * n);
        *at++ = 0x05;
        for (int n = 0; n < 4; n++)
            *at++ = (uint8_t)(sum >> 8 * n);
        *at++ = 0xc3;
        uint32_t (*function)(void) = (uint32_t(*)(void))start;
        for (int n = 0; n < 4; n++)
            sum = mix(sum, function());
    }
    munmap(code, 1 << 16);
    return sum;
}
