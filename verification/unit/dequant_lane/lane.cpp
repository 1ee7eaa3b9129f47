// Bench of kv_dequant_lane against exact integer arithmetic.
//
// The reference takes the value in units of 2^-24 as a 64-bit integer, rounds it once
// and clamps it; it shares nothing with the lane's floating frame. Cases:
//   sym   every scale (65536) x every code of b bits (all b), minimum 0
//   asym  every scale x a few codes x minima near -q s (cancellation) and at the
//         rounding ties, and random triples, until the given number of cases
// A difference prints the case and ends with status 1.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vkv_dequant_lane.h"
#include "verilated.h"

namespace {

constexpr int kStages = 9;

// Value of a finite fp16 in units of 2^-24.
int64_t units(uint16_t x) {
  int64_t e = (x >> 10) & 31, f = x & 1023;
  int64_t m = e ? (1024 + f) << (e - 1) : f;
  return x & 0x8000 ? -m : m;
}

uint16_t clean(uint16_t x) {
  if ((x & 0x7C00) == 0x7C00) return x & 0x3FF ? 0 : (x & 0x8000) | 0x7BFF;
  return x == 0x8000 ? 0 : x;
}

struct Result {
  uint16_t x;
  bool sat;
};

Result round16(int64_t v) {
  uint16_t sign = v < 0 ? 0x8000 : 0;
  uint64_t m = v < 0 ? -v : v;
  if (m >= (uint64_t)65520 << 24) return {uint16_t(sign | 0x7BFF), true};
  if (m == 0) return {0, false};
  int top = 63 - __builtin_clzll(m);
  int cut = top > 10 ? top - 10 : 0;
  uint64_t kept = m >> cut, rest = m & ((1ull << cut) - 1), half = cut ? 1ull << (cut - 1) : 0;
  if (cut && (rest > half || (rest == half && (kept & 1)))) kept++;
  return {uint16_t(sign | ((uint64_t(cut) << 10) + kept)), false};
}

Vkv_dequant_lane *dut;
struct Case {
  int q;
  uint16_t s, m;
};
Case pipe[kStages];
uint64_t fed = 0, checked = 0, saturated = 0;

void feed(int q, uint16_t s, uint16_t m) {
  Case &slot = pipe[fed % kStages];
  if (fed >= kStages) {
    Result want = round16(units(slot.m) + slot.q * units(slot.s));
    if (dut->x_o != want.x || bool(dut->sat_o) != want.sat) {
      printf("q=%d s=%04x mn=%04x: got %04x sat=%d, want %04x sat=%d\n", slot.q, slot.s, slot.m,
             dut->x_o, dut->sat_o, want.x, want.sat);
      exit(1);
    }
    checked++;
    saturated += want.sat;
  }
  slot = {q, s, m};
  fed++;
  dut->neg_i = q < 0;
  dut->mag_i = q < 0 ? -q : q;
  dut->scale_i = s;
  dut->min_i = m;
  dut->clk_i = 1;
  dut->eval();
  dut->clk_i = 0;
  dut->eval();
}

uint64_t state = 88172645463325252ull;
uint64_t rnd() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

}  // namespace

int main(int argc, char **argv) {
  uint64_t limit = argc > 1 ? strtoull(argv[1], nullptr, 0) : 30000000;
  dut = new Vkv_dequant_lane;
  dut->bf16_i = 0;
  dut->en_i = 1;
  dut->rst_i = 0;
  dut->valid8_i = 1;
  dut->clk_i = 0;
  dut->eval();
  // Codes of b bits are a subset of those of 8: -128 to 127 covers every width.
  for (int s = 0; s < 65536; s++) {
    if (clean(s) != s) continue;
    for (int q = -128; q < 128; q++) feed(q, s, 0);
  }
  printf("symmetric: %llu cases\n", (unsigned long long)checked);
  // Every scale with minima around the cancellation point and around the exponent ties.
  for (int s = 0; s < 65536; s++) {
    if (clean(s) != s) continue;
    for (int k = 0; k < 6; k++) {
      int q = k == 0 ? 255 : k == 1 ? 1 : rnd() & 255;
      uint16_t near = round16(-q * units(s)).x;
      for (int d = -3; d <= 3; d++) {
        uint16_t m = near + d;
        feed(q, s, clean(m));
      }
      for (int d = 0; d < 6; d++) feed(q, s, clean(near + ((int(rnd() % 27) - 13) << 10) + int(rnd() % 5) - 2));
      feed(q, s, clean(near ^ 0x8000));
    }
  }
  printf("structured: %llu cases\n", (unsigned long long)checked);
  while (checked < limit) {
    uint64_t r = rnd();
    int q = r & 255;
    uint16_t s = clean(r >> 8), m = clean(r >> 24);
    switch ((r >> 40) & 7) {
      case 0:  // subnormals and their neighbours
        s = s & 0x87FF;
        m = m & 0x87FF;
        break;
      case 1:  // minimum within a few binades of the product
        m = clean(round16(-q * units(s)).x + (int((r >> 44) & 0x1FFF) - 0x1000));
        break;
      case 2:  // few significand bits: ties
        s = clean(s & 0xFFE0);
        m = clean(m & 0xFF80);
        break;
      case 3:  // near the top of the range
        s = clean(s | 0x5000);
        m = clean(m | 0x7800);
        break;
    }
    feed(q, s, m);
  }
  for (int i = 0; i < kStages; i++) feed(0, 0, 0);
  printf("all: %llu cases, %llu saturated, no difference\n", (unsigned long long)checked,
         (unsigned long long)saturated);
  if (saturated == 0) return 1;
  delete dut;
  return 0;
}
