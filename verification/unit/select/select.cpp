// Bench of kv_select against a sort and a plain reading of docs/engine.md, 4 and 5.9.
//
// Each command draws n, k, sinks, recent, the number of rows and a kind of weights, among
// them the adversarial ones: all equal, all saturated, all zero, ascending, descending, two values,
// one outlier, values that differ in one digit only. In every enabled cycle ready_o (while
// rows are taken), the push and the events are compared with what the formulas give.
// usage: bench COMMANDS SEED. Compiled with LANES, TOKENS.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>
#include <vector>

#include "Vkv_select.h"
#include "verilated.h"

namespace {

constexpr int L = LANES;
constexpr int kRow = 4, kAcc = 4, kSettle = 8, kPass = 12, kEmit = 8;
constexpr uint64_t kMax = (1ull << 40) - 1;

uint64_t state;
uint64_t rnd() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 2685821657736338717ull >> 11;
}
int below(int n) { return rnd() % n; }

struct Beat {
  uint16_t lane[L];
};

struct Push {
  Beat data{};
  int bytes = 0;
  bool last = false, nonfinite = false, saturated = false;
};

uint64_t cycle = 0, seed0;
[[noreturn]] void fail(const char *what, long got, long want) {
  printf("seed %llu cycle %llu: %s is %ld, want %ld\n", (unsigned long long)seed0,
         (unsigned long long)cycle, what, got, want);
  exit(1);
}
void same(const char *what, long got, long want) {
  if (got != want) fail(what, got, want);
}

Vkv_select *dut;
template <class T> void setBeat(T &port, const Beat &b) {
  static_assert(sizeof(T) == sizeof(Beat), "beat width");
  memcpy(&port, &b, sizeof b);
}
template <class T> Beat getBeat(const T &port) {
  Beat b;
  memcpy(&b, &port, sizeof b);
  return b;
}

// What the unit is expected to do from now on.
std::map<uint64_t, Push> pushes;
std::map<uint64_t, int> nonfinite, saturated;
uint64_t n_push = 0, n_sat = 0, n_bad = 0, n_abort = 0, passes[12];

void tick() {
  dut->clk_i = 1;
  dut->eval();
  dut->clk_i = 0;
  dut->eval();
}

int en_p = 100;

// One enabled cycle with the inputs as set, checked; some cycles with en_i = 0 before it.
void step() {
  while (below(100) >= en_p) {
    dut->en_i = 0;
    dut->eval();
    tick();
  }
  dut->en_i = 1;
  dut->eval();
  auto it = pushes.find(cycle);
  same("push_valid_o", dut->push_valid_o, it != pushes.end());
  if (it != pushes.end()) {
    const Push &p = it->second;
    same("push_last_o", dut->push_last_o, p.last);
    same("push_bytes_o", dut->push_bytes_o, p.bytes);
    Beat got = getBeat(dut->push_data_o);
    // An entry without bytes is never given: its data mean nothing.
    for (int i = 0; p.bytes && i < L; i++) same("push position", got.lane[i], p.data.lane[i]);
    same("push_nonfinite_o", dut->push_nonfinite_o, p.nonfinite);
    same("push_saturated_o", dut->push_saturated_o, p.saturated);
    same("push_pre_o", dut->push_pre_o, 0);
    pushes.erase(it);
    n_push++;
  }
  auto take = [](std::map<uint64_t, int> &m) {
    auto e = m.find(cycle);
    int v = e == m.end() ? 0 : e->second;
    if (e != m.end()) m.erase(e);
    return v;
  };
  int bad = take(nonfinite), sat = take(saturated);
  same("ev_nonfinite_o", dut->ev_nonfinite_o, bad);
  same("ev_saturated_o", dut->ev_saturated_o, sat);
  n_bad += bad, n_sat += sat;
  cycle++;
  tick();
}

uint64_t unitsOf(uint16_t x) {  // of a clean, not negative weight
  uint64_t e = x >> 10, f = x & 1023;
  return e ? (1024 + f) << (e - 1) : f;
}

uint64_t weigh(uint16_t x, bool *bad) {
  bool special = (x & 0x7C00) == 0x7C00, neg = x >> 15;
  *bad = special || (neg && (x & 0x7FFF));
  if (neg || (special && (x & 0x3FF))) return 0;
  return unitsOf(special ? 0x7BFF : x);
}

uint16_t weight(int kind, int j, int n, int row) {
  switch (kind) {
    case 0: return 0x3400;                                        // all equal
    case 1: return 0x7BFF;                                        // all on the way to saturation
    case 2: return below(2) ? 0 : 0x8000;                         // zeros
    case 3: return uint64_t(j) * 0x7BFF / n;                      // ascending
    case 4: return 0x7BFF - uint64_t(j) * 0x7BFF / n;             // descending
    case 5: return below(2) ? 0x1234 : 0x1235;                    // two values
    case 6: return j == n / 2 ? 0x7BFF : 0x0001;                  // an outlier
    case 7: return 0x5800 | below(16) << (2 * (row % 3));         // one digit differs
    case 8: return rnd();                                         // anything
    case 9: return rnd() & 0x7FFF;                                // anything positive
    case 10: return below(16) ? rnd() & 0x2BFF : 0x3800;          // attention-like
    case 11: return below(3);                                     // smallest
    default: return 0x7800 | (rnd() & 0x3FF);                     // large
  }
}

void command(int n, int k, int sinks, int recent, int rows, int kind, int abort_at) {
  std::vector<uint64_t> score(n, 0);
  int W = (n + L - 1) / L;
  bool any_bad = false, any_sat = false;
  dut->start_i = 1;
  dut->n_i = n;
  dut->topk_i = k;
  dut->sinks_i = sinks;
  dut->recent_i = recent;
  dut->rows_i = rows;
  int gaps = below(3) ? 0 : below(60), at = 0;
  uint64_t t = 0;
  if (below(2)) step(), dut->start_i = 0;
  for (int r = 0; r < rows; r++)
    for (int w = 0; w < W; w++) {
      dut->eval();
      same("ready_o", dut->ready_o, 1);
      while (below(100) < gaps) step(), dut->start_i = 0;
      Beat b;
      int bad_here = 0, sat_here = 0;
      for (int i = 0; i < L; i++) {
        int j = w * L + i;
        b.lane[i] = j < n ? weight(kind, j, n, r) : rnd();
        if (j >= n) continue;
        bool bad;
        uint64_t s = score[j] + weigh(b.lane[i], &bad);
        bad_here += bad;
        sat_here += s > kMax;
        score[j] = std::min(s, kMax);
      }
      if (bad_here) nonfinite[cycle + 1] = bad_here, any_bad = true;
      if (sat_here) saturated[cycle + kAcc] = sat_here, any_sat = true;
      bool cut = at == abort_at, last = r == rows - 1 && w == W - 1 && !cut;
      setBeat(dut->beat_i, b);
      dut->beat_valid_i = 1;
      dut->beat_last_i = last;
      dut->abort_i = cut;
      t = cycle;
      step();
      at++;
      dut->start_i = 0;
      dut->beat_valid_i = 0;
      dut->beat_last_i = below(2);
      dut->abort_i = below(2);
      setBeat(dut->beat_i, Beat{{uint16_t(rnd())}});
      if (cut) {
        Push p;
        p.last = true, p.nonfinite = any_bad, p.saturated = any_sat;
        pushes[t + kSettle] = p;
        while (cycle <= t + kSettle) step();
        n_abort++;
        for (int i = below(3); i > 0; i--) step();
        return;
      }
      if (last) break;
      if (w == W - 1)
        for (int i = W; i < kRow; i++) {
          dut->eval();
          same("ready_o", dut->ready_o, 0);
          step();
        }
    }

  // Selection by a stable sort; passes by the digits of the k-th score.
  std::vector<int> open;
  std::vector<bool> keep(n, false);
  for (int j = 0; j < n; j++)
    if (j < sinks || j >= n - recent) keep[j] = true;
    else open.push_back(j);
  uint64_t E = t + kSettle;
  if (k > 0 && k < int(open.size())) {
    uint64_t all = 0;
    for (int j : open) all |= score[j];
    int digit = 9;
    while (digit > 0 && !(all >> (4 * digit) & 15)) digit--;
    std::stable_sort(open.begin(), open.end(), [&](int a, int b) { return score[a] > score[b]; });
    uint64_t threshold = score[open[k - 1]];
    int used = 0;
    for (;; digit--) {
      E += (W + 1) / 2 + kPass;
      used++;
      // Those above or equal in the examined digits: exactly k of them ends it.
      int reach = 0;
      for (int j : open) reach += score[j] >> (4 * digit) >= threshold >> (4 * digit);
      if (reach == k || digit == 0) break;
    }
    passes[used]++;
    open.resize(k);
    for (int j : open) keep[j] = true;
  } else {
    passes[0]++;
    if (k > 0)
      for (int j : open) keep[j] = true;
  }
  std::vector<int> held;
  auto flush = [&](size_t count, bool last, uint64_t when) {
    Push p;
    for (size_t i = 0; i < count; i++) p.data.lane[i] = held[i];
    held.erase(held.begin(), held.begin() + count);
    p.bytes = 2 * count;
    p.last = last, p.nonfinite = last && any_bad, p.saturated = last && any_sat;
    pushes[when] = p;
  };
  for (int w = 0; w < W; w++) {
    for (int j = w * L; j < std::min(n, w * L + L); j++)
      if (keep[j]) held.push_back(j);
    uint64_t when = E + w + kEmit;
    bool end = w == W - 1;
    if (int(held.size()) >= L) {
      flush(L, end && int(held.size()) == L, when);
      if (end && !held.empty()) flush(held.size(), true, when + 1);
    } else if (end) {
      flush(held.size(), true, when);
    }
  }
  while (!pushes.empty()) step();
  for (int i = below(4); i > 0; i--) step();
}

}  // namespace

int main(int argc, char **argv) {
  int commands = argc > 1 ? atoi(argv[1]) : 3000;
  seed0 = argc > 2 ? strtoull(argv[2], nullptr, 0) : 1;
  state = seed0 * 0x9E3779B97F4A7C15ull + 1;
  dut = new Vkv_select;
  dut->clk_i = 0;
  dut->rst_i = 1;
  dut->en_i = 1;
  tick();
  tick();
  dut->rst_i = 0;
  dut->beat_valid_i = 0;
  dut->start_i = 0;
  // Every k of every small n, ties everywhere.
  for (int n = 1; n <= 3 * L + 1; n++)
    for (int k = 0; k <= n; k++) command(n, k, below(2) * below(n + 1), below(2) * below(n + 1), 1, below(13), -1);
  for (int i = 0; i < commands; i++) {
    en_p = below(4) ? 100 : 40 + below(60);
    int n = 1 + below(below(2) ? 4 * L : below(3) ? 300 : TOKENS);
    if (n > TOKENS) n = TOKENS;
    if (i == 0) n = TOKENS;
    int k = below(4) == 0 ? n : below(n + 1), sinks = below(3) ? below(std::min(n, 9) + 1) : below(n + 1);
    int recent = below(3) ? below(std::min(n, 40) + 1) : below(n + 1);
    if (below(8) == 0) k = 0;
    int kind = below(13), rows = 1 + below(n > 64 ? 4 : 12);
    if (kind == 1 || kind == 12) rows = (n < 16 && below(4) == 0) ? 19 + below(4) : rows;
    int W = (n + L - 1) / L;
    int abort_at = below(12) == 0 ? below(rows * W) : -1;
    command(n, k, sinks, recent, rows, kind, abort_at);
  }
  printf("lanes %d: %llu cycles, %llu pushes, %llu saturated, %llu non-finite, %llu aborted; passes", L,
         (unsigned long long)cycle, (unsigned long long)n_push, (unsigned long long)n_sat,
         (unsigned long long)n_bad, (unsigned long long)n_abort);
  for (int i = 0; i <= 10; i++) printf(" %llu", (unsigned long long)passes[i]);
  printf("\n");
  // A short run does not reach everything.
  bool covered = n_sat && n_bad && n_abort && passes[0] && passes[1] && passes[8] && passes[10];
  return covered || commands < 1000 ? 0 : 1;
}
