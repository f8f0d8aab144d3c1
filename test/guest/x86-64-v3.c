// Prints what floating point, strings, bit tricks and vectorised loops give when compiled for x86-64-v3. As a guest's first
// process it switches the machine off at its end.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>
#include <x86intrin.h>

#define COUNT 1000

static uint32_t state = 12345;

static uint32_t random_word(void) {
  state = state * 1664525 + 1013904223;
  return state >> 3;
}

static uint64_t mixed(uint64_t sum, uint64_t value) { return (sum ^ value) * 0x9e3779b97f4a7c15 + (sum >> 29); }

static uint64_t hash(const void *from, size_t size) {
  const uint8_t *bytes = from;
  uint64_t sum = 1;
  for (size_t n = 0; n < size; n++) sum = mixed(sum, bytes[n]);
  return sum;
}

static void show(const char *name, uint64_t value) { printf("v3 %s %016llx\n", name, (unsigned long long)value); }

static double doubles[COUNT], others[COUNT], results[COUNT];
static float singles[COUNT], fresh[COUNT];
static int32_t words[COUNT], indices[COUNT], picked[COUNT];
static uint8_t bytes[COUNT], shifted[COUNT];
static uint16_t halves[COUNT];

static void fill(void) {
  for (int n = 0; n < COUNT; n++) {
    doubles[n] = (double)random_word() / 1e6 - 250;
    others[n] = (double)random_word() / 3e7;
    singles[n] = (float)random_word() / 7e5f - 300;
    words[n] = (int32_t)random_word() - (1 << 28);
    indices[n] = (int32_t)(random_word() % COUNT);
    bytes[n] = (uint8_t)random_word();
  }
}

// Multiplications and additions that the compiler fuses, divisions, roots and the library's functions.
static void floating_point(void) {
  double dot = 0;
  for (int n = 0; n < COUNT; n++) dot = dot + doubles[n] * others[n];
  for (int n = 0; n < COUNT; n++) results[n] = doubles[n] * others[n] - doubles[COUNT - 1 - n];
  printf("v3 dot %.17g %.17g\n", dot, results[17]);
  show("fused", hash(results, sizeof results));
  for (int n = 0; n < COUNT; n++) results[n] = sqrt(fabs(doubles[n])) / (others[n] + 1) + floor(others[n]);
  show("roots", hash(results, sizeof results));
  for (int n = 0; n < COUNT; n++) fresh[n] = singles[n] * singles[n] + (float)words[n];
  show("singles", hash(fresh, sizeof fresh));
  for (int n = 0; n < COUNT; n++) results[n] = sin(others[n]) + exp(others[n] / 9) + pow(others[n], 0.3) + log(others[n] + 2);
  show("library", hash(results, sizeof results));
  for (int n = 0; n < COUNT; n += 8)
    _mm_storeu_si128((__m128i *)(halves + n), _mm256_cvtps_ph(_mm256_loadu_ps(singles + n), 0));
  for (int n = 0; n < COUNT; n += 8)
    _mm256_storeu_ps(fresh + n, _mm256_cvtph_ps(_mm_loadu_si128((__m128i *)(halves + n))));
  show("halves", hash(halves, sizeof halves) ^ hash(fresh, sizeof fresh));
}

static void strings(void) {
  static char text[4096], copy[4096];
  for (int n = 0; n < 4000; n++) text[n] = "abcdefghijklmnopqrstuvwxyz "[random_word() % 27];
  uint64_t sum = 0;
  for (int n = 0; n < 300; n++) {
    size_t length = strlen(text + n * 13);
    const char *found = memchr(text + n, 'q', length);
    const char *part = strstr(text + n, "ab");
    memmove(copy + n % 7, text + n, 200 + n * 3 % 1000);
    sum = mixed(sum, length + (found ? found - text : 0) + (part ? part - text : 0));
    sum = mixed(sum, (memcmp(copy + 5, text + 7, 64) < 0) + 2 * (strcmp(copy + 1, text + n) > 0));
    sum = mixed(sum, strspn(text + n, "abcdefgh") + strcspn(text + n, "xyz"));
  }
  show("strings", sum ^ hash(copy, sizeof copy));
}

static void bits(void) {
  uint64_t sum = 0;
  for (int n = 0; n < COUNT; n++) {
    uint64_t value = (uint64_t)random_word() << 32 | random_word(), mask = (uint64_t)words[n] * 0x100000001;
    sum = mixed(sum, _pdep_u64(value, mask) ^ _pext_u64(value, mask));
    sum = mixed(sum, _lzcnt_u64(value >> n % 64) + _tzcnt_u64(value << n % 64) + _mm_popcnt_u64(value));
    sum = mixed(sum, (~value & mask) + (value & (value - 1)) + (value & -value) + _bzhi_u64(value, n % 70));
    sum = mixed(sum, __builtin_bswap64(value) + (value >> n % 64 | value << (64 - n % 64) % 64) + (mask << n % 64));
    sum = mixed(sum, (uint64_t)((unsigned __int128)value * mask >> 64) + _bextr_u64(value, n % 64, n % 50));
  }
  show("bits", sum);
}

static void loops(void) {
  for (int n = 0; n < COUNT; n++) picked[n] = words[indices[n]] * 3 + (words[n] >> n % 31);
  show("gathered", hash(picked, sizeof picked));
  for (int n = 0; n < COUNT; n++) picked[n] = words[n] > 0 ? words[n] << (indices[n] & 7) : abs(picked[n]);
  show("chosen", hash(picked, sizeof picked));
  for (int n = 0; n < COUNT; n++) shifted[n] = bytes[n] > 200 ? 255 : (uint8_t)(bytes[n] + 55);
  show("bytes", hash(shifted, sizeof shifted));
  int64_t total = 0;
  for (int n = 0; n < COUNT; n++) total += (int64_t)words[n] * indices[n] + bytes[n];
  show("total", (uint64_t)total);
  double best = -1e300;
  for (int n = 0; n < COUNT; n++) best = doubles[n] > best ? doubles[n] : best;
  for (int n = 0; n < COUNT; n++) results[n] = words[n] * 0.5 + (double)singles[n];
  printf("v3 best %.17g %016llx\n", best, (unsigned long long)hash(results, sizeof results));
}

int main(void) {
  fill();
  floating_point();
  strings();
  bits();
  loops();
  puts("v3 end");
  fflush(stdout);
  if (getpid() == 1) reboot(RB_POWER_OFF);
  return 0;
}
