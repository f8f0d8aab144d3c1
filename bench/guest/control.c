// Calls and branches: callbacks, recursion, a bytecode interpreter, and more code than caches hold.
#include "bench.h"
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

uint32_t sort(void)
{
    enum { COUNT = 100000 };
    uint32_t *values = malloc(COUNT * 4), state = 5, sum = 0;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < COUNT; i++)
            values[i] = next_random(&state);
        qsort(values, COUNT, 4, compare);
        for (int i = 0; i < COUNT; i += 100)
            sum = mix(sum, values[i]);
    }
    free(values);
    return sum;
}

static uint32_t __attribute__((noinline)) fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint32_t fibonacci(void)
{
    uint32_t (*volatile call)(uint32_t) = fib;
    return call(34);
}

static uint32_t place(uint32_t row, uint32_t size, uint32_t columns, uint32_t left, uint32_t right)
{
    uint32_t count = 0;
    if (row == size)
        return 1;
    for (uint32_t free = ~(columns | left | right) & ((1u << size) - 1); free; free &= free - 1) {
        uint32_t bit = free & -free;
        count += place(row + 1, size, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}

uint32_t queens(void)
{
    return place(0, 12, 0, 0, 0);
}

enum { PUSH, ADD, MULTIPLY, XOR, LOAD, STORE, DECREMENT, JUMP_IF, STOP };

uint32_t bytecode(void)
{
    // r0 counts down; r1 := (r1 * 31 + r0) ^ 0x55
    static const uint8_t program[] = {LOAD, 1, PUSH, 31, MULTIPLY, LOAD, 0, ADD, PUSH, 0x55, XOR, STORE, 1, DECREMENT, 0, JUMP_IF, 0, STOP};
    uint32_t r[2] = {2000000, 1}, stack[8], *top = stack;
    const uint8_t *volatile start = program;
    for (const uint8_t *at = start;;) {
        switch (*at++) {
        case PUSH: *top++ = *at++; break;
        case ADD: top--; top[-1] += top[0]; break;
        case MULTIPLY: top--; top[-1] *= top[0]; break;
        case XOR: top--; top[-1] ^= top[0]; break;
        case LOAD: *top++ = r[*at++]; break;
        case STORE: r[*at++] = *--top; break;
        case DECREMENT: r[*at++]--; break;
        case JUMP_IF: at = r[0] ? start + *at : at + 1; break;
        default: return r[1];
        }
    }
}

// 1024 functions, each different, called in an order that no cache foresees.
#define F(n) \
    static uint32_t __attribute__((noinline)) f##n(uint32_t x) \
    { \
        x ^= x >> (1 + (0x##n & 7)); \
        if (x & (1u << (0x##n & 15))) \
            x += 0x9e3779b9u * (0x##n + 1); \
        else \
            x = x * 5 + 0x##n; \
        x = (x << 7 | x >> 25) - 0x##n; \
        return x & 0x40 ? x ^ 0x##n : x + (x >> 3); \
    }
#define F16(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9) F(n##a) F(n##b) F(n##c) F(n##d) F(n##e) F(n##f)
#define F256(n) F16(n##0) F16(n##1) F16(n##2) F16(n##3) F16(n##4) F16(n##5) F16(n##6) F16(n##7) F16(n##8) F16(n##9) F16(n##a) F16(n##b) F16(n##c) F16(n##d) F16(n##e) F16(n##f)
F256(0) F256(1) F256(2) F256(3)
#define N(n) f##n,
#define N16(n) N(n##0) N(n##1) N(n##2) N(n##3) N(n##4) N(n##5) N(n##6) N(n##7) N(n##8) N(n##9) N(n##a) N(n##b) N(n##c) N(n##d) N(n##e) N(n##f)
#define N256(n) N16(n##0) N16(n##1) N16(n##2) N16(n##3) N16(n##4) N16(n##5) N16(n##6) N16(n##7) N16(n##8) N16(n##9) N16(n##a) N16(n##b) N16(n##c) N16(n##d) N16(n##e) N16(n##f)

static uint32_t (*const functions[])(uint32_t) = {N256(0) N256(1) N256(2) N256(3)};

uint32_t large_code(void)
{
    uint32_t x = 1, state = 17;
    for (int i = 0; i < 4000000; i++)
        x = functions[next_random(&state) & 1023](x);
    return x;
}
