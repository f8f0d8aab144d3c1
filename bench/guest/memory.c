// Loads and stores: in order, at random, and the C library's bulk functions.
#include "bench.h"
#include <stdlib.h>
#include <string.h>

uint32_t stream(void)
{
    enum { WORDS = 1 << 18 };
    uint32_t *a = malloc(WORDS * 4), *b = malloc(WORDS * 4);
    for (uint32_t i = 0; i < WORDS; i++)
        a[i] = i, b[i] = ~i;
    for (int round = 0; round < 40; round++)
        for (uint32_t i = 1; i < WORDS; i++)
            a[i] = a[i - 1] + b[i] * 3;
    uint32_t sum = a[WORDS - 1] ^ a[WORDS / 2];
    free(a);
    free(b);
    return sum;
}

uint32_t chase(void)
{
    enum { NODES = 1 << 18 };
    uint32_t *next = malloc(NODES * 4), state = 7;
    for (uint32_t i = 0; i < NODES; i++)
        next[i] = i;
    for (uint32_t i = NODES - 1; i > 0; i--) {
        uint32_t j = next_random(&state) % i, swap = next[i];
        next[i] = next[j];
        next[j] = swap;
    }
    uint32_t at = 0, sum = 0;
    for (uint32_t i = 0; i < 6000000; i++)
        sum += at = next[at];
    free(next);
    return sum;
}

uint32_t copy(void)
{
    enum { BYTES = 1 << 20 };
    uint8_t *a = malloc(BYTES), *b = malloc(BYTES);
    for (uint32_t i = 0; i < BYTES; i++)
        a[i] = (uint8_t)(i * 7);
    for (uint32_t round = 0; round < 300; round++) {
        memcpy(b, a, BYTES);
        b[round] ^= 0xff;
        memmove(a + 1, b, BYTES - 1);
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < BYTES; i += 64)
        sum = mix(sum, a[i]);
    free(a);
    free(b);
    return sum;
}

uint32_t fill(void)
{
    enum { BYTES = 1 << 20 };
    uint8_t *a = malloc(BYTES);
    uint32_t sum = 0;
    for (uint32_t round = 0; round < 500; round++) {
        memset(a, (int)round, BYTES);
        sum = mix(sum, a[round * 2000]);
    }
    free(a);
    return sum;
}

uint32_t rep_move(void)
{
    static uint8_t a[1 << 16], b[1 << 16];
    uint32_t sum = 0;
    for (uint32_t round = 0; round < 6000; round++) {
        void *to = b, *from = a;
        unsigned long count = sizeof a / 4;
        __asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(round) : "memory");
        to = a, count = sizeof a / 4, from = b;
        __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
        // short ones, as compilers write them
        for (int i = 0; i < 64; i++) {
            to = a + i * 64, from = b + i * 60, count = 17;
            __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
        }
        sum = mix(sum, a[round]);
    }
    return sum;
}
