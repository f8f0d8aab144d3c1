// Registers and the arithmetic unit.
#include "bench.h"

uint32_t integer(void)
{
    uint32_t a = 1, b = 2, c = 3, sum = 0;
    for (uint32_t i = 0; i < 30000000; i++) {
        a += b ^ i;
        b = (b << 3) - c;
        c ^= a + (b >> 5);
        if (a & 1)
            sum += c;
    }
    return sum ^ a ^ b ^ c;
}

uint32_t shift_multiply(void)
{
    uint32_t x = 12345, sum = 0;
    for (uint32_t i = 0; i < 10000000; i++) {
        x = x * 1664525u + 1013904223u;
        uint32_t r = x >> (i & 31) | x << (-i & 31);
        sum += r * (r >> 16);
        sum ^= (uint32_t)(((uint64_t)x * sum) >> 32);
    }
    return sum;
}

uint32_t divide(void)
{
    uint32_t x = 1, sum = 0;
    for (uint32_t i = 1; i < 6000000; i++) {
        next_random(&x);
        sum += x / i + x % (i & 0xfff | 1);
        sum ^= (uint32_t)(((uint64_t)x << 20) / (i | 1));
    }
    return sum;
}

uint32_t atomic(void)
{
    static uint32_t counters[16];
    for (uint32_t i = 0; i < 5000000; i++) {
        __atomic_fetch_add(&counters[i & 15], i, __ATOMIC_SEQ_CST);
        uint32_t expected = counters[(i + 1) & 15];
        __atomic_compare_exchange_n(&counters[(i + 1) & 15], &expected, expected ^ i, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        __atomic_exchange_n(&counters[(i + 2) & 15], i, __ATOMIC_SEQ_CST);
    }
    uint32_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum = mix(sum, counters[i]);
    return sum;
}
