// Runs the programs named as arguments, or all: "bench: start NAME", then "bench: NAME nanoseconds checksum". As the
// first process of a guest it switches the machine off at the end.
#include "bench.h"
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

const char *self;

const struct program programs[] = {
#define PROGRAM(name) {#name, name},
#include "programs.h"
#undef PROGRAM
    {0, 0},
};

static uint64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int wanted(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return 1;
    return count == 0;
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc == 2 && !strcmp(argv[1], "--nothing"))
        return 7;
    setvbuf(stdout, 0, _IOLBF, 0);
    for (const struct program *p = programs; p->name; p++) {
        if (!wanted(p->name, argc - 1, argv + 1))
            continue;
        printf("bench: start %s\n", p->name);
        uint64_t start = nanoseconds();
        uint32_t sum = p->run();
        uint64_t end = nanoseconds();
        printf("bench: %s %llu %08x\n", p->name, (unsigned long long)(end - start), sum);
    }
    printf("bench: done\n");
    if (getpid() == 1)
        reboot(RB_POWER_OFF);
    return 0;
}
