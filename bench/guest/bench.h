// What the guest's programs share. Each is a function of nothing that returns a checksum of its work, the same on every
// machine of one architecture; bench.c calls it and times it by the guest's own clock.
#pragma once
#include <stdint.h>

struct program {
    const char *name;
    uint32_t (*run)(void);
};

extern const struct program programs[];

// The path under which this program can be executed again.
extern const char *self;

// A generator of the same numbers everywhere: xorshift32.
static inline uint32_t next_random(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static inline uint32_t mix(uint32_t sum, uint32_t value)
{
    return (sum ^ value) * 0x9e3779b1u + (sum >> 15);
}

#define PROGRAM(name) uint32_t name(void);
#include "programs.h"
#undef PROGRAM
