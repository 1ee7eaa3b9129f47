// Bench of kv_dequant_lane with bfloat16 against exact arithmetic of 384 bits: every scale with codes of both signs,
// minima at all distances of the exponents, about the point of cancellation, at the end of the range; random triples.
// usage: bench [CASES [SEED]]
#include <cstdio>
#include <cstdlib>

#include "Vkv_dequant_lane.h"
#include "verilated.h"
#include "wide.hpp"

namespace {

constexpr int kStages = 9;

Vkv_dequant_lane *dut;
struct Case {
  int q;
  uint16_t s, m;
} pipe[kStages];
uint64_t fed = 0, checked = 0, ties = 0, saturated = 0, cancelled = 0;

void feed(int q, uint16_t s, uint16_t m) {
  s = cleaned(s), m = cleaned(m);
  if (fed >= kStages) {
    const Case &old = pipe[fed % kStages];
    Wide v = plus(value(old.m), times(value(old.s), old.q));
    bool over;
    uint16_t want = nearest(v, 1, &over, &ties);
    if (v.neg) want |= 0x8000;
    if (dut->x_o != want || bool(dut->sat_o) != over) {
      printf("q=%d s=%04x mn=%04x: got %04x sat=%d, want %04x sat=%d\n", old.q, old.s, old.m, dut->x_o, dut->sat_o, want, over);
      exit(1);
    }
    saturated += over;
    cancelled += zero(v) && old.m;
    checked++;
  }
  pipe[fed++ % kStages] = {q, s, m};
  dut->neg_i = q < 0;
  dut->mag_i = q < 0 ? -q : q;
  dut->scale_i = s;
  dut->min_i = m;
  dut->clk_i = 1;
  dut->eval();
  dut->clk_i = 0;
  dut->eval();
}

}  // namespace

int main(int argc, char **argv) {
  uint64_t cases = argc > 1 ? strtoull(argv[1], nullptr, 0) : 2000000;
  rnd(argc > 2 ? strtoull(argv[2], nullptr, 0) : 1);
  dut = new Vkv_dequant_lane;
  dut->en_i = 1;
  dut->rst_i = 0;
  dut->bf16_i = 1;
  dut->valid8_i = 1;
  dut->clk_i = 0;
  dut->eval();
  for (int s = 0; s < 65536; s++) {
    if (cleaned(s) != s) continue;
    for (int k = 0; k < 8; k++) feed(int(rnd() & 255) - 128, s, 0);
    int q = s % 3 == 0 ? 255 : rnd() & 255;
    Wide v = times(value(s), -q);
    uint16_t near = nearest(v, 1) | (v.neg ? 0x8000 : 0);
    for (int d = -2; d <= 2; d++) feed(q, s, near + d);
    for (int d = 0; d < 6; d++) feed(q, s, near + (((int(rnd() % 27) - 13) << 7) + int(rnd() % 5) - 2));
    feed(q, s, near ^ 0x8000);
  }
  for (int e = 0; e < 255; e++)
    for (int g = 0; g < 255; g++)
      for (int k = 0; k < 4; k++)
        feed(rnd() & 255, (rnd() & 0x8000) | e << 7 | (rnd() & 127), (rnd() & 0x8000) | g << 7 | (rnd() & 127));
  for (uint64_t to = checked + cases; checked < to;) {
    uint16_t s = rnd(), m = rnd();
    int q = rnd() & 255;
    switch (rnd() & 7) {
      case 0: s &= 0x80FF, m &= 0x83FF; break;                        // subnormals and their neighbours
      case 1: s = (s & 0x87FF) | 0x7800, m = (m & 0x80FF) | 0x7F00; break;  // the end of the range
      case 2: s &= 0xFFF0, m &= 0xFFE0; break;                        // few bits: ties
      case 3: m = s + (int(rnd() & 0x7FF) - 0x200); break;
    }
    feed(q, s, m);
  }
  for (int i = 0; i < kStages; i++) feed(0, 0, 0);
  printf("dequant: %llu cases, %llu ties, %llu saturated, %llu cancelled\n", (unsigned long long)checked, (unsigned long long)ties,
         (unsigned long long)saturated, (unsigned long long)cancelled);
  return ties > 1000 && saturated > 1000 && cancelled > 1000 ? 0 : 1;
}
