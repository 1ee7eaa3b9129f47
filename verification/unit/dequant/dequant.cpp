// Stream bench of kv_dequant against a plain reading of docs/engine.md, 4 and 5.8.
//
// Random tiles (every scheme, axis, group, code width, layout; scales and minima of every kind)
// go in back to back or with gaps, under random levels of the payload FIFO and random
// cycles with en_i = 0. In every enabled cycle ready_o, the push and all events are
// compared. usage: bench TILES SEED
// Compiled with LANES, MAXDIM, TILE, DEPTH (payload FIFO).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "Vkv_dequant.h"
#include "verilated.h"

namespace {

constexpr int L = LANES;
constexpr int kPipe = 12, kSlack = 16;
constexpr int K = L == 2 ? 48 : 32;
constexpr int ceilPow2(int x) { return x <= 1 ? 1 : 2 * ceilPow2((x + 1) / 2); }
constexpr int C = ceilPow2(MAXDIM / L + 16);
constexpr int P = DEPTH;

uint64_t state;
uint64_t rnd() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 2685821657736338717ull >> 11;
}
int below(int n) { return rnd() % n; }

int64_t units(uint16_t x) {
  int64_t e = (x >> 10) & 31, f = x & 1023;
  int64_t m = e ? (1024 + f) << (e - 1) : f;
  return x & 0x8000 ? -m : m;
}
bool bad(uint16_t x) { return (x & 0x7C00) == 0x7C00; }
uint16_t clean(uint16_t x) {
  if (bad(x)) return x & 0x3FF ? 0 : (x & 0x8000) | 0x7BFF;
  return x == 0x8000 ? 0 : x;
}
uint16_t round16(int64_t v, bool *sat) {
  uint16_t sign = v < 0 ? 0x8000 : 0;
  uint64_t m = v < 0 ? -v : v;
  *sat = m >= (uint64_t)65520 << 24;
  if (*sat) return sign | 0x7BFF;
  if (m == 0) return 0;
  int top = 63 - __builtin_clzll(m), cut = top > 10 ? top - 10 : 0;
  uint64_t kept = m >> cut, rest = m & ((1ull << cut) - 1), half = cut ? 1ull << (cut - 1) : 0;
  if (cut && (rest > half || (rest == half && (kept & 1)))) kept++;
  return sign | ((uint64_t(cut) << 10) + kept);
}

struct Beat {
  uint16_t lane[L];
};

struct Item {  // what one issued item is
  Beat out;
  int saturated = 0;
  int lead_bad = 0;    // bad scale and minimum, per token
  bool group_bad = false;
  int need = 0;  // units of the bit buffer it takes
  bool row_end = false, group_first = false, group_last = false, last = false;
};

struct Tile {
  int scheme, axis, group, bits, layout, rows, dims, g;
  bool minimum() const { return scheme == 0; }
  bool folded() const { return layout == 1 && bits == 4; }
  std::vector<Beat> beats;
  std::vector<Item> items;
};

uint16_t anyScale() {
  switch (below(8)) {
    case 0: return rnd();
    case 1: return 0x7C00 | (rnd() & 0x83FF);
    case 2: return rnd() & 0x83FF;
    case 3: return 0x7000 | (rnd() & 0x8BFF);
    default: return 0x2000 | (rnd() & 0x1FFF);
  }
}

struct Bits {  // LSB-first bit string over beats
  std::vector<Beat> *beats;
  size_t n = 0;
  void put(unsigned v, int bits) {
    for (int i = 0; i < bits; i++, n++) {
      size_t beat = n / (16 * L), in = n % (16 * L);
      if (beat == beats->size()) beats->push_back(Beat{});
      if (v >> i & 1) (*beats)[beat].lane[in / 16] |= 1 << (in % 16);
    }
  }
};

Tile makeTile(const Tile *like) {
  Tile t;
  static const int widths[] = {2, 3, 4, 5, 6, 8};
  for (;;) {
    if (like) {
      t.scheme = like->scheme, t.axis = like->axis, t.group = like->group, t.bits = like->bits;
      t.layout = like->layout, t.dims = like->dims;
    } else {
      t.scheme = below(2), t.axis = below(2), t.group = below(5), t.bits = widths[below(6)];
      t.layout = 0;
      if (below(3) == 0) {  // block_q4_1, block_q8_0, block_q4_0
        t.layout = 1, t.scheme = below(3), t.axis = 0, t.group = 1;
        t.bits = t.scheme == 1 ? 8 : 4;
      }
      t.dims = 16 * (1 + below(MAXDIM / 16));
      if (below(3) == 0) t.dims = 16 << below(6);
      if (t.dims > MAXDIM) continue;
    }
    t.rows = 1 + below(below(2) ? TILE : 4);
    t.g = t.group == 4 ? t.dims : 16 << t.group;
    if (t.axis) {
      if (t.group == 4 || t.g > TILE) { if (like) abort(); continue; }
      t.rows = t.g * (1 + below(TILE / t.g));
    } else if (t.dims % t.g) {
      continue;
    }
    break;
  }
  Bits out{&t.beats};
  auto value = [&](unsigned raw, uint16_t s, uint16_t m, bool *sat) {
    int q = raw;
    if (t.scheme == 1 && (raw >> (t.bits - 1))) q -= 1 << t.bits;
    if (t.scheme == 2) q -= 8;
    return round16((t.minimum() ? units(clean(m)) : 0) + q * units(clean(s)), sat);
  };
  int items = t.dims / L;
  t.items.resize(size_t(t.rows) * items);
  unsigned mask = (1u << t.bits) - 1;
  bool wild = below(4) != 0;
  auto scale = [&] { return wild ? anyScale() : uint16_t(0x2000 | (rnd() & 0x1FFF)); };
  if (!t.axis) {
    for (int r = 0; r < t.rows; r++) {
      uint16_t s = 0, m = 0;
      unsigned raws[32] = {};
      for (int d = 0; d < t.dims; d++) {
        Item &it = t.items[r * items + d / L];
        if (d % t.g == 0) {
          s = scale(), m = scale();
          out.put(s, 16);
          if (t.minimum()) out.put(m, 16);
          it.group_first = true;
          it.lead_bad = bad(s) + (t.minimum() && bad(m));
          it.group_bad = it.lead_bad;
          it.need = (t.minimum() ? 32 : 16) / L;
          for (auto &x : raws) x = rnd() & mask;
          if (t.folded())
            for (int i = 0; i < 16; i++) out.put(raws[i] | raws[i + 16] << 4, 8);
        }
        if (d % L == 0) it.need += !t.folded() ? t.bits : d % 32 < 16 ? 8 : 0;
        unsigned raw = t.folded() ? raws[d % 32] : rnd() & mask;
        if (!t.folded()) out.put(raw, t.bits);
        bool sat;
        it.out.lane[d % L] = value(raw, s, m, &sat);
        it.saturated += sat;
      }
    }
  } else {
    for (int r0 = 0; r0 < t.rows; r0 += t.g) {
      std::vector<uint16_t> s(t.dims), m(t.dims);
      bool any = false;
      bool tame = below(2);
      for (auto &x : s) x = tame ? 0x3000 | (rnd() & 0x3FF) : scale(), out.put(x, 16), any |= bad(x);
      if (t.minimum())
        for (auto &x : m) x = tame ? rnd() & 0x3FFF : scale(), out.put(x, 16), any |= bad(x);
      for (int r = r0; r < r0 + t.g; r++)
        for (int d = 0; d < t.dims; d++) {
          Item &it = t.items[r * items + d / L];
          unsigned raw = rnd() & mask;
          out.put(raw, t.bits);
          it.need = t.bits;
          bool sat;
          it.out.lane[d % L] = value(raw, s[d], m[d], &sat);
          it.saturated += sat;
          it.group_bad = any;
          it.group_first = r == r0 && d / L == 0;
          it.group_last = r == r0 + t.g - 1 && d / L == items - 1;
        }
    }
  }
  for (size_t i = 0; i < t.items.size(); i++) t.items[i].row_end = (i + 1) % items == 0;
  t.items.back().last = true;
  return t;
}

Vkv_dequant *dut;
template <class T> void setBeat(T &port, const Beat &b) {
  static_assert(sizeof(T) == sizeof(Beat), "beat width");
  memcpy(&port, &b, sizeof b);
}
template <class T> Beat getBeat(const T &port) {
  Beat b;
  memcpy(&b, &port, sizeof b);
  return b;
}

uint64_t blocks[3];  // tiles in the block layout, by scheme
uint64_t cycle = 0, pushes = 0, sats = 0, nonfin = 0, full_out = 0;
uint64_t seed0;
[[noreturn]] void fail(const char *what, long got, long want) {
  printf("seed %llu cycle %llu: %s is %ld, want %ld\n", (unsigned long long)seed0,
         (unsigned long long)cycle, what, got, want);
  exit(1);
}
void same(const char *what, long got, long want) {
  if (got != want) fail(what, got, want);
}

}  // namespace

int main(int argc, char **argv) {
  int tiles = argc > 1 ? atoi(argv[1]) : 300;
  seed0 = argc > 2 ? strtoull(argv[2], nullptr, 0) : 1;
  state = seed0 * 0x9E3779B97F4A7C15ull + 1;
  dut = new Vkv_dequant;

  // The model's state.
  struct Stored {
    Beat b;
    bool mark;
  };
  std::deque<Stored> codes;
  struct Packet {
    Tile t;
    size_t next = 0;
    size_t group_code_beats = 0;
  };
  std::deque<Packet *> queue, flying;
  std::deque<Packet> store;
  int fill = 0, busy = 0, complete = 0;
  bool moved = false;
  std::deque<std::pair<uint64_t, const Item *>> due;  // pushes
  int nonfinite_next = 0;                             // event of the next cycle

  // The source's state.
  Packet *in = nullptr;
  size_t in_beat = 0, part_at = 0;
  int part = 0;
  int made = 0, wait = 3;
  bool start_now = false;
  int gap_p = 0, en_p = 100, pressure = 0, pf = 0;
  uint64_t phase_end = 0;
  uint64_t idle_until = 0;

  dut->clk_i = 0;
  dut->rst_i = 1;
  dut->en_i = 1;
  for (int i = 0; i < 2; i++) {
    dut->clk_i = 1;
    dut->eval();
    dut->clk_i = 0;
    dut->eval();
  }
  dut->rst_i = 0;

  while (made < tiles || !queue.empty() || !due.empty() || in) {
    if (cycle >= phase_end) {
      phase_end = cycle + 50 + below(400);
      gap_p = below(3) ? 0 : below(90);
      en_p = below(2) ? 100 : 30 + below(70);
      pressure = below(4);
    }
    bool en = below(100) < en_p;
    dut->en_i = en;
    dut->start_i = 0;
    dut->beat_valid_i = 0;
    setBeat(dut->beat_i, Beat{{uint16_t(rnd())}});
    dut->beat_last_i = below(2);
    if (!en) {
      dut->start_i = below(2);
      dut->beat_valid_i = below(2);
      dut->pf_count_i = below(P + 1);
      dut->eval();
      dut->clk_i = 1;
      dut->eval();
      dut->clk_i = 0;
      dut->eval();
      continue;
    }

    // Dispatch.
    start_now = false;
    if (!in && made < tiles) {
      if (wait > 0) {
        wait--;
      } else {
        if (store.empty() || int(store.size()) == made) {
          const Tile *like = made && below(3) ? &store.back().t : nullptr;
          store.push_back({makeTile(like)});
        }
        Packet &p = store.back();
        bool alike = made && p.t.scheme == store[made - 1].t.scheme &&
                     p.t.layout == store[made - 1].t.layout && p.t.axis == store[made - 1].t.axis &&
                     p.t.group == store[made - 1].t.group && p.t.bits == store[made - 1].t.bits &&
                     p.t.dims == store[made - 1].t.dims;
        bool idle = queue.empty() && due.empty() && cycle > idle_until;
        if (idle || (alike && queue.size() < 4 && flying.size() < 4)) {
          start_now = true;
          made++;
          if (p.t.layout) blocks[p.t.scheme]++;
          in = &p;
          in_beat = part_at = 0;
          part = p.t.axis ? 0 : 2;
          queue.push_back(&p);
          flying.push_back(&p);
          dut->start_i = 1;
          dut->scheme_i = p.t.scheme;
          dut->layout_i = p.t.layout;
          dut->axis_i = p.t.axis;
          dut->group_i = p.t.group;
          dut->bits_i = p.t.bits;
          dut->rows_i = p.t.rows;
          dut->dims_i = p.t.dims;
        }
      }
    }

    // Ready.
    size_t stat_beats = in ? in->t.dims / L : 0;
    bool ready = false;
    if (in) {
      if (part == 2) ready = int(codes.size()) < C;
      else ready = part == 1 || part_at > 0 || busy < 2;
      dut->eval();
      same("ready_o", dut->ready_o, ready);
    }
    bool take = in && ready && below(100) >= gap_p;
    const Beat *beat = nullptr;
    bool beat_last = false;
    if (take) {
      beat = &in->t.beats[in_beat];
      beat_last = in_beat + 1 == in->t.beats.size();
      dut->beat_valid_i = 1;
      setBeat(dut->beat_i, *beat);
      dut->beat_last_i = beat_last;
    }

    // Level of the payload FIFO.
    switch (pressure) {
      case 0: pf = below(P - kSlack + 1); break;
      case 1: pf = below(P + 1); break;
      case 2: pf = P - kSlack - 1 + below(3); break;
      default: pf += below(3) - 1; if (pf < 0) pf = 0; if (pf > P) pf = P;
    }
    dut->pf_count_i = pf;
    dut->eval();

    // Issue.
    const Item *issued = nullptr;
    int need = 0;
    if (!queue.empty()) {
      Packet &p = *queue.front();
      const Item &it = p.t.items[p.next];
      need = it.need;
      if (fill >= need && (!p.t.axis || complete > 0) && pf <= P - kSlack) issued = &it;
    }
    bool refill = !codes.empty() && !moved && fill - (issued ? need : 0) <= K - 16;

    // Compare this cycle.
    const Item *out = !due.empty() && due.front().first == cycle ? due.front().second : nullptr;
    same("push_valid_o", dut->push_valid_o, out != nullptr);
    if (out) {
      Beat got = getBeat(dut->push_data_o);
      for (int i = 0; i < L; i++) same("push lane", got.lane[i], out->out.lane[i]);
      same("push_last_o", dut->push_last_o, out->last);
      same("push_bytes_o", dut->push_bytes_o, 2 * L);
      same("push_pre_o", dut->push_pre_o, 0);
      same("push_saturated_o", dut->push_saturated_o, out->saturated > 0);
      same("push_nonfinite_o", dut->push_nonfinite_o, out->group_bad);
      pushes++;
      sats += out->saturated;
    }
    same("ev_saturated_o", dut->ev_saturated_o, out ? out->saturated : 0);
    same("ev_nonfinite_o", dut->ev_nonfinite_o, nonfinite_next);
    same("ev_token_o", dut->ev_token_o, issued && issued->row_end);
    int groups = 0;
    if (issued && issued->group_first) groups = queue.front()->t.axis ? queue.front()->t.dims : 1;
    same("ev_groups_o", dut->ev_groups_o, groups);
    nonfin += nonfinite_next;
    nonfinite_next = 0;

    // Update the model.
    if (out) {
      if (out->last) flying.pop_front(), idle_until = cycle + below(6);
      due.pop_front();
    }
    if (issued) {
      fill -= need;
      due.push_back({cycle + kPipe, issued});
      nonfinite_next += issued->lead_bad;
      if (issued->group_last && queue.front()->t.axis) busy--, complete--;
    }
    if (refill) {
      moved = codes.front().mark;
      codes.pop_front();
      fill += 16;
    }
    if (issued) {
      queue.front()->next++;
      if (issued->last) queue.pop_front(), fill = 0, moved = false;
    }
    if (int(codes.size()) == C) full_out++;
    if (take) {
      if (part == 2) {
        codes.push_back({*beat, beat_last});
      } else {
        if (part == 0 && part_at == 0) busy++;
        for (int i = 0; i < L; i++) nonfinite_next += bad(beat->lane[i]);
      }
      part_at++;
      size_t want = part == 2 ? size_t(in->t.g) * in->t.dims * in->t.bits / (16 * L) : stat_beats;
      if (in->t.axis && part_at == want) {
        part_at = 0;
        if (part == 0 && in->t.minimum()) part = 1;
        else if (part < 2) part = 2, complete++;
        else part = 0;
      }
      in_beat++;
      if (beat_last) in = nullptr, wait = 2 + below(3) * below(20);
    }
    cycle++;
    dut->clk_i = 1;
    dut->eval();
    dut->clk_i = 0;
    dut->eval();
  }
  printf("lanes %d: %d tiles, %llu cycles, %llu pushes, %llu saturated, %llu non-finite, code FIFO full in %llu, blocks %llu %llu %llu\n", L,
         made, (unsigned long long)cycle, (unsigned long long)pushes, (unsigned long long)sats,
         (unsigned long long)nonfin, (unsigned long long)full_out, (unsigned long long)blocks[0],
         (unsigned long long)blocks[1], (unsigned long long)blocks[2]);
  // The smallest tiles never fill the code FIFO.
  return pushes && sats && nonfin && (full_out || MAXDIM < 64) &&
                 (tiles < 50 || (blocks[0] && blocks[1] && blocks[2]))
             ? 0
             : 1;
}
