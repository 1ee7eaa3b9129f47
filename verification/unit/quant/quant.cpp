// Stream bench of kv_quant against a plain reading of docs/engine.md, 3, 4, 5.5 and 5.7.
//
// Random tiles (every scheme, layout, axis, group, code width; data of every kind) go in back to back, with gaps
// and with soft resets, under random cycles with en_i = 0. A model of the back takes the entries out of a payload
// FIFO and asks for the scales of channel groups. In every enabled cycle the push, the scale beats and all events
// are compared. usage: bench TILES SEED
// Compiled with LANES, MAXDIM, TILE.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "Vkv_quant.h"
#include "verilated.h"

namespace {

constexpr int L = LANES, HB = 16 / L;
constexpr int kToken = 12, kChannel = 16, kPipe = 14, kPrefix = 2;
constexpr int ceilPow2(int x) { return x <= 1 ? 1 : 2 * ceilPow2((x + 1) / 2); }
constexpr int P = ceilPow2(MAXDIM / L + 8 * HB + 16);

uint64_t state;
uint64_t rnd() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 2685821657736338717ull >> 11;
}
int below(int n) { return rnd() % n; }

// Section 4, on integers in units of 2^-24.
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
int64_t nearest(int64_t num, int64_t den) {  // RNE(num / den), num >= 0
  int64_t q = num / den, twice = 2 * (num % den);
  return q + (twice > den || (twice == den && (q & 1)));
}
uint16_t ratio16(int64_t num, int64_t den) {  // RN16(num / den), num >= 0
  int cut = 0;
  while (num / (den << cut) >= 2048) cut++;
  int64_t pattern = (int64_t(cut) << 10) + nearest(num, den << cut);
  return pattern > 0x7BFF ? 0x7BFF : pattern;
}

struct Beat {
  uint16_t lane[L];
};

enum { kAsym, kSym, kOffset };

struct Tile {
  int scheme, layout, axis, group, bits, rows, dims, g;
  std::vector<uint16_t> x;
};

struct Item {  // what one beat read from the ring becomes
  std::vector<uint8_t> codes;
  int bits = 0;  // of each of the codes
  uint16_t scale = 0, mn = 0;  // of a per-token group, with its first item
  bool first = false, row_end = false, last = false, bad = false;
};

void quantize(const Tile &t, const std::vector<size_t> &at, uint16_t *scale, uint16_t *mn, std::vector<uint8_t> *q) {
  uint16_t lo = clean(t.x[at[0]]), hi = lo, top = lo;
  for (size_t i : at) {
    uint16_t x = clean(t.x[i]);
    if (units(x) < units(lo)) lo = x;
    if (units(x) > units(hi)) hi = x;
    if ((x & 0x7FFF) > (top & 0x7FFF)) top = x;
  }
  int64_t most = t.scheme == kAsym ? (1 << t.bits) - 1 : (1 << (t.bits - 1)) - 1, mag = units(top & 0x7FFF);
  *mn = lo;
  *scale = t.scheme == kAsym ? ratio16(units(hi) - units(lo), most) : ratio16(mag, t.scheme == kSym ? most : 8);
  if (t.scheme == kOffset && units(top) > 0 && *scale) *scale |= 0x8000;
  for (size_t i : at) {
    int64_t d = units(clean(t.x[i])) - (t.scheme == kAsym ? units(lo) : 0), s = units(*scale);
    if (s < 0) d = -d, s = -s;
    int64_t code = s ? nearest(d < 0 ? -d : d, s) : 0, least = t.scheme == kAsym ? 0 : -most;
    if (d < 0) code = -code;
    if (t.scheme == kOffset) code += 8, least = 0, most = 15;
    (*q)[i] = (code > most ? most : code < least ? least : code) & ((1 << t.bits) - 1);
  }
}

struct Work {  // a tile and all that follows from it
  Tile t;
  std::vector<Item> items;
  std::vector<std::vector<Beat>> pre;  // per channel: the scale beats of each group
  size_t group_beats;
};

uint16_t value(int kind) {
  switch (kind) {
    case 0: return rnd();
    case 1: return rnd() & 0x83FF;
    case 2: return below(40) ? rnd() & 0xBFFF : 0x7C00 | rnd();
    case 3: return 0x3C00 + below(64);
    case 4: return below(2) ? 0x7BFF : 0xFBFF;
    case 5: return below(4) ? 0 : 0x8000;
    case 6: return (rnd() & 0x8000) | (0x3800 + below(16) * 64);
    default: return (rnd() & 0x8000) | (0x2C00 + below(0x1400));
  }
}

Work make(const Tile *like) {
  Work w;
  Tile &t = w.t;
  static const int widths[] = {2, 3, 4, 5, 6, 8};
  for (;;) {
    if (like) {
      t = *like;
    } else {
      t.layout = below(4) == 0;
      t.scheme = below(2 + t.layout), t.axis = below(2), t.group = below(5), t.bits = widths[below(6)];
      if (t.layout) t.axis = 0, t.group = 1, t.bits = t.scheme == kSym ? 8 : 4;
      t.dims = below(2) ? 16 << below(6) : 16 * (1 + below(MAXDIM / 16));
      if (below(8) == 0) t.dims = MAXDIM;
    }
    t.g = t.group == 4 ? t.dims : 16 << t.group;
    if (t.dims > MAXDIM || (t.axis && (t.group == 4 || t.g > TILE)) || (!t.axis && t.dims % t.g)) continue;
    t.rows = t.axis ? t.g * (1 + below(TILE / t.g)) : 1 + below(below(2) ? TILE : 4);
    if (below(8) == 0) t.rows = t.axis ? TILE / t.g * t.g : TILE;
    break;
  }
  size_t cells = size_t(t.rows) * t.dims, words = t.dims / L;
  t.x.resize(cells);
  int kind = below(9);
  for (size_t i = 0; i < cells; i++) {
    if (kind == 8 && i % 16 == 0 && below(3) == 0) t.x[i] = value(0);
    else t.x[i] = value(kind == 8 ? int(i / 16 + i / t.dims) % 8 : kind);
  }

  std::vector<uint8_t> q(cells);
  w.items.resize(cells / L);
  w.group_beats = size_t(t.g) * (t.axis ? words : 1) / (t.axis ? 1 : L);
  for (size_t b = 0; b < w.items.size(); b++) w.items[b].first = b % w.group_beats == 0;
  for (size_t b0 = 0; b0 < w.items.size(); b0 += w.group_beats) {
    std::vector<uint16_t> params[2];
    for (int c = 0; c < (t.axis ? t.dims : 1); c++) {
      std::vector<size_t> at;
      for (int i = 0; i < t.g; i++) at.push_back(b0 * L + (t.axis ? size_t(i) * t.dims + c : i));
      uint16_t s, m;
      quantize(t, at, &s, &m, &q);
      params[0].push_back(s);
      params[1].push_back(m);
    }
    w.items[b0].scale = params[0][0];
    w.items[b0].mn = params[1][0];
    if (t.axis) {
      w.pre.emplace_back();
      for (int half = 0; half < (t.scheme == kSym ? 1 : 2); half++)
        for (size_t v = 0; v < words; v++) {
          Beat beat;
          for (int i = 0; i < L; i++) beat.lane[i] = params[half][v * L + i];
          w.pre.back().push_back(beat);
        }
    }
    bool any = false;
    for (size_t i = b0 * L; i < (b0 + w.group_beats) * L; i++) any |= bad(t.x[i]);
    for (size_t b = b0; b < b0 + w.group_beats; b++) w.items[b].bad = any;
  }
  bool fold = t.layout && t.bits == 4;
  for (size_t b = 0; b < w.items.size(); b++) {
    Item &it = w.items[b];
    it.bits = t.bits;
    if (!fold) {
      it.codes.assign(q.begin() + b * L, q.begin() + (b + 1) * L);
    } else if (b % 2) {  // the second of a pair: bytes of q_i and q_(i+16)
      it.bits = 8;
      size_t low = b / w.group_beats * 32 + b % w.group_beats / 2 * L;
      for (size_t i = low; i < low + L; i++) it.codes.push_back(q[i] | q[i + 16] << 4);
    }
    it.row_end = (b + 1) % words == 0;
  }
  w.items.back().last = true;
  return w;
}

struct Entry {
  Beat data{};
  int bytes = 0;
  bool last = false, pre = false, bad = false, maybe_bad = false;
};

// The packer of 5.7, a bit at a time; every bit knows whether it is of a non-finite group, and of a code of it.
struct Packer {
  static constexpr int kCodeOfBad = 2, kOfBad = 4;
  std::deque<uint8_t> bits;
  bool ended = false, opening = false;
  void put(unsigned v, int n, int mark) {
    for (int i = 0; i < n; i++) bits.push_back((v >> i & 1) | mark);
  }
  bool step(const Work *w, const Item *it, Entry *out) {
    if (it) {
      if (it->first && !w->t.axis) {
        put(it->scale, 16, it->bad ? kOfBad : 0);
        if (w->t.scheme == kAsym) put(it->mn, 16, it->bad ? kOfBad : 0);
      }
      opening |= it->first && w->t.axis;
      for (uint8_t c : it->codes) put(c, it->bits, it->bad ? kOfBad | kCodeOfBad : 0);
      ended |= it->last;
    }
    size_t n = bits.size() >= 16 * L ? 16 * L : ended ? bits.size() : 0;
    if (!n) return false;
    *out = Entry{};
    for (size_t i = 0; i < n; i++) {
      out->data.lane[i / 16] |= (bits[i] & 1) << (i % 16);
      out->bad |= (bits[i] & kCodeOfBad) != 0;
      out->maybe_bad |= (bits[i] & kOfBad) != 0;
    }
    bits.erase(bits.begin(), bits.begin() + n);
    out->bytes = n / 8;
    out->last = ended && bits.empty();
    out->pre = opening;
    opening = false;
    if (out->last) ended = false;
    return true;
  }
};

Vkv_quant *dut;
template <class T> void setBeat(T &port, const Beat &b) {
  static_assert(sizeof(T) == sizeof(Beat), "beat width");
  memcpy(&port, &b, sizeof b);
}
template <class T> Beat getBeat(const T &port) {
  Beat b;
  memcpy(&b, &port, sizeof b);
  return b;
}
void edge() {
  dut->clk_i = 1;
  dut->eval();
  dut->clk_i = 0;
  dut->eval();
}

uint64_t cycle = 0, pushes = 0, pre_beats = 0, nonfinite = 0, resets = 0, deepest = 0, seed0;
const Tile *current = nullptr;
void same(const char *what, long got, long want) {
  if (got == want) return;
  printf("seed %llu cycle %llu: %s is %ld, want %ld", (unsigned long long)seed0, (unsigned long long)cycle, what, got,
         want);
  if (current)
    printf(" (scheme %d layout %d axis %d group %d bits %d rows %d dims %d)", current->scheme, current->layout,
           current->axis, current->group, current->bits, current->rows, current->dims);
  printf("\n");
  exit(1);
}

// The back of 5.5, as far as it takes time: descriptors, entries, scales.
struct Back {
  std::deque<uint64_t> descriptors;  // when dispatched
  std::deque<Entry> fifo;            // seen from the cycle after their push
  enum { kHead, kBody, kTail } at = kHead;
  int beat = 0;
  size_t want = 0;  // scale beats of the head entry's group; its count to come below
  int wait = 0;
  bool sent = false;
  // Returns whether pre_start belongs in this cycle; *pre: a scale beat is due in it, *pre_last: the last.
  bool step(size_t scales, bool *pre, bool *pre_last) {
    *pre = *pre_last = false;
    if (at == kHead) {
      if (beat == 0 && (descriptors.empty() || descriptors.front() >= cycle)) return false;
      if (++beat == HB) beat = 0, at = kBody;
    } else if (at == kBody) {
      if (fifo.empty()) return false;
      if (fifo.front().pre && !sent) {
        if (want == 0) {
          want = scales;
          wait = kPrefix - 1;
          return true;
        }
        if (wait > 0) {
          wait--;
          return false;
        }
        *pre = true;
        if (--want == 0) sent = *pre_last = true;
        return false;
      }
      bool last = fifo.front().last;
      fifo.pop_front();
      sent = false;
      if (last) at = kTail;
    } else if (++beat == HB) {
      beat = 0, at = kHead;
      descriptors.pop_front();
    }
    return false;
  }
};

}  // namespace

int main(int argc, char **argv) {
  int tiles = argc > 1 ? atoi(argv[1]) : 300;
  seed0 = argc > 2 ? strtoull(argv[2], nullptr, 0) : 1;
  state = seed0 * 0x9E3779B97F4A7C15ull + 1;
  dut = new Vkv_quant;
  dut->clk_i = 0;
  dut->eval();  // or the first edge, a reset, would not be one
  dut->en_i = 1;

  std::deque<Work> store;  // tiles under way, the front one the oldest
  std::map<uint64_t, std::pair<const Work *, const Item *>> reads, arrivals;
  std::deque<Beat> scales;
  std::deque<size_t> scale_counts;
  Packer packer;
  Back back;
  Work *in = nullptr;
  bool starting = false;
  size_t next = 0;
  int made = 0, wait = 4, nonfinite_next = 0, gap = 0, enabled = 100, idle = 0;
  bool reset = true, fresh = false;
  uint64_t phase_end = 0;

  while (made < tiles || !back.descriptors.empty()) {
    if (reset) {
      store.clear(), reads.clear(), arrivals.clear(), scales.clear(), scale_counts.clear();
      packer = Packer{}, back = Back{}, in = nullptr, nonfinite_next = 0, wait = 1 + HB, current = nullptr;
      starting = fresh = false;
      dut->rst_i = 1;
      dut->en_i = below(2);
      edge();
      dut->rst_i = 0;
      reset = false;
      resets++;
    }
    if (cycle >= phase_end) {
      phase_end = cycle + 100 + below(1500);
      gap = below(2) ? 0 : below(90);
      enabled = below(3) ? 100 : 30 + below(70);
    }
    setBeat(dut->beat_i, Beat{{uint16_t(rnd())}});
    dut->beat_last_i = below(2);
    if (below(100) >= enabled) {
      dut->en_i = 0;
      dut->start_i = below(2);
      dut->beat_valid_i = below(2);
      dut->pre_start_i = below(2);
      edge();
      continue;
    }
    dut->en_i = 1;
    dut->start_i = starting;
    dut->beat_valid_i = 0;
    starting = false;

    // A beat, or the dispatch of the next tile (its first beat comes a cycle later at the soonest).
    bool taken = in && below(100) >= gap;
    if (taken) {
      Beat beat;
      memcpy(beat.lane, &in->t.x[next * L], sizeof beat);
      dut->beat_valid_i = 1;
      setBeat(dut->beat_i, beat);
      dut->beat_last_i = next + 1 == in->items.size();
    }
    if (!in && made < tiles && (wait == 0 || --wait == 0)) {
      bool empty = back.descriptors.empty();
      if (!fresh) store.push_back(make(store.empty() || !below(6) ? nullptr : &store.back().t));
      fresh = true;
      const Tile *before = store.size() > 1 ? &store[store.size() - 2].t : nullptr;
      Tile &t = store.back().t;
      current = &t;
      bool alike = before && before->scheme == t.scheme && before->layout == t.layout && before->axis == t.axis &&
                   before->group == t.group && before->bits == t.bits && before->dims == t.dims;
      if (empty || (alike && back.descriptors.size() < 4)) {
        made++;
        fresh = false;
        next = 0;
        in = &store.back();
        starting = true;
        back.descriptors.push_back(cycle);
      } else {
        wait = 1;
      }
    }

    // Ring reads, the packer and the back, in this cycle.
    auto read = reads.find(cycle);
    const Item *out = read == reads.end() ? nullptr : read->second.second;
    same("ev_token_o", (dut->eval(), dut->ev_token_o), out && out->row_end);
    int groups = out && out->first ? (read->second.first->t.axis ? read->second.first->t.dims : 1) : 0;
    same("ev_groups_o", dut->ev_groups_o, groups);
    same("ev_nonfinite_o", dut->ev_nonfinite_o, nonfinite_next);
    same("ready_o", dut->ready_o, 1);
    nonfinite += nonfinite_next;
    nonfinite_next = 0;
    if (out) {
      arrivals[cycle + kPipe] = read->second;
      reads.erase(read);
    }

    auto item = arrivals.find(cycle);
    Entry entry;
    bool pushed = item == arrivals.end() ? packer.step(nullptr, nullptr, &entry)
                                         : packer.step(item->second.first, item->second.second, &entry);
    if (item != arrivals.end()) arrivals.erase(item);
    same("push_valid_o", dut->push_valid_o, pushed);
    if (pushed) {
      Beat got = getBeat(dut->push_data_o);
      for (int i = 0; i < L; i++) same("push lane", got.lane[i], entry.data.lane[i]);
      same("push_bytes_o", dut->push_bytes_o, entry.bytes);
      same("push_last_o", dut->push_last_o, entry.last);
      same("push_pre_o", dut->push_pre_o, entry.pre);
      // With the group's codes; an entry with its scale alone may have it or not.
      if (entry.bad || !entry.maybe_bad) same("push_nonfinite_o", dut->push_nonfinite_o, entry.bad);
      pushes++;
    }

    bool pre, pre_last;
    bool ask = back.step(scale_counts.empty() ? 0 : scale_counts.front(), &pre, &pre_last);
    dut->pre_start_i = ask;
    dut->eval();
    same("pre_valid_o", dut->pre_valid_o, pre);
    if (pre) {
      Beat got = getBeat(dut->pre_data_o);
      for (int i = 0; i < L; i++) same("pre lane", got.lane[i], scales.front().lane[i]);
      same("pre_last_o", dut->pre_last_o, pre_last);
      scales.pop_front();
      if (pre_last) scale_counts.pop_front();
      pre_beats++;
    }
    if (pushed) back.fifo.push_back(entry);
    if (back.fifo.size() > deepest) deepest = back.fifo.size();
    same("entries beyond the payload FIFO", back.fifo.size() > P, 0);

    if (taken) {
      const Work &w = *in;
      for (int i = 0; i < L; i++) nonfinite_next += bad(w.t.x[next * L + i]);
      if ((next + 1) % w.group_beats == 0) {
        uint64_t r = cycle + (w.t.axis ? kChannel + w.t.dims : kToken);
        for (size_t i = 0; i < w.group_beats; i++) {
          same("two ring reads", reads.count(r + i), 0);
          reads[r + i] = {in, &w.items[next + 1 - w.group_beats + i]};
        }
        if (w.t.axis) {
          const auto &beats = w.pre[next / w.group_beats];
          scales.insert(scales.end(), beats.begin(), beats.end());
          scale_counts.push_back(beats.size());
        }
      }
      if (++next == w.items.size()) in = nullptr, wait = HB + 2 + below(3) / 2 * below(40);
    }
    edge();
    if (starting) {  // the fields are registers of the front, seen from the next cycle on
      const Tile &t = in->t;
      dut->scheme_i = t.scheme, dut->layout_i = t.layout, dut->axis_i = t.axis;
      dut->group_i = t.group, dut->bits_i = t.bits, dut->rows_i = t.rows, dut->dims_i = t.dims;
    }
    while (store.size() > back.descriptors.size() + 2) store.pop_front();
    reset = below(4 * MAXDIM / L * TILE) == 0;
    cycle++;
    idle = back.descriptors.empty() ? idle + 1 : 0;
    same("idle cycles beyond reason", idle > 100000, 0);
  }
  printf("lanes %d: %d tiles, %llu cycles, %llu pushes, %llu scale beats, %llu non-finite, %llu resets, "
         "payload FIFO %llu of %d\n",
         L, made, (unsigned long long)cycle, (unsigned long long)pushes, (unsigned long long)pre_beats,
         (unsigned long long)nonfinite, (unsigned long long)resets, (unsigned long long)deepest, P);
  return pushes && pre_beats && nonfinite && resets > 1 ? 0 : 1;
}
