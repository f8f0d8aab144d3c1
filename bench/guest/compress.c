// A byte-oriented compressor: matches found by a hash of three bytes, then unpacked and compared.
#include "bench.h"
#include <stdlib.h>
#include <string.h>

enum { SIZE = 1 << 18, WINDOW = 1 << 14, LONGEST = 130 };

static uint32_t hash_of(const uint8_t *p)
{
    return (uint32_t)((p[0] | p[1] << 8 | p[2] << 16) * 2654435761u) >> 18;
}

static uint32_t pack(const uint8_t *in, uint8_t *out)
{
    static int32_t heads[1 << 14];
    uint8_t *to = out;
    memset(heads, 0xff, sizeof heads);
    for (int32_t at = 0; at < SIZE;) {
        int32_t length = 0, from = -1;
        if (at + 3 < SIZE) {
            uint32_t h = hash_of(in + at);
            from = heads[h];
            heads[h] = at;
            if (from >= 0 && at - from < WINDOW)
                while (length < LONGEST && at + length < SIZE && in[from + length] == in[at + length])
                    length++;
        }
        if (length > 3) {
            *to++ = (uint8_t)(0x80 | (length - 4));
            *to++ = (uint8_t)(at - from);
            *to++ = (uint8_t)((at - from) >> 8);
            at += length;
        } else {
            *to++ = in[at++] & 0x7f;
        }
    }
    return (uint32_t)(to - out);
}

static uint32_t unpack(const uint8_t *in, uint32_t length, uint8_t *out)
{
    uint8_t *to = out;
    for (const uint8_t *end = in + length; in < end;) {
        uint8_t c = *in++;
        if (c < 0x80) {
            *to++ = c;
            continue;
        }
        const uint8_t *from = to - (in[0] | in[1] << 8);
        in += 2;
        for (int n = (c & 0x7f) + 4; n > 0; n--)
            *to++ = *from++;
    }
    return (uint32_t)(to - out);
}

uint32_t compress(void)
{
    static const char *const words[] = {"the ", "quick ", "brown ", "fox ", "jumps ", "over ", "lazy ", "dogs "};
    uint8_t *in = malloc(SIZE + 16), *packed = malloc(SIZE * 2), *out = malloc(SIZE + 256);
    uint32_t state = 11, sum = 0;
    for (uint32_t at = 0; at < SIZE;) {
        const char *word = words[next_random(&state) & 7];
        for (; *word && at < SIZE; word++)
            in[at++] = (uint8_t)*word;
    }
    for (uint32_t round = 0; round < 12; round++) {
        in[round * 1000] = 'X';
        uint32_t length = pack(in, packed);
        sum = mix(sum, length);
        sum = mix(sum, unpack(packed, length, out) + (uint32_t)memcmp(in, out, SIZE));
    }
    free(in);
    free(packed);
    free(out);
    return sum;
}
