// Bench of kv_quant_scale with bfloat16 against exact arithmetic of 384 bits: every maximum if symmetric; if
// asymmetric every scale, at the middle between it and the next and at itself, beside both by as little as two numbers can
// differ, numbers at all distances of their exponents, and random pairs.
// usage: bench [CASES [SEED]]
#include <cstdio>
#include <cstdlib>

#include "Vkv_quant_scale.h"
#include "verilated.h"
#include "wide.hpp"

namespace {

constexpr int kStages = 9;
constexpr int kWidths[] = {2, 3, 4, 5, 6, 8};

Vkv_quant_scale *dut;
struct Case {
  uint16_t hi, lo;
} pipe[kStages];
uint64_t fed = 0, checked = 0, ties = 0, subnormal = 0;
bool sym = false;
int64_t divisor = 1;

void push(Case c) {
  if (fed >= kStages) {
    const Case &old = pipe[fed % kStages];
    uint16_t want = nearest(sym ? value(old.hi) : minus(value(old.hi), value(old.lo)), divisor, nullptr, &ties);
    if (dut->scale_o != want) {
      printf("hi=%04x lo=%04x sym=%d divisor=%d: got %04x, want %04x\n", old.hi, old.lo, sym, int(divisor), dut->scale_o, want);
      exit(1);
    }
    subnormal += want && want < 0x80;
    checked++;
  }
  pipe[fed++ % kStages] = c;
  dut->high_i = c.hi;
  dut->low_i = c.lo;
  dut->clk_i = 1;
  dut->eval();
  dut->clk_i = 0;
  dut->eval();
}

void feed(uint16_t hi, uint16_t lo) {
  hi = cleaned(hi), lo = cleaned(lo);
  if (!sym && minus(value(hi), value(lo)).neg) {
    uint16_t x = hi;
    hi = lo, lo = x;
  }
  push({hi, lo});
}

void settings(bool symmetric, int bits) {
  for (int i = 0; i < kStages; i++) push({0, 0});
  fed = 0;
  sym = symmetric;
  int width = symmetric ? bits - 1 : bits;
  divisor = (1 << width) - 1;
  dut->sym_i = sym;
  dut->width_i = width;
}

// Pairs whose difference is at, or close to, d.
void around(const Wide &d) {
  uint16_t x0 = below(d);
  for (int up = 0; up < 2; up++) {
    uint16_t x = x0 + up;
    if (x > kMax) continue;
    Wide rest = minus(d, value(x));
    uint16_t sign = rest.neg ? 0 : 0x8000, mag = below(rest);
    const uint16_t near[] = {mag, uint16_t(mag + 1), uint16_t(mag ? mag - 1 : 1), 0, 1, uint16_t(rnd() % (mag + 1))};
    for (uint16_t m : near) {
      feed(x, sign | m);
      feed((sign ^ 0x8000) | m, 0x8000 | x);
    }
  }
}

}  // namespace

int main(int argc, char **argv) {
  uint64_t cases = argc > 1 ? strtoull(argv[1], nullptr, 0) : 1000000;
  rnd(argc > 2 ? strtoull(argv[2], nullptr, 0) : 1);
  dut = new Vkv_quant_scale;
  dut->en_i = 1;
  dut->bf16_i = 1;
  dut->offset_i = 0;
  dut->clk_i = 0;
  dut->eval();
  for (int bits : kWidths) {
    settings(true, bits);
    for (uint32_t x = 0; x <= kMax; x++) push({uint16_t(x), cleaned(rnd() & 0xBFFF)});
  }
  for (int bits : kWidths) {
    settings(false, bits);
    for (uint32_t s = rnd() % 4; s < kMax; s += 1 + rnd() % 4) {
      Wide n = times(plus(value(s), value(s + 1)), divisor), d = n;  // twice the middle
      for (int i = 0; i < 6; i++) d.limb[i] = n.limb[i] >> 1 | (i < 5 ? n.limb[i + 1] << 63 : 0);
      if (compare(d, times(value(kMax), 2)) > 0) break;
      around(d);
      if (n.limb[0] & 1) around(plus(d, made(1, 0)));
      around(times(value(s), divisor));
    }
    for (int e = 0; e < 255; e++)
      for (int g = 0; g < 255; g++) {
        uint16_t a = (e << 7) | (rnd() & 127), b = (g << 7) | (rnd() & 127);
        feed(a, b);
        feed(a, b | 0x8000);
        feed(a | 0x8000, b | 0x8000);
      }
    for (uint32_t x = 0; x <= kMax; x += 1 + rnd() % 8) feed(x, x), feed(kMax, x | 0x8000), feed(x, 0x8001);
  }
  for (uint64_t i = 0, to = checked + cases; checked < to; i++) {
    if (i % 10000 == 0) settings(rnd() & 1, kWidths[rnd() % 6]);
    uint16_t hi = rnd(), lo = rnd() & 1 ? rnd() : hi ^ (rnd() & 4095);
    if (sym) hi &= 0x7FFF;
    feed(hi, lo);
  }
  settings(false, 2);
  printf("scale: %llu cases, %llu ties, %llu subnormal\n", (unsigned long long)checked, (unsigned long long)ties,
         (unsigned long long)subnormal);
  return ties > 10000 && subnormal > 1000 ? 0 : 1;
}
