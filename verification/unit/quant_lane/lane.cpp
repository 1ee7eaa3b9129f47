// Bench of kv_quant_lane and kv_quant_recip against exact integer arithmetic.
//
// The reference divides the 64-bit integers |x - mn| and s (in units of 2^-24) and rounds by
// the remainder. An element is a case if its group can exist: |x - mn| is at most the limit times what
// still rounds to s. Cases, for every b:
//   symmetric    every scale significand x every significand of x x every distance of their exponents;
//                every subnormal scale x every x that its group can hold
//   offset       the same, with scales of both signs
//   asymmetric   every scale significand, at several exponents, x every half-integer quotient: at the
//                tie exactly, and beside it by as little and as much as two fp16 numbers can differ;
//                random triples, until the given number of cases
// usage: bench [CASES [SEED]]. A difference prints the case and ends with status 1.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "Vquant_lane_bench.h"
#include "verilated.h"

namespace {

constexpr int kStages = 8;
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

// Weight of the last place of a scale, in units.
int64_t place(uint16_t s) {
  int e = (s >> 10) & 31;
  return e < 2 ? 1 : 1ll << (e - 1);
}

Vquant_lane_bench *dut;
struct Case {
  uint16_t x, mn, s;
};
Case pipe[kStages];
uint64_t fed = 0, checked = 0, ties = 0, clamped = 0, seen[256];
bool sym = false, offset = false;
int limit = 0;

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

uint8_t want(const Case &c) {
  int64_t d = units(c.x) - (sym ? 0 : units(c.mn)), s = units(c.s);
  if (s == 0) return offset ? 8 : 0;
  bool neg = (d < 0) != (s < 0);
  if (s < 0) s = -s;
  int64_t mag = d < 0 ? -d : d, q = mag / s, twice = 2 * (mag % s);
  ties += twice == s;
  if (twice > s || (twice == s && (q & 1))) q++;
  if (neg) q = -q;
  if (offset) q += 8;
  int most = offset ? 15 : limit, least = offset ? 0 : -limit;
  clamped += q > most || q < least;
  return q > most ? most : q < least ? least : q;
}

// Feeds a case, and checks the one that comes out.
void push(Case c) {
  if (fed >= kStages) {
    const Case &old = pipe[fed % kStages];
    uint8_t code = want(old);
    if (dut->code_o != code) {
      printf("x=%04x mn=%04x s=%04x sym=%d offset=%d limit=%d: got %d, want %d\n", old.x, old.mn, old.s, sym,
             offset, limit, int8_t(dut->code_o), int8_t(code));
      exit(1);
    }
    checked++;
    seen[code]++;
  }
  pipe[fed++ % kStages] = c;
  dut->x_i = c.x;
  dut->min_i = c.mn;
  dut->scale_i = c.s;
  dut->en_i = 1;
  dut->eval();
  edge();
}

// A cycle that must change nothing.
void stall() {
  dut->x_i = rnd();
  dut->min_i = rnd();
  dut->scale_i = rnd();
  dut->en_i = 0;
  edge();
}

// As push, if a group of these settings can hold the case.
bool feed(uint16_t x, uint16_t mn, uint16_t s) {
  if (x == 0x8000) x = 0;
  if (mn == 0x8000) mn = 0;
  int64_t d = units(x) - (sym ? 0 : units(mn));
  if (d < 0 && !sym) return false;
  int64_t half = 2 * units(s & 0x7FFF) + place(s);  // twice what rounds to s
  if (2 * (d < 0 ? -d : d) > limit * half) return false;
  // A scale of 0 has no sign; the minimum of a symmetric group is to be ignored.
  push({x, sym ? uint16_t(rnd() & 0xBBFF) : mn, offset && (s & 0x7FFF) ? uint16_t(s | (rnd() & 0x8000)) : s});
  return true;
}

// Settings stay as they are while elements are under way.
void settings(bool symmetric, int bits, bool off = false) {
  for (int i = 0; i < kStages; i++) push({0, 0, 0});
  fed = 0;
  sym = symmetric;
  offset = off;
  limit = off ? 8 : symmetric ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
  dut->sym_i = sym;
  dut->offset_i = off;
  dut->limit_i = limit;
}

// Pairs of fp16 numbers whose difference is at, or close to, d.
void around(int64_t d, uint16_t s) {
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
      feed(x, sign | m, s);
      feed(x, (sign ^ 0x8000) | m, s);
      feed((sign ^ 0x8000) | m, 0x8000 | x, s);  // mirrored: the minimum is the large one
      feed(sign | m, 0x8000 | x, s);
    }
  }
}

void symmetric(int bits, bool off) {
  settings(true, bits, off);
  for (int m = 0; m < 1024; m++) {
    uint16_t s = 0x2000 | m;
    for (int e = -2; e <= bits; e++)
      for (int f = 0; f < 1024; f++) feed((((rnd() & 1) << 15) | 0x2000 | f) + (e << 10), 0, s);
    // The same quotients at the ends of the exponents.
    for (int i = 0; i < 64; i++) {
      uint16_t x = (rnd() & 1) << 15 | (rnd() % 0x7C00);
      feed(x, 0, 0x400 | m);
      feed(0x7800 | (rnd() & 0x83FF), 0, 0x7800 | m);
      feed(0x7800 | (rnd() & 0x83FF), 0, (0x7800 - ((bits - 2) << 10)) | m);
    }
  }
  for (int s = 0; s < 1024; s++)
    for (uint16_t x = 0; x < 0x7C00; x++)
      if (!feed((rnd() & 1) << 15 | x, 0, s)) break;
}

void asymmetric(int bits) {
  settings(false, bits);
  for (int m = 0; m < 1024; m++) {
    const uint16_t scales[] = {uint16_t(m), uint16_t(0x400 | m), uint16_t(0x800 | m), uint16_t(0x3000 | m),
                               uint16_t((0x7C00 - (bits << 10)) | m)};
    for (uint16_t s : scales) {
      // Wide codes have many quotients: a quarter of the scales gets all of them, in turn.
      int step = limit > 31 ? 4 : 1;
      for (int q = step > 1 && (s >> 10) != 12 ? m % step : 0; q <= limit;
           q += step > 1 && (s >> 10) != 12 ? step : 1) {
        int64_t half = (2 * q + 1) * units(s);
        around(half / 2, s);
        if (half & 1) around(half / 2 + 1, s);
      }
      around(limit * units(s), s);
      around((limit * (2 * units(s) + place(s))) / 2, s);
    }
  }
}

}  // namespace

int main(int argc, char **argv) {
  uint64_t cases = argc > 1 ? strtoull(argv[1], nullptr, 0) : 10000000;
  state = (argc > 2 ? strtoull(argv[2], nullptr, 0) : 1) * 0x9E3779B97F4A7C15ull + 1;
  dut = new Vquant_lane_bench;
  dut->bf16_i = 0;
  dut->clk_i = 0;
  dut->eval();
  for (int bits : kWidths) symmetric(bits, false);
  printf("symmetric: %llu cases, %llu ties, %llu clamped\n", (unsigned long long)checked,
         (unsigned long long)ties, (unsigned long long)clamped);
  for (int code = -127; code <= 127; code++)
    if (!seen[code & 255]) return printf("code %d never came\n", code), 1;
  uint64_t before = checked;
  ties = clamped = 0;
  for (uint64_t &n : seen) n = 0;
  symmetric(4, true);
  printf("offset: %llu cases, %llu ties, %llu clamped\n", (unsigned long long)(checked - before),
         (unsigned long long)ties, (unsigned long long)clamped);
  for (int code = 0; code < 16; code++)
    if (!seen[code]) return printf("code %d never came\n", code), 1;
  if (!ties || !clamped) return 1;
  before = checked;
  ties = clamped = 0;
  for (int bits : kWidths) asymmetric(bits);
  printf("asymmetric: %llu cases, %llu ties, %llu clamped\n", (unsigned long long)(checked - before),
         (unsigned long long)ties, (unsigned long long)clamped);
  if (!ties || !clamped) return 1;
  before = checked;
  for (int i = 0; checked - before < cases; i++) {
    if (i % 100000 == 0) {
      bool off = rnd() % 4 == 0;
      settings(off || rnd() % 2, off ? 4 : kWidths[rnd() % 6], off);
    }
    uint16_t s = rnd() % 0x7C00, hi, lo;
    hi = (rnd() & 0x8000) | down16(rnd() % (limit * (units(s) + 1)));
    lo = rnd() & 1 ? rnd() % 0xFC00 : hi - (rnd() & 4095);
    if ((lo & 0x7C00) == 0x7C00) continue;
    feed(hi, lo, s);
    if (rnd() % 16 == 0) stall();
  }
  settings(false, 2);
  printf("random: %llu cases\n", (unsigned long long)(checked - before));
  return 0;
}
