// Bench of kv_rotate against exact integer arithmetic and the cycles of docs/engine.md, section 5.12.
//
// The reference sums the R signed integers of each output (units of 2^-24), by the definition, and rounds the quotient by
// 2^e once. Packets of one to four blocks come with gaps and stalls at random, of every block size and in both directions;
// every beat that leaves is compared: its cycle, values, flags and events. Blocks are of all magnitudes, of one, of few
// elements (ties, cancellation), at the threshold of saturation, and with what has to be cleaned.
// usage: bench [PACKETS [SEED]]. A difference prints the packet and ends with status 1.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include "Vkv_rotate.h"
#include "verilated.h"

namespace {

constexpr int kBlocks[] = {32, 64, 128};

uint64_t state;
uint64_t rnd() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 2685821657736338717ull >> 11;
}

bool bad(uint16_t x) { return (x & 0x7C00) == 0x7C00; }

// Value in units of 2^-24, cleaned.
int64_t units(uint16_t x) {
  int64_t e = (x >> 10) & 31, f = x & 1023;
  if (bad(x)) {
    if (f) return 0;
    e = 30, f = 1023;
  }
  int64_t m = e ? (1024 + f) << (e - 1) : f;
  return x & 0x8000 ? -m : m;
}

uint64_t ties = 0, clamped = 0, subnormal = 0, cleaned = 0, beats = 0;

// RN16(sum / 2^e).
uint16_t round16(int64_t sum, int e, bool *over) {
  uint64_t mag = sum < 0 ? -sum : sum;
  *over = mag >= (65520ull << (24 + e));
  if (*over) return (sum < 0 ? 0x8000 : 0) | 0x7BFF;
  int cut = e;  // places that are dropped
  while (mag >> cut >= 2048) cut++;
  uint64_t q = mag >> cut, rest = mag - (q << cut), half = 1ull << (cut - 1);
  ties += rest == half;
  subnormal += q && q < 1024 && cut == e;
  if (rest > half || (rest == half && (q & 1))) q++;
  uint16_t x = ((cut - e) << 10) + q;
  return x && sum < 0 ? x | 0x8000 : x;
}

struct Beat {
  uint64_t cycle;
  uint16_t x[LANES];
  int over;
  bool last, nonfinite, saturated;
};

Vkv_rotate *dut;
uint64_t now = 0;
std::deque<Beat> due;
uint64_t packet = 0;

[[noreturn]] void fail(const char *what, int64_t got, int64_t want) {
  printf("packet %llu, cycle %llu: %s is %lld, want %lld\n", (unsigned long long)packet, (unsigned long long)now, what,
         (long long)got, (long long)want);
  exit(1);
}

uint16_t get(const uint32_t *p, int i) { return p[i / 2] >> (i % 2 * 16); }
uint32_t *words(const void *p) { return (uint32_t *)p; }

void expect(const char *what, int64_t got, int64_t want) {
  if (got != want) fail(what, got, want);
}

int nonfinite_before = 0;

// One clock cycle: an enabled one checks what leaves.
void cycle(bool en) {
  dut->en_i = en;
  dut->eval();
  if (en) {
    bool is = !due.empty() && due.front().cycle == now;
    expect("valid_o", dut->valid_o, is);
    expect("ev_nonfinite_o", dut->ev_nonfinite_o, nonfinite_before);
    expect("ev_saturated_o", dut->ev_saturated_o, is ? due.front().over : 0);
    if (is) {
      const Beat &b = due.front();
      for (int i = 0; i < LANES; i++) expect("an element", get(words(&dut->beat_o), i), b.x[i]);
      expect("last_o", dut->last_o, b.last);
      expect("nonfinite_o", dut->nonfinite_o, b.nonfinite);
      expect("saturated_o", dut->saturated_o, b.saturated);
      due.pop_front();
      beats++;
    }
    now++;
  }
  dut->clk_i = 1;
  dut->eval();
  dut->clk_i = 0;
  dut->eval();
}

// An element: of a kind that the block chooses.
uint16_t element(int kind, uint16_t base, int i) {
  switch (kind) {
    case 0: return rnd();                                            // all
    case 1: return (rnd() & 0x8000) | (rnd() % 0x7C00);              // finite
    case 2: return (rnd() & 0x83FF) | (base & 0x7C00);               // of one magnitude
    case 3: return rnd() % 16 ? 0 : (rnd() & 0x8000) | (rnd() % 0x7C00);  // few
    case 4: return (rnd() & 0x8000) | (rnd() % 0x0800);              // tiny
    case 5: return 0x7BFF ^ (rnd() & 0x8000);                        // largest
    case 6: return base ^ (rnd() & 0x8000);                          // equal but for the sign: cancels
    case 7: return i < 4 * (1 + (base & 3)) ? 0x7BFF : i == 127 % (32 + (base & 31)) ? 0x3400 | (rnd() & 0x9FFF) : 0;
    case 8: return i == (base & 31) ? base & 0xFBFF : i == (base >> 5 & 31) ? (rnd() & 0x87FF) : 0;  // two: ties
    default: return i % 32 == (base & 31) ? 0x7C00 | (rnd() & 0x8000) | (rnd() & 1) : (rnd() & 0x83FF) | (base & 0x7C00);
  }
}

// Sums of which a quarter, an eighth or a sixteenth lies about 65520: equal elements and one that decides.
void threshold(std::vector<uint16_t> &x, int e) {
  int n = 1 << e;
  for (auto &v : x) v = 0;
  uint16_t sign = rnd() & 0x8000;
  for (int i = 0; i < n; i++) x[i] = sign | 0x7BFF;
  int64_t rest = 16 * n + int64_t(rnd() % 3) - 1;  // 65520 n less 65504 n, and beside it
  x[n] = sign;
  for (uint16_t m = 1; m < 0x7C00; m++) if (units(m) == rest << 24) x[n] = sign | m;
  if (rest != 16 * n) x[n + 1] = 0;
}

void run(int r, bool restore) {
  int e = restore ? (r == 128 ? 4 : 3) : (r == 32 ? 2 : 3), blocks = 1 + rnd() % 4, per = r / LANES;
  dut->block_i = r == 32 ? 1 : r == 64 ? 2 : 3;
  dut->restore_i = restore;
  int gaps = rnd() % 4;
  for (int b = 0; b < blocks; b++) {
    std::vector<uint16_t> x(r);
    int kind = rnd() % 11;
    uint16_t base = rnd();
    if (restore && (kind == 0 || kind == 9)) kind = 1;
    for (int i = 0; i < r; i++) x[i] = element(kind, base, i);
    if (kind == 10) threshold(x, e);
    bool any = false, sat = false;
    for (int k = 0; k < per; k++) {
      while (gaps && rnd() % (gaps == 1 ? 8 : 2) == 0) {
        dut->valid_i = 0;
        dut->last_i = rnd(), dut->nonfinite_i = rnd(), dut->saturated_i = rnd();
        cycle(true);
        nonfinite_before = 0;
      }
      int count = 0;
      for (int i = 0; i < LANES; i++) count += bad(x[k * LANES + i]);
      bool flag = restore && rnd() % 64 == 0, clamp = restore && rnd() % 64 == 0;
      cleaned += count;
      any |= count != 0 || flag;
      sat |= clamp;
      dut->valid_i = 1;
      for (int w = 0; w < LANES / 2; w++)
        words(&dut->beat_i)[w] = x[k * LANES + 2 * w] | uint32_t(x[k * LANES + 2 * w + 1]) << 16;
      dut->last_i = b == blocks - 1 && k == per - 1;
      dut->nonfinite_i = flag;
      dut->saturated_i = clamp;
      while (rnd() % 8 == 0) cycle(false);
      if (k == per - 1) {  // now is c
        for (int j = 0; j < per; j++) {
          Beat o{now + 20 + per + j, {}, 0, b == blocks - 1 && j == per - 1, any, sat};
          for (int l = 0; l < LANES; l++) {
            int64_t sum = 0;
            int i = j * LANES + l;
            for (int m = 0; m < r; m++) sum += __builtin_parity(i & m) ? -units(x[m]) : units(x[m]);
            bool over;
            o.x[l] = round16(sum, e, &over);
            o.over += over;
          }
          clamped += o.over;
          o.saturated |= o.over != 0;
          due.push_back(o);
        }
      }
      cycle(true);
      nonfinite_before = count;
    }
  }
  packet++;
}

void idle(int n) {
  dut->valid_i = 0;
  for (int i = 0; i < n; i++) {
    cycle(true);
    nonfinite_before = 0;
  }
}

}  // namespace

int main(int argc, char **argv) {
  uint64_t packets = argc > 1 ? strtoull(argv[1], nullptr, 0) : 3000;
  state = (argc > 2 ? strtoull(argv[2], nullptr, 0) : 1) * 0x9E3779B97F4A7C15ull + 1;
  dut = new Vkv_rotate;
  dut->clk_i = 0;
  dut->rst_i = 1;
  dut->en_i = 1;
  dut->valid_i = 0;
  dut->eval();
  for (int i = 0; i < 2; i++) {
    dut->clk_i = 1;
    dut->eval();
    dut->clk_i = 0;
    dut->eval();
  }
  dut->rst_i = 0;
  while (packet < packets) {
    int r;
    do r = kBlocks[rnd() % 3];
    while (r > MAXDIM);
    bool restore = rnd() & 1;
    idle(1);
    // A kind of command again and again, close together; the next starts when all has left.
    for (int n = 1 + rnd() % 6; n > 0; n--) {
      run(r, restore);
      idle(rnd() % 3);
    }
    idle(20 + 2 * 128 / LANES);
    if (!due.empty()) fail("a beat that is due", due.size(), 0);
  }
  printf("lanes %d, MaxDim %d: %llu packets, %llu beats, %llu ties, %llu clamped, %llu subnormal, %llu cleaned\n", LANES, MAXDIM,
         (unsigned long long)packet, (unsigned long long)beats, (unsigned long long)ties, (unsigned long long)clamped,
         (unsigned long long)subnormal, (unsigned long long)cleaned);
  return ties && clamped && subnormal && cleaned ? 0 : 1;
}
