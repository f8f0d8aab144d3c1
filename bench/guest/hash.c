// SHA-256 [FIPS 180-4] with its constants worked out, and CRC-32 by a table.
#include "bench.h"

static uint32_t K[64], initial[8];

// The first 32 bits of the fractional part of a prime's root, by integers: the root times 2^32.
static uint32_t fraction(uint32_t prime, int cube)
{
    uint64_t low = 0, high = (uint64_t)32 << 32;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        long double root = (long double)middle / 4294967296.0L;
        if ((cube ? root * root * root : root * root) <= prime)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

static void make_constants(void)
{
    int found = 0;
    for (uint32_t n = 2; found < 64; n++) {
        int prime = 1;
        for (uint32_t d = 2; d * d <= n; d++)
            prime &= n % d != 0;
        if (!prime)
            continue;
        if (found < 8)
            initial[found] = fraction(n, 0);
        K[found++] = fraction(n, 1);
    }
}

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void block(uint32_t *h, const uint32_t *words)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = words[i];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    for (int i = 0; i < 8; i++)
        s[i] = h[i];
    for (int i = 0; i < 64; i++) {
        uint32_t e = s[4], a = s[0];
        uint32_t t1 = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + K[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        for (int j = 7; j > 0; j--)
            s[j] = s[j - 1];
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += s[i];
}

uint32_t sha256(void)
{
    uint32_t h[8], words[16];
    make_constants();
    for (int i = 0; i < 8; i++)
        h[i] = initial[i];
    for (uint32_t n = 0; n < 30000; n++) {
        for (uint32_t i = 0; i < 16; i++)
            words[i] = n * 16 + i;
        block(h, words);
    }
    return h[0] ^ h[7];
}

uint32_t crc32(void)
{
    static uint32_t table[256];
    static uint8_t data[1 << 16];
    uint32_t state = 3, crc = ~0u;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[i] = c;
    }
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)next_random(&state);
    for (int round = 0; round < 150; round++)
        for (uint32_t i = 0; i < sizeof data; i++)
            crc = table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}
