// Bench of kv_quant_lane and kv_quant_recip with bfloat16 against exact arithmetic of 384 bits. An element is a case if its
// group can exist: |x - mn| is at most the limit times what still rounds to s. For every width: symmetric, every
// significand of scale and element at every distance of their exponents, at both ends of the range; asymmetric, every quotient and
// every half one for scales of all exponents, as closely as two numbers can come; random triples.
// usage: bench [CASES [SEED]]
#include <cstdio>
#include <cstdlib>

#include "Vquant_lane_bench.h"
#include "verilated.h"
#include "wide.hpp"

namespace {

constexpr int kStages = 8;
constexpr int kWidths[] = {2, 3, 4, 5, 6, 8};

Vquant_lane_bench *dut;
struct Case {
  uint16_t x, mn, s;
} pipe[kStages];
uint64_t fed = 0, checked = 0, ties = 0, clamped = 0;
bool sym = false;
int limit = 0;

Wide gap(const Case &c) { return sym ? value(c.x) : minus(value(c.x), value(c.mn)); }

uint8_t want(const Case &c) {
  Wide d = gap(c), s = value(c.s);
  if (zero(s)) return 0;
  bool neg = d.neg;
  d.neg = false;
  int q = 0, step = 512;  // greatest q with q s <= d
  for (; step; step /= 2) if (compare(times(s, q + step), d) <= 0) q += step;
  int half = compare(times(d, 2), times(s, 2 * q + 1));
  ties += half == 0;
  if (half > 0 || (half == 0 && (q & 1))) q++;
  clamped += q > limit;
  if (q > limit) q = limit;
  return neg ? -q : q;
}

void push(Case c) {
  if (fed >= kStages) {
    const Case &old = pipe[fed % kStages];
    uint8_t code = want(old);
    if (dut->code_o != code) {
      printf("x=%04x mn=%04x s=%04x sym=%d limit=%d: got %d, want %d\n", old.x, old.mn, old.s, sym, limit, int8_t(dut->code_o),
             int8_t(code));
      exit(1);
    }
    checked++;
  }
  pipe[fed++ % kStages] = c;
  dut->x_i = c.x;
  dut->min_i = c.mn;
  dut->scale_i = c.s;
  dut->clk_i = 1;
  dut->eval();
  dut->clk_i = 0;
  dut->eval();
}

bool feed(uint16_t x, uint16_t mn, uint16_t s) {
  x = cleaned(x), mn = cleaned(mn);
  if (s > kMax) return false;
  Case c{x, mn, s};
  Wide d = gap(c);
  if (d.neg && !sym) return false;
  // Twice what still rounds to s.
  Wide most = times(plus(value(s), s == kMax ? plus(value(s), minus(value(s), value(s - 1))) : value(s + 1)), limit);
  if (compare(times(d, 2), most) > 0) return false;
  push(c);
  return true;
}

void settings(bool symmetric, int bits) {
  for (int i = 0; i < kStages; i++) push({0, 0, 0});
  fed = 0;
  sym = symmetric;
  limit = symmetric ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
  dut->sym_i = sym;
  dut->limit_i = limit;
}

void around(const Wide &d, uint16_t s) {
  uint16_t x0 = below(d);
  for (int up = 0; up < 2; up++) {
    uint16_t x = x0 + up;
    if (x > kMax) continue;
    Wide rest = minus(d, value(x));
    uint16_t sign = rest.neg ? 0 : 0x8000, mag = below(rest);
    const uint16_t near[] = {mag, uint16_t(mag + 1), uint16_t(mag ? mag - 1 : 1), 0, 1, uint16_t(rnd() % (mag + 1))};
    for (uint16_t m : near) {
      if (m > kMax) continue;
      feed(x, sign | m, s);
      feed((sign ^ 0x8000) | m, 0x8000 | x, s);
    }
  }
}

}  // namespace

int main(int argc, char **argv) {
  uint64_t cases = argc > 1 ? strtoull(argv[1], nullptr, 0) : 2000000;
  rnd(argc > 2 ? strtoull(argv[2], nullptr, 0) : 1);
  dut = new Vquant_lane_bench;
  dut->en_i = 1;
  dut->bf16_i = 1;
  dut->offset_i = 0;
  dut->clk_i = 0;
  dut->eval();
  for (int bits : kWidths) {
    settings(true, bits);
    for (int m = 0; m < 128; m++)
      for (int at : {0, 1, 2, 8, 100, 254 - bits, 254})
        for (int e = at - 9; e <= at + bits; e++)
          for (int f = 0; f < 128 && e >= 0 && e < 255; f++)
            feed((rnd() & 1) << 15 | e << 7 | f, rnd(), at << 7 | m);
  }
  for (int bits : kWidths) {
    settings(false, bits);
    for (int e = 0; e < 255; e += e < 12 || e > 240 ? 1 : 1 + rnd() % 16)
      for (int k = 0; k < 12; k++) {
        uint16_t s = e << 7 | (rnd() & 127);
        if (!s) continue;
        for (int q = rnd() % (limit > 31 ? 8 : 1); q <= limit; q += limit > 31 ? 1 + rnd() % 16 : 1) {
          Wide n = times(value(s), 2 * q + 1), d = n;
          for (int i = 0; i < 6; i++) d.limb[i] = n.limb[i] >> 1 | (i < 5 ? n.limb[i + 1] << 63 : 0);
          around(d, s);
          if (n.limb[0] & 1) around(plus(d, made(1, 0)), s);
        }
        around(times(value(s), limit), s);
        // A minimum of any magnitude below the greatest difference.
        for (int g = 0; g <= e; g += 1 + rnd() % 8) feed(s, (g << 7 | (rnd() & 127)) | 0x8000, s), feed(s + (bits << 7), g << 7 | (rnd() & 127), s);
      }
  }
  for (uint64_t i = 0, to = checked + cases; checked < to; i++) {
    if (i % 10000 == 0) settings(rnd() & 1, kWidths[rnd() % 6]);
    uint16_t s = rnd() % 0x7F80, x = (rnd() & 0x8000) | nearest(times(value(s), rnd() % (limit + 1)), 1);
    x += (rnd() & 255) - 128;
    feed(x, rnd() & 1 ? rnd() : x - (rnd() & 1023), s);
  }
  // A scale of 0 beside differences of any exponent.
  settings(false, 8);
  for (int e = 0; e < 255; e++) push({uint16_t(e << 7 | (rnd() & 127)), uint16_t(e << 7), 0});
  settings(false, 2);
  printf("lane: %llu cases, %llu ties, %llu clamped\n", (unsigned long long)checked, (unsigned long long)ties,
         (unsigned long long)clamped);
  return ties > 10000 && clamped ? 0 : 1;
}
