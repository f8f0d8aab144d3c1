// Strings: the C library's vector code, and a byte at a time.
#include "bench.h"
#include <ctype.h>
#include <string.h>

static char text[1 << 16];

static void write_text(void)
{
    uint32_t state = 99;
    for (uint32_t i = 0; i < sizeof text - 1; i++) {
        uint32_t r = next_random(&state);
        text[i] = r % 6 == 0 ? ' ' : r % 97 == 0 ? '\n' : (char)('a' + (r >> 8) % 26);
    }
}

uint32_t strings(void)
{
    static char other[sizeof text];
    uint32_t sum = 0;
    write_text();
    for (int round = 0; round < 150; round++) {
        strcpy(other, text);
        other[sizeof other - 2 - round] ^= 1;
        sum = mix(sum, (uint32_t)strlen(other));
        sum = mix(sum, (uint32_t)strcmp(text, other) >> 31);
        for (char *at = text; (at = strchr(at, '\n')); at++)
            sum += (uint32_t)(at - text);
        sum = mix(sum, (uint32_t)((char *)memchr(other, 0, sizeof other) - other));
        sum += strstr(other, "zzyzx") != 0;
    }
    return sum;
}

uint32_t tokens(void)
{
    uint32_t sum = 0, words = 0;
    write_text();
    for (int round = 0; round < 60; round++) {
        uint32_t hash = 5381;
        for (const char *at = text; *at; at++) {
            if (isalpha((unsigned char)*at))
                hash = hash * 33 + (unsigned char)toupper((unsigned char)*at);
            else
                sum = mix(sum, hash), hash = 5381, words++;
        }
    }
    return sum ^ words;
}
