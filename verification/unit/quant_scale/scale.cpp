// Bench of kv_quant_scale against exact integer arithmetic.
//
// The reference divides max - min, a 64-bit integer in units of 2^-24, by 2^c - 1 with its
// remainder and rounds once. Cases, for every divisor:
//   symmetric    every magnitude
//   offset       every element of largest magnitude
//   asymmetric   every scale there is: at the middle between it and the next and at the scale itself, exactly and
//                beside it by as little and as much as two fp16 numbers can differ; maximum and minimum at the
//                ends of their range; random pairs, until the given number of cases
// usage: bench [CASES [SEED]]. A difference prints the case and ends with status 1.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "Vkv_quant_scale.h"
#include "verilated.h"

namespace {

constexpr int kStages = 9;
constexpr int kWidths[] = {2, 3, 4, 5, 6, 8};

// Value of a finite fp16 in units of 2^-24.
int64_t units(uint16_t x) {
  int64_t e = (x >> 10) & 31, f = x & 1023;
  int64_t m = e ? (1024 + f) << (e - 1) : f;
  return x & 0x8000 ? -m : m;
}

// Greatest fp16 not above v >= 0 units.
uint16_t down16(int64_t v) {
  if (v > units(0x7BFF)) return 0x7BFF;
  int cut = 0;
  while (v >> cut >= 2048) cut++;
  return (cut << 10) + (v >> cut);
}

Vkv_quant_scale *dut;
struct Case {
  uint16_t hi, lo;
};
Case pipe[kStages];
uint64_t fed = 0, checked = 0, ties = 0;
bool sym = false, offset = false;
int64_t divisor = 1;

uint64_t state;
uint64_t rnd() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 2685821657736338717ull >> 11;
}

void edge() {
  dut->clk_i = 1;
  dut->eval();
  dut->clk_i = 0;
  dut->eval();
}

// The scale is searched, not built: the fp16 s with s <= D / divisor < next(s), then the nearer one.
uint16_t want(const Case &c) {
  int64_t d = units(c.hi) - (sym ? 0 : units(c.lo));
  uint16_t sign = offset && d > 0 ? 0x8000 : 0;
  if (d < 0) d = -d;
  uint16_t s = down16(d / divisor);
  if (s == 0x7BFF) return sign | s;
  int64_t twice = 2 * d, middle = divisor * (units(s) + units(s + 1));
  ties += twice == middle;
  if (twice > middle || (twice == middle && (s & 1))) s++;
  return s ? sign | s : 0;
}

void push(Case c) {
  if (fed >= kStages) {
    const Case &old = pipe[fed % kStages];
    uint16_t s = want(old);
    if (dut->scale_o != s) {
      printf("hi=%04x lo=%04x sym=%d offset=%d divisor=%d: got %04x, want %04x\n", old.hi, old.lo, sym, offset,
             int(divisor), dut->scale_o, s);
      exit(1);
    }
    checked++;
  }
  pipe[fed++ % kStages] = c;
  dut->high_i = c.hi;
  dut->low_i = c.lo;
  dut->en_i = 1;
  dut->eval();
  edge();
}

// A cycle that must change nothing.
void stall() {
  dut->high_i = rnd();
  dut->low_i = rnd();
  dut->en_i = 0;
  edge();
}

void feed(uint16_t hi, uint16_t lo) {
  if (hi == 0x8000) hi = 0;
  if (lo == 0x8000) lo = 0;
  if ((hi & 0x7C00) == 0x7C00 || (lo & 0x7C00) == 0x7C00) return;
  if (!sym && units(hi) < units(lo)) return;
  push({hi, lo});
}

// Settings stay as they are while pairs are under way.
void settings(bool symmetric, int bits, bool off = false) {
  for (int i = 0; i < kStages; i++) push({0, 0});
  fed = 0;
  sym = symmetric;
  int width = symmetric ? bits - 1 : bits;
  offset = off;
  divisor = off ? 8 : (1 << width) - 1;
  dut->sym_i = sym;
  dut->offset_i = off;
  dut->width_i = width;
}

// Pairs of fp16 numbers whose difference is at, or close to, d.
void around(int64_t d) {
  uint16_t top = down16(d);
  for (int up = 0; up < 2; up++) {
    uint16_t x = top + up;
    if (x > 0x7BFF) continue;
    int64_t rest = d - units(x);
    uint16_t sign = rest < 0 ? 0 : 0x8000;  // of the minimum
    uint16_t mag = down16(rest < 0 ? -rest : rest);
    uint16_t near[] = {mag, uint16_t(mag + 1), uint16_t(mag ? mag - 1 : 1), 0, 1, uint16_t(rnd() % (mag + 1))};
    for (uint16_t m : near) {
      if (m > 0x7BFF) continue;
      feed(x, sign | m);
      feed((sign ^ 0x8000) | m, 0x8000 | x);  // mirrored: the minimum is the large one
    }
    feed(x, (sign ^ 0x8000) | mag);
  }
}

void asymmetric(int bits) {
  settings(false, bits);
  for (uint16_t s = 0; s < 0x7BFF; s++) {
    int64_t middle = divisor * (units(s) + units(s + 1));
    if (middle / 2 > 2 * units(0x7BFF)) break;
    around(middle / 2);
    if (middle & 1) around(middle / 2 + 1);
    around(divisor * units(s));
  }
  for (int x = 0; x < 0xFC00; x++) {
    const uint16_t ends[] = {0, 1, 0x8001, 0x3FF, 0x400, 0x83FF, 0x8400, 0x7BFF, 0xFBFF, 0x7800, 0xF800};
    for (uint16_t e : ends) {
      feed(x, e);
      feed(e, x);
    }
    feed(x, x);
  }
}

}  // namespace

int main(int argc, char **argv) {
  uint64_t cases = argc > 1 ? strtoull(argv[1], nullptr, 0) : 20000000;
  state = (argc > 2 ? strtoull(argv[2], nullptr, 0) : 1) * 0x9E3779B97F4A7C15ull + 1;
  dut = new Vkv_quant_scale;
  dut->bf16_i = 0;
  dut->clk_i = 0;
  dut->eval();
  for (int bits : kWidths) {
    settings(true, bits);
    // The lower input is to be ignored.
    for (uint16_t x = 0; x < 0x7C00; x++) feed(x, rnd() & 0xBBFF);
  }
  printf("symmetric: %llu cases, %llu ties\n", (unsigned long long)checked, (unsigned long long)ties);
  uint64_t before = checked;
  ties = 0;
  settings(true, 4, true);
  for (int m = 0; m < 0xFC00; m++) feed(m, rnd() & 0xBBFF);
  printf("offset: %llu cases, %llu ties\n", (unsigned long long)(checked - before), (unsigned long long)ties);
  if (!ties) return 1;
  before = checked;
  ties = 0;
  for (int bits : kWidths) asymmetric(bits);
  printf("asymmetric: %llu cases, %llu ties\n", (unsigned long long)(checked - before), (unsigned long long)ties);
  if (ties < 6 * 10000) return 1;
  before = checked;
  for (int i = 0; checked - before < cases; i++) {
    if (i % 100000 == 0) settings(false, kWidths[rnd() % 6]);
    uint16_t hi = rnd(), lo = rnd() & 1 ? rnd() : hi ^ (rnd() & 4095);
    if (rnd() % 4 == 0) hi &= 0x83FF;
    feed(hi, lo);
    if (rnd() % 16 == 0) stall();
  }
  settings(false, 2);
  printf("random: %llu cases\n", (unsigned long long)(checked - before));
  return 0;
}
