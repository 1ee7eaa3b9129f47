// Bench of kv_select against a sort and a plain reading of docs/engine.md, 4 and 5.9.
//
// Each command draws n, k, sinks, recent, the options, the number of rows and a kind of weights, among
// them the adversarial ones: all equal, all saturated, all zero, ascending, descending, two values,
// one outlier, values that differ in one digit only. In every enabled cycle ready_o (while
// rows are taken), the push and the events are compared with what the formulas give.
// A COMPRESS is taken up to its rows; then the tier of each position is asked for.
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
constexpr int kRow = 8, kAcc = 7, kSettle = 11, kPass = 12, kFirst = 12, kEmit = 8, kNorm = 8, kPool = 24, kPoolSat = 16, kTier = 12,
              kScores = 4;
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

using u128 = unsigned __int128;

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
uint64_t n_push = 0, n_sat = 0, n_bad = 0, n_abort = 0, passes[12], searches[5], options[10], ahead[2];

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

// The request header, as far as kv_select reads it.
struct Config {
  int rows = 1, n = 1, sinks = 0, recent = 0, k = 0, rank[3] = {}, prot = 0, half = 0, dims = 0;
  int step = 0, lambda = 0, result = 0;
  bool max = false, in = false, out = false, norm = false, compress = false;

  void set() const {
    uint32_t w[8] = {};
    w[1] = half << 16 | max << 19 | in << 20 | out << 21 | result << 22 | prot << 24 | norm << 26;
    w[2] = rows;
    w[3] = n | dims << 20;
    w[4] = (sinks & 0xFFFF) | recent << 16;
    w[5] = rank[0] | rank[1] << 16;
    w[6] = k | step << 20;
    w[7] = lambda | rank[2] << 16;
    for (int i = 0; i < 8; i++) dut->cfg_i[i] = w[i];
    dut->compress_i = compress;
  }
  bool tiers() const { return compress || result == 2; }
};

// A run of one command.
struct Run {
  const Config &c;
  const int W;
  std::vector<uint64_t> score;
  bool any_bad = false, any_sat = false;
  uint64_t t = 0, E = 0;
  int guess = -1;  // the digit counted ahead
  int gaps;

  explicit Run(const Config &config) : c(config), W((config.n + L - 1) / L), score(config.n, 0), gaps(below(3) ? 0 : below(60)) {}

  void bad(int count) {
    if (count) nonfinite[cycle + 1] = count, any_bad = true;
  }
  void sat(uint64_t when, int count) {
    if (count) saturated[when] += count, any_sat = true;
  }

  // Hands over a beat. False if it was the last, cut short.
  bool give(const Beat &b, bool rows, bool row_end, bool part_end, bool cut) {
    setBeat(dut->beat_i, b);
    dut->beat_valid_i = 1;
    dut->beat_rows_i = rows;
    dut->beat_row_end_i = row_end;
    dut->beat_part_end_i = part_end;
    dut->abort_i = cut;
    t = cycle;
    step();
    dut->start_i = 0;
    dut->beat_valid_i = 0;
    dut->beat_rows_i = below(2);
    dut->beat_row_end_i = below(2);
    dut->beat_part_end_i = below(2);
    dut->abort_i = below(2);
    setBeat(dut->beat_i, Beat{{uint16_t(rnd())}});
    return !cut;
  }
  void ready(int want) {
    dut->eval();
    same("ready_o", dut->ready_o, want);
  }
  void pause() {
    while (below(100) < gaps) {
      ready(1);
      step();
      dut->start_i = 0;
    }
    ready(1);
  }
  void closed(int cycles) {
    for (int i = 0; i < cycles; i++) {
      ready(0);
      step();
    }
  }

  // The highest digit that is not 0 in an unprotected score.
  int top() const {
    uint64_t all = 0;
    for (int j = c.sinks; j < c.n - c.recent; j++) all |= score[j];
    int digit = 9;
    while (digit > 0 && !(all >> (4 * digit) & 15)) digit--;
    return digit;
  }

  // The scores so far, four beats a word.
  bool scores(int kind, int &left) {
    for (int w = 0; w < W; w++) {
      int count = 0;
      uint64_t word[L];
      for (int i = 0; i < L; i++) {
        int j = w * L + i;
        uint64_t s = rnd() >> below(60);
        if (kind == 0) s = 1000;
        if (kind == 1) s = kMax - below(3);
        if (kind == 2) s = kMax + below(2);
        word[i] = s;
        if (j >= c.n) continue;
        count += s > kMax;
        score[j] = std::min(s, kMax);
      }
      for (int q = 0; q < 4; q++) {
        pause();
        Beat b;
        memcpy(&b, reinterpret_cast<char *>(word) + q * sizeof b, sizeof b);
        bool end = w == W - 1 && q == 3;
        if (q == 3) sat(cycle + kAcc, count);
        if (!give(b, false, end, end, left-- == 0)) return false;
      }
    }
    return true;
  }

  bool attention(int kind, int &left) {
    for (int r = 0; r < c.rows; r++) {
      if (r == c.rows - 1 && !c.half) guess = std::max(5, top());
      for (int w = 0; w < W; w++) {
        pause();
        Beat b;
        int bad_here = 0, sat_here = 0;
        for (int i = 0; i < L; i++) {
          int j = w * L + i;
          b.lane[i] = j < c.n ? weight(kind, j, c.n, r) : rnd();
          if (j >= c.n) continue;
          bool wrong;
          if (c.step && r % c.step == 0) score[j] = uint64_t(u128(score[j]) * c.lambda >> 16);
          uint64_t s = score[j] + weigh(b.lane[i], &wrong);
          bad_here += wrong;
          sat_here += s > kMax;
          score[j] = std::min(s, kMax);
        }
        bad(bad_here);
        sat(cycle + kAcc, sat_here);
        if (!give(b, true, w == W - 1, w == W - 1 && r == c.rows - 1, left-- == 0)) return false;
      }
      if (r != c.rows - 1) closed(kRow - W);
    }
    return true;
  }

  bool norms(int kind, int &left) {
    for (int j = 0; j < c.n; j++) {
      u128 sum = 0;  // in units of 2^-48
      int shift = kind % 4;
      for (int w = 0; w < c.dims / L; w++) {
        pause();
        Beat b;
        int bad_here = 0;
        for (int i = 0; i < L; i++) {
          uint16_t x = kind == 0 ? 0x3C00 : rnd();
          if (shift && kind) x = (x & 0x83FF) | (below(24 >> (shift - 1)) << 10);
          b.lane[i] = x;
          bool special = (x & 0x7C00) == 0x7C00;
          bad_here += special;
          uint64_t m = special ? (x & 0x3FF ? 0 : unitsOf(0x7BFF)) : unitsOf(x & 0x7FFF);
          sum += u128(m) * m;
        }
        bad(bad_here);
        bool end = w == c.dims / L - 1;
        if (!give(b, true, end, end && j == c.n - 1, left-- == 0)) return false;
      }
      u128 units = sum >> 24;
      score[j] = units >= kMax ? 0 : kMax - uint64_t(units);
    }
    return true;
  }

  void pool(uint64_t s) {
    std::vector<uint64_t> pooled(c.n);
    for (int j = 0; j < c.n; j++) {
      u128 sum = 0;
      uint64_t most = 0;
      for (int i = std::max(0, j - c.half); i <= std::min(c.n - 1, j + c.half); i++)
        sum += score[i], most = std::max(most, score[i]);
      pooled[j] = c.max ? most : sum > kMax ? kMax : uint64_t(sum);
      if (!c.max && sum > kMax) sat(s + j + kPoolSat, 1);
    }
    score = pooled;
  }

  // Search for the k highest from cycle s on: the positions, best first, and the cycle of its end.
  std::vector<int> search(int k, uint64_t s, const std::vector<int> &open) {
    E = s;
    std::vector<int> found = open;
    if (k == 0 || k >= int(open.size())) {
      passes[0]++;
      if (k == 0) found.clear();
      return found;
    }
    int digit = top(), used = 0;
    std::stable_sort(found.begin(), found.end(), [&](int a, int b) { return score[a] > score[b]; });
    uint64_t threshold = score[found[k - 1]];
    for (;; digit--) {
      // A pass is counted ahead once.
      if (used++ == 0 && guess >= 0) {
        bool right = guess == digit;
        ahead[right]++;
        E += right ? kFirst : (W + 1) / 2 + kPass;
        guess = -1;
      } else {
        E += (W + 1) / 2 + kPass;
      }
      // Those above or equal in the examined digits: exactly k of them ends it.
      int reach = 0;
      for (int j : open) reach += score[j] >> (4 * digit) >= threshold >> (4 * digit);
      if (reach == k || digit == 0) break;
    }
    passes[used]++;
    found.resize(k);
    return found;
  }

  Push entry(uint64_t bytes, bool last) {
    Push p;
    last = last && !c.out && !c.compress;
    p.bytes = c.out || c.compress ? 2 * L : bytes;
    p.last = last, p.nonfinite = last && any_bad, p.saturated = last && any_sat;
    return p;
  }

  void list(const std::vector<bool> &keep) {
    std::vector<int> held;
    auto flush = [&](size_t count, bool last, uint64_t when) {
      Push p = entry(2 * count, last);
      for (size_t i = 0; i < count; i++) p.data.lane[i] = held[i];
      held.erase(held.begin(), held.begin() + count);
      if (count || !c.out) pushes[when] = p;
    };
    for (int w = 0; w < W; w++) {
      for (int j = w * L; j < std::min(c.n, w * L + L); j++)
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
  }

  void map(const std::vector<int> &tier) {
    int each = c.tiers() ? 4 : 1, words = 16 / each, bytes = (c.n * each + 7) / 8, given = 0;
    Beat b{};
    for (int w = 0; w < W; w++) {
      for (int i = 0; i < L && w * L + i < c.n; i++) {
        int v = tier[w * L + i], at = (w % words * L + i) * each;
        if (!c.tiers()) v = v != 4;
        b.lane[at / 16] |= v << at % 16;
      }
      bool end = w == W - 1;
      if (w % words != words - 1 && !end) continue;
      Push p = entry(std::min(2 * L, bytes - given), end);
      p.data = b;
      pushes[E + w + kEmit] = p;
      given += 2 * L;
      b = Beat{};
    }
  }

  void results() {
    std::vector<int> open, tier(c.n, 4);
    for (int j = 0; j < c.n; j++)
      if (j >= c.sinks && j < c.n - c.recent) open.push_back(j);
    uint64_t s = t + kSettle + (c.norm ? kNorm : 0);
    if (c.half) {
      pool(s);
      s += c.n + kPool;
    }
    int runs = 0;
    for (int i = c.tiers() ? 0 : 3; i < 4; i++) {
      int k = i == 3 ? c.k : c.rank[i], before = i == 0 ? 0 : c.rank[i - 1];
      if (i < 3 && k == before && c.prot != i) continue;
      runs++;
      for (int j : search(k, s, open))
        if (tier[j] == 4) tier[j] = i;
      s = E + W + kTier;
    }
    searches[runs]++;
    for (int j = 0; j < c.n; j++)
      if (j < c.sinks || j >= c.n - c.recent) tier[j] = c.tiers() ? c.prot : 3;
    if (c.tiers() || c.result == 1) {
      map(tier);
    } else {
      std::vector<bool> keep(c.n);
      for (int j = 0; j < c.n; j++) keep[j] = tier[j] != 4;
      list(keep);
    }
    if (c.out)
      for (int i = 0; i < 4 * W; i++) {
        Push p;
        for (int e = 0; e < L; e++) {
          int j = (i * L + e) / 4;
          p.data.lane[e] = j < c.n ? score[j] >> 16 * ((i * L + e) % 4) : 0;
        }
        p.bytes = 2 * L;
        p.last = i == 4 * W - 1 && !c.compress;
        p.nonfinite = p.last && any_bad, p.saturated = p.last && any_sat;
        pushes[E + W + kEmit + kScores + i] = p;
      }
    // done_o: what kv_compress counts from.
    uint64_t done = E + W - 1 + (c.out ? 4 * W + kScores + 6 : 0);
    while (!pushes.empty() || !saturated.empty() || cycle <= done) {
      dut->eval();
      same("done_o", dut->done_o, cycle == done);
      step();
    }
    if (!c.compress) return;
    same("nonfinite_o", dut->nonfinite_o, any_bad);
    same("saturated_o", dut->saturated_o, any_sat);
    for (int i = 0; i < 12; i++) step();
    for (int j = 0; j < c.n; j++) {
      dut->row_i = j;
      step();
      dut->eval();
      same("row_kept_o", dut->row_kept_o, tier[j] != 4);
      if (tier[j] != 4) same("row_tier_o", dut->row_tier_o, tier[j]);
    }
  }

  void command(int kind, int abort_at) {
    c.set();
    dut->start_i = 1;
    if (below(2)) step(), dut->start_i = 0;
    bool whole = !c.in || scores(kind, abort_at);
    if (whole && c.in && c.rows) closed(kRow);
    if (whole) whole = c.norm ? norms(kind, abort_at) : attention(kind, abort_at);
    if (whole) {
      results();
    } else {
      Push p;
      p.last = true, p.nonfinite = any_bad, p.saturated = any_sat;
      pushes[t + kSettle] = p;
      while (cycle <= t + kSettle) step();
      n_abort++;
    }
    for (int i = below(4); i > 0; i--) step();
  }
};

Config draw(int n) {
  Config c;
  c.n = n;
  c.k = below(4) == 0 ? n : below(n + 1);
  if (below(8) == 0) c.k = 0;
  c.sinks = below(3) ? below(std::min(n, 9) + 1) : below(n + 1);
  c.recent = below(3) ? below(std::min(n, 40) + 1) : below(n + 1);
  // Fields of 16 bits.
  c.sinks = std::min(c.sinks, 65535), c.recent = std::min(c.recent, 65535);
  c.compress = below(4) == 0;
  c.result = c.compress ? 0 : below(3);
  if (c.tiers()) {
    for (int &r : c.rank) r = std::min(below(c.k + 1), 65535);
    std::sort(c.rank, c.rank + 3);
    if (below(3) == 0) c.rank[below(2)] = c.rank[below(2) + 1];
    std::sort(c.rank, c.rank + 3);
    c.prot = below(4);
  }
  c.rows = 1 + below(n > 64 ? 4 : 12);
  c.norm = below(5) == 0;
  if (c.norm) {
    c.dims = 16 * (1 + below(3)), c.rows = 0;
  } else {
    c.in = below(3) == 0;
    if (c.in && below(3) == 0) c.rows = 0;
    if (c.rows && below(3) == 0) c.step = 1 + below(4), c.lambda = below(4) ? rnd() & 0xFFFF : 0;
  }
  if (below(3) == 0) c.half = 1 + below(7), c.max = below(2);
  else c.out = below(3) == 0;
  return c;
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
    for (int k = 0; k <= n; k++) {
      Config c;
      c.n = n, c.k = k, c.sinks = below(2) * below(n + 1), c.recent = below(2) * below(n + 1);
      Run(c).command(below(13), -1);
    }
  for (int i = 0; i < commands; i++) {
    en_p = below(4) ? 100 : 40 + below(60);
    int n = 1 + below(below(2) ? 4 * L : below(3) ? 300 : TOKENS);
    if (n > TOKENS) n = TOKENS;
    if (i == 0) n = TOKENS;
    Config c = draw(n);
    int kind = below(13), W = (n + L - 1) / L;
    if ((kind == 1 || kind == 12) && c.rows) c.rows = (n < 16 && below(4) == 0) ? 19 + below(4) : c.rows;
    int beats = (c.in ? 4 * W : 0) + (c.norm ? n * c.dims / L : c.rows * W);
    int abort_at = below(12) == 0 ? below(beats) : -1;
    if (abort_at < 0) {
      options[0] += c.compress, options[1] += c.result == 1, options[2] += c.result == 2, options[3] += c.half && c.max;
      options[4] += c.half && !c.max, options[5] += c.step > 0, options[6] += c.in, options[7] += c.out;
      options[8] += c.norm, options[9] += !c.rows && !c.norm;
    }
    Run(c).command(kind, abort_at);
  }
  printf("lanes %d: %llu cycles, %llu pushes, %llu saturated, %llu non-finite, %llu aborted; passes", L,
         (unsigned long long)cycle, (unsigned long long)n_push, (unsigned long long)n_sat,
         (unsigned long long)n_bad, (unsigned long long)n_abort);
  for (int i = 0; i <= 10; i++) printf(" %llu", (unsigned long long)passes[i]);
  printf("; searches");
  for (int i = 1; i <= 4; i++) printf(" %llu", (unsigned long long)searches[i]);
  printf("; guesses %llu wrong, %llu right\n", (unsigned long long)ahead[0], (unsigned long long)ahead[1]);
  // A short run does not reach everything.
  bool covered = n_sat && n_bad && n_abort && passes[0] && passes[1] && passes[8] && passes[10] && ahead[0] && ahead[1];
  for (int i = 1; i <= 4; i++) covered = covered && searches[i];
  for (uint64_t o : options) covered = covered && o;
  return covered || commands < 1000 ? 0 : 1;
}
