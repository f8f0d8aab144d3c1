// Floating point and vectors: scalar, packed, and the x87's own 80 bits.
#include "bench.h"
#include <math.h>
#include <string.h>

static uint32_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return (uint32_t)(bits ^ bits >> 32);
}

struct body {
    double x, y, z, vx, vy, vz, mass;
};

uint32_t nbody(void)
{
    struct body bodies[5];
    for (int i = 0; i < 5; i++)
        bodies[i] = (struct body){i * 1.5, 2.0 - i, i * i * 0.25, 0.1 * i, 0.05, -0.1 * i, 1.0 / (i + 1)};
    for (int step = 0; step < 100000; step++) {
        for (int i = 0; i < 5; i++)
            for (int j = i + 1; j < 5; j++) {
                struct body *a = &bodies[i], *b = &bodies[j];
                double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
                double square = dx * dx + dy * dy + dz * dz + 0.01;
                double factor = 0.001 / (square * sqrt(square));
                a->vx -= dx * b->mass * factor, a->vy -= dy * b->mass * factor, a->vz -= dz * b->mass * factor;
                b->vx += dx * a->mass * factor, b->vy += dy * a->mass * factor, b->vz += dz * a->mass * factor;
            }
        for (int i = 0; i < 5; i++)
            bodies[i].x += 0.001 * bodies[i].vx, bodies[i].y += 0.001 * bodies[i].vy, bodies[i].z += 0.001 * bodies[i].vz;
    }
    return bits_of(bodies[0].x) ^ bits_of(bodies[4].vz);
}

uint32_t mandelbrot(void)
{
    uint32_t sum = 0;
    for (int row = 0; row < 320; row++)
        for (int column = 0; column < 160; column++) {
            double cx = column * 3.0 / 160 - 2.1, cy = row * 2.4 / 320 - 1.2, x = 0, y = 0;
            int n = 0;
            for (; n < 200 && x * x + y * y < 4; n++) {
                double next = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = next;
            }
            sum = mix(sum, (uint32_t)n);
        }
    return sum;
}

uint32_t matrix_float(void)
{
    enum { N = 128 };
    static float a[N][N], b[N][N], c[N][N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i][j] = (float)(i - j) * 0.125f, b[i][j] = (float)(i + j) * 0.25f, c[i][j] = 0;
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++)
                for (int j = 0; j < N; j++)
                    c[i][j] += a[i][k] * b[k][j];
    uint32_t sum = 0;
    for (int i = 0; i < N; i++)
        sum = mix(sum, bits_of(c[i][(i * 7) % N]));
    return sum;
}

uint32_t vector_integer(void)
{
    enum { COUNT = 1 << 14 };
    static uint16_t a[COUNT], b[COUNT];
    static uint8_t c[COUNT];
    for (int i = 0; i < COUNT; i++)
        a[i] = (uint16_t)(i * 3), b[i] = (uint16_t)(i ^ 0x55);
    for (int round = 0; round < 600; round++) {
        for (int i = 0; i < COUNT; i++)
            a[i] = (uint16_t)((a[i] * b[i] >> 3) + (a[i] ^ b[i]));
        for (int i = 0; i < COUNT; i++)
            c[i] = (uint8_t)((c[i] + (a[i] >> 8)) & 0x7f);
    }
    uint32_t sum = 0;
    for (int i = 0; i < COUNT; i += 64)
        sum = mix(sum, a[i] ^ c[i]);
    return sum;
}

uint32_t x87(void)
{
    long double sum = 0, x = 0.5L;
    for (int i = 1; i < 1000000; i++) {
        x = x * 3.7L * (1.0L - x);
        sum += x / (long double)i - 1.0L / (x + 1.0L);
    }
    return bits_of((double)sum) ^ bits_of((double)x);
}
