// Bench of the engine's shell, registers, front and back, driven at the pins with ECHO
// and with packets that must be refused. What is expected is computed here, from
// docs/engine.md: statuses, payloads, byte counts, and Cycles by closed formulas, which
// must come out the same however the link stutters.
//
//   bench [ROUNDS [SEED]]
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <vector>

#include "Vkv_engine.h"
#include "verilated.h"

namespace {

constexpr int kWords = LANES / 2;  // 32-bit words of a beat
constexpr int kBytes = 2 * LANES;
constexpr int kHead = 32 / kBytes;  // beats of a header

using Beat = std::array<uint32_t, kWords>;
struct Flit {
  Beat data;
  bool last;
};
using Packet = std::vector<Flit>;

std::mt19937_64 rng;
uint32_t rnd(uint32_t n) { return uint32_t(rng() % n); }

[[noreturn]] void fail(const char* what, uint64_t got = 0, uint64_t want = 0) {
  std::printf("FAIL lanes %d: %s (got %llu, want %llu)\n", LANES, what, (unsigned long long)got,
              (unsigned long long)want);
  std::exit(1);
}
void expect(const char* what, uint64_t got, uint64_t want) {
  if (got != want) fail(what, got, want);
}

struct Sim {
  Vkv_engine top;
  std::deque<Flit> in;         // beats not yet taken
  std::deque<Packet> out;      // packets given
  Packet part;                 // the packet being given
  int valid_pct = 100, ready_pct = 100;
  bool offering = false, mid = false;  // mid: the last beat taken was not TLAST
  uint64_t clocks = 0, beats_in = 0, beats_out = 0, packets = 0;

#if LANES <= 4  // a plain integer port, else an array of words
  void put(const Beat& b) {
    uint64_t v = 0;
    for (int i = kWords - 1; i >= 0; i--) v = v << 32 | b[i];
    top.s_axis_tdata = v;
  }
  Beat get() {
    Beat b;
    uint64_t v = top.m_axis_tdata;
    for (auto& w : b) w = uint32_t(v), v >>= 32;
    return b;
  }
#else
  void put(const Beat& b) {
    for (int i = 0; i < kWords; i++) top.s_axis_tdata[i] = b[i];
  }
  Beat get() {
    Beat b;
    for (int i = 0; i < kWords; i++) b[i] = top.m_axis_tdata[i];
    return b;
  }
#endif

  void clock() {
    if (!in.empty() && !offering) offering = int(rnd(100)) < valid_pct;
    top.s_axis_tvalid = offering;
    if (offering) {
      put(in.front().data);
      top.s_axis_tlast = in.front().last;
    }
    top.m_axis_tready = int(rnd(100)) < ready_pct;
    top.clk_i = 0;
    top.eval();
    bool took = top.s_axis_tvalid && top.s_axis_tready, valid = top.m_axis_tvalid;
    bool gave = valid && top.m_axis_tready, last = top.m_axis_tlast;
    Beat data = get();
    top.clk_i = 1;
    top.eval();
    clocks++;
    if (took) {
      mid = !in.front().last;
      in.pop_front();
      offering = false;
      beats_in++;
    }
    if (gave) {
      beats_out++;
      part.push_back({data, last});
      if (last) {
        packets++;
        out.push_back(std::move(part));
        part.clear();
      }
    } else if (valid && !(top.m_axis_tvalid && get() == data && bool(top.m_axis_tlast) == last)) {
      fail("m_axis changed while it was not ready");
    }
  }

  void reset() {
    top.s_axil_awvalid = top.s_axil_wvalid = top.s_axil_bready = top.s_axil_arvalid = top.s_axil_rready = 0;
    in.clear();
    offering = mid = false;
    top.rst_i = 1;
    clock();
    clock();
    top.rst_i = 0;
    out.clear();  // what stood on the pins before
    part.clear();
    clocks = beats_in = beats_out = packets = 0;
  }

  // A register access: 3 clock cycles. The answer is the data, or ~0 << 32 for SLVERR.
  uint64_t read(uint32_t addr) {
    top.s_axil_araddr = addr;
    top.s_axil_arvalid = 1;
    top.s_axil_rready = 1;
    if (!top.s_axil_arready) fail("arready is low at rest");
    clock();
    top.s_axil_arvalid = 0;
    if (top.s_axil_rvalid) fail("rvalid one cycle early");
    clock();
    if (!top.s_axil_rvalid) fail("rvalid is late");
    uint64_t v = top.s_axil_rresp == 2 ? ~0ull << 32 | top.s_axil_rdata : top.s_axil_rdata;
    clock();
    if (top.s_axil_rvalid) fail("rvalid stays");
    top.s_axil_rready = 0;
    return v;
  }
  bool write(uint32_t addr, uint32_t data, int strobe = 15, bool data_first = false) {
    top.s_axil_awaddr = addr;
    top.s_axil_wdata = data;
    top.s_axil_wstrb = strobe;
    top.s_axil_awvalid = !data_first;
    top.s_axil_wvalid = data_first || rnd(2);
    bool both = top.s_axil_awvalid && top.s_axil_wvalid;
    clock();
    if (!both) {
      top.s_axil_awvalid = !top.s_axil_awvalid;
      top.s_axil_wvalid = !top.s_axil_wvalid;
      clock();
    }
    top.s_axil_awvalid = top.s_axil_wvalid = 0;
    if (top.s_axil_bvalid) fail("bvalid before the write");
    clock();
    if (!top.s_axil_bvalid) fail("bvalid is late");
    bool ok = top.s_axil_bresp == 0;
    top.s_axil_bready = 1;
    clock();
    top.s_axil_bready = 0;
    if (top.s_axil_bvalid) fail("bvalid stays");
    return ok;
  }
};

// One request and what must come back.
struct Case {
  Packet packet;
  uint32_t opcode, tag, early, status, bytes_in, bytes_out;
  uint64_t cycles;
  Packet payload;
};

void send_words(Packet& p, const std::vector<uint32_t>& w) {
  for (size_t i = 0; i < w.size(); i += kWords) {
    Flit f{{}, false};
    for (int k = 0; k < kWords && i + k < w.size(); k++) f.data[k] = w[i + k];
    p.push_back(f);
  }
}

enum { kOK, kMagic, kOpcode, kUnsupported, kOption, kGeometry, kTruncated, kOverlong };

// An ECHO of n bytes; cut: TLAST after that many payload beats (-1: where it belongs),
// more: beats beyond its end.
Case echo(uint32_t n, int cut = -1, int more = 0) {
  Case c{};
  c.opcode = 1;
  c.tag = rnd(65536);
  std::vector<uint32_t> head{0x4B01 | c.tag << 16, 0, n, 0, 0, 0, 0, 0};
  send_words(c.packet, head);
  int beats = int((n + kBytes - 1) / kBytes);
  int sent = cut >= 0 ? cut : beats + more;
  for (int i = 0; i < std::max(sent, beats); i++) {
    Flit f{{}, false};
    if (i < sent) for (auto& w : f.data) w = uint32_t(rng());
    if (i < sent) c.packet.push_back(f);
    if (i < beats) c.payload.push_back(f);
  }
  c.packet.back().last = true;
  // What does not fill the last beat comes back as zero.
  for (uint32_t b = n; b % kBytes; b++)
    c.payload.back().data[b % kBytes / 4] &= ~(0xFFu << 8 * (b % 4));
  c.status = sent < beats ? kTruncated : sent > beats ? kOverlong : kOK;
  bool refused = (beats > 0 && sent == 0) || (beats == 0 && sent > 0);
  if (refused) {
    c.early = c.status;
    c.payload.clear();
    c.cycles = kHead - 1 + 2 * kHead + 6;
  } else {
    c.bytes_in = uint32_t(std::min(sent, beats)) * kBytes;
    c.bytes_out = n;
    // Dispatch at HB + 1; the header goes out in the HB cycles after; the first beat of a
    // payload is there 3 cycles after the dispatch; then the trailer.
    uint64_t x = kHead + 1;
    uint64_t body = beats == 0 ? x + kHead + 1 : std::max<uint64_t>(x + kHead + 1, x + 3);
    c.cycles = body + std::max(beats, 1) + kHead + 2;
  }
  return c;
}

// A packet that fails a check in its header. dropped: beats behind the header.
Case refused(std::vector<uint32_t> head, uint32_t status, int dropped, int header_beats = kHead) {
  Case c{};
  uint32_t tag = rnd(65536);
  head[0] |= tag << 16;
  send_words(c.packet, head);
  c.packet.resize(header_beats);
  c.opcode = head[0] & 255;
  c.tag = tag;
  if (header_beats < kHead) c.status = kTruncated;
  else {
    for (int i = 0; i < dropped; i++) {
      Flit f{{}, false};
      for (auto& w : f.data) w = uint32_t(rng());
      c.packet.push_back(f);
    }
    c.status = status;
  }
  c.early = c.status;
  c.packet.back().last = true;
  c.cycles = header_beats - 1 + 2 * kHead + 6;
  return c;
}

Case any() {
  uint32_t n = rnd(4) ? rnd(200) : rnd(3) * kBytes * (1 + rnd(3));
  int beats = int((n + kBytes - 1) / kBytes), dropped = int(rnd(12));
  switch (rnd(14)) {
    case 0: return echo(n, beats ? int(rnd(beats)) : -1);
    case 1: return echo(n, -1, 1 + int(rnd(8)));
    case 2: return refused({0x4B01u ^ 1u << (8 + rnd(8)), 0, n, 0, 0, 0, 0, 0}, kMagic, dropped);
    case 3: return refused({0x4B00u | (rnd(2) ? 0 : 5 + rnd(250)), 0, n, 0, 0, 0, 0, 0}, kOpcode, dropped);
    case 4: {
      std::vector<uint32_t> head{0x4B01, 0, n, 0, 0, 0, 0, 0};
      head[std::array{1, 3, 4, 5, 6, 7}[rnd(6)]] = 1u << rnd(32);
      return refused(head, kOption, dropped);
    }
    case 5: return refused({0x4B01, 0, 0x100001u + rnd(1u << 30), 0, 0, 0, 0, 0}, kGeometry, dropped);
    case 6:
      if (kHead > 1) return refused({0x4B01, 0, n, 0, 0, 0, 0, 0}, 0, 0, 1 + int(rnd(kHead - 1)));
      return refused({0x4B01, 0, 0, 0, 0, 0, 0, 0}, kOverlong, 1 + dropped);
    case 7: {  // a build without the units refuses them; one with them the bits
      uint32_t op = 2 + rnd(3), unsupported = !(FEATURES >> (op - 1) & 1);
      return refused({0x4B00u | op, 1u << 31, n, 0, 0, 0, 0, 1}, unsupported ? kUnsupported : kOption, dropped);
    }
    case 8: return echo(0);
    default: return echo(n);
  }
}

uint32_t field(const Packet& p, size_t beat0, int w) { return p[beat0 + w / kWords].data[w % kWords]; }

// Compares a response; alone: the command was sent when nothing else was under way.
void check(const Packet& r, const Case& c, bool alone) {
  size_t body = (c.bytes_out + kBytes - 1) / kBytes, t = r.size() - kHead;
  expect("beats of the response", r.size(), 2 * kHead + body);
  expect("header word 0", field(r, 0, 0), c.tag << 16 | 0x52u << 8 | c.opcode);
  expect("header status", field(r, 0, 1), c.early);
  for (int w = 2; w < 8; w++) expect("header word", field(r, 0, w), 0);
  for (size_t i = 0; i < body; i++)
    if (r[kHead + i].data != c.payload[i].data) fail("payload beat", i);
  expect("trailer word 0", field(r, t, 0), c.tag << 16 | 0x54u << 8 | c.opcode);
  expect("trailer status", field(r, t, 1), c.status);
  expect("BytesIn", field(r, t, 2), c.bytes_in);
  expect("BytesOut", field(r, t, 3), c.bytes_out);
  if (alone) expect("Cycles", field(r, t, 4), c.cycles);
  expect("trailer word 7", field(r, t, 7), 0);
}

void send(Sim& s, const Case& c) { s.in.insert(s.in.end(), c.packet.begin(), c.packet.end()); }

void settle(Sim& s, size_t packets) {
  for (int i = 0; s.out.size() < packets || !s.in.empty(); i++) {
    if (i > 4000000) fail("no answer", s.out.size(), packets);
    s.clock();
  }
  for (int i = 0; i < 4; i++) s.clock();
}

void registers(Sim& s) {
  s.reset();
  const uint32_t ro[][2] = {{0x00, 0x4B564143}, {0x04, 1}, {0x08, SPEC_ID}, {0x0C, 0x1234ABCD}, {0x10, FEATURES},
                            {0x14, LANES}, {0x18, 64}, {0x1C, 32}, {0x20, 256}, {0x40, 0}, {0x44, 0}};
  for (auto& r : ro) expect("constant register", s.read(r[0]), r[1]);
  for (uint32_t a = 0; a < 0x1000; a++) {
    bool mapped = a % 4 == 0 && (a <= 0x20 || (a >= 0x40 && a <= 0x54) || (a >= 0x80 && a <= 0xA8));
    bool writable = a == 0x40 || a == 0x48 || a == 0x4C || a == 0x50 || a == 0x54;
    uint64_t v = s.read(a);
    if (mapped == (v >> 32 != 0)) fail("read answer of address", a);
    if (!mapped) expect("data of a bad read", uint32_t(v), 0);
    if (s.write(a, 0, 15, rnd(2)) != writable) fail("write answer of address", a);
    if (s.write(a, ~0u, int(rnd(15)))) fail("partial strobe accepted at", a);
  }
  s.write(0x54, 0xDEADBEEF);
  expect("SCRATCH", s.read(0x54), 0xDEADBEEF);
  expect("IRQ_ENABLE", s.read(0x50), 0);
  // Sticky errors, interrupt, W1C, clear.
  send(s, echo(100, 2));
  settle(s, 1);
  s.out.clear();
  expect("ERRORS", s.read(0x48), 1u << kTruncated);
  expect("IRQ_STATUS", s.read(0x4C), 3);
  expect("irq disabled", s.top.irq_o, 0);
  s.write(0x50, 2);
  expect("irq enabled", s.top.irq_o, 1);
  s.write(0x4C, 2);
  expect("irq after W1C", s.top.irq_o, 0);
  expect("IRQ_STATUS after W1C", s.read(0x4C), 1);
  s.write(0x48, 1u << kTruncated);
  expect("ERRORS after W1C", s.read(0x48), 0);
  expect("BEATS_IN", s.read(0x90), s.beats_in);
  expect("BEATS_OUT", s.read(0x94), s.beats_out);
  expect("PACKETS", s.read(0x98), s.packets);
  uint64_t c0 = s.read(0x80), c1 = s.read(0x80);
  expect("CYCLES between reads", c1 - c0, 3);
  s.write(0x40, 2);
  expect("IRQ_STATUS after clear", s.read(0x4C), 0);
  for (uint32_t a = 0x84; a <= 0xA8; a += 4) expect("counter after clear", s.read(a), 0);
  if (s.read(0x80) > 60) fail("CYCLES after clear");
}

// Commands one at a time on a stuttering link: the same Cycles as on a perfect one.
void alone(Sim& s, int rounds) {
  s.reset();
  for (int i = 0; i < rounds; i++) {
    s.valid_pct = i % 3 ? 100 : 1 + int(rnd(100));
    s.ready_pct = i % 5 ? 100 : 1 + int(rnd(100));
    uint64_t in0 = s.read(0x88), out0 = s.read(0x8C);
    Case c = any();
    send(s, c);
    settle(s, 1);
    const Packet& r = s.out.front();
    check(r, c, true);
    uint64_t in1 = s.read(0x88), out1 = s.read(0x8C);
    expect("StallIn", field(r, r.size() - kHead, 5), in1 - in0);
    if (field(r, r.size() - kHead, 6) > out1 - out0) fail("StallOut beyond STALL_OUT");
    if (s.ready_pct == 100) expect("StallOut of a ready sink", field(r, r.size() - kHead, 6), 0);
    if (s.valid_pct == 100 && s.ready_pct == 100) expect("StallIn of a full source", field(r, r.size() - kHead, 5), 0);
    s.out.clear();
    expect("STATUS at rest", s.read(0x44), 0);
  }
}

// Commands back to back.
void stream(Sim& s, int rounds) {
  s.reset();
  for (int i = 0; i < rounds; i++) {
    s.valid_pct = rnd(3) ? 100 : 1 + int(rnd(100));
    s.ready_pct = rnd(3) ? 100 : 1 + int(rnd(100));
    std::vector<Case> cases;
    for (uint32_t k = 1 + rnd(20); k > 0; k--) cases.push_back(rnd(4) ? echo(rnd(64)) : any());
    for (auto& c : cases) send(s, c);
    settle(s, cases.size());
    for (auto& c : cases) {
      check(s.out.front(), c, false);
      s.out.pop_front();
    }
  }
  expect("BEATS_IN", s.read(0x90), s.beats_in);
  expect("BEATS_OUT", s.read(0x94), s.beats_out);
  expect("PACKETS", s.read(0x98), s.packets);
}

// Soft resets in the midst: both streams stay legal, and afterwards all is as new.
void soft_resets(Sim& s, int rounds) {
  s.reset();
  int aborts = 0;
  for (int i = 0; i < rounds; i++) {
    s.valid_pct = rnd(3) ? 100 : 1 + int(rnd(100));
    s.ready_pct = rnd(3) ? 100 : 1 + int(rnd(60));
    std::vector<Case> cases;
    for (int k = 0; k < 6; k++) cases.push_back(any());
    for (auto& c : cases) send(s, c);
    for (uint32_t k = rnd(200); k > 0; k--) s.clock();
    s.write(0x40, 1);
    // The source ends the packet it has begun and gives up the rest.
    size_t keep = 0;
    if (s.offering || s.mid) {
      while (!s.in[keep].last) keep++;
      keep++;
    }
    s.in.resize(keep);
    // A packet of which a beat was on the pins, not taken, comes after the reset: it is answered.
    for (int k = 0; !s.in.empty() || s.read(0x44); k++) {
      if (k > 20000) fail("soft reset does not end");
      s.clock();
    }
    for (int k = 0; k < 4; k++) s.clock();
    if (s.read(0x44)) fail("not at rest after a soft reset");
    if (!s.part.empty()) fail("the packet cut short has no end");
    for (auto& p : s.out)
      if (p.back().data[0] == 0x4100) aborts++;
    s.out.clear();
    Case c = echo(1 + rnd(300));
    send(s, c);
    settle(s, 1);
    check(s.out.front(), c, true);
    s.out.clear();
  }
  if (aborts == 0) fail("no response was cut short");
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = argc > 1 ? std::atoi(argv[1]) : 1000;
  uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  Verilated::randSeed(int(seed));
  Verilated::randReset(2);
  rng.seed(seed);
  static Sim s;
  registers(s);
  s.valid_pct = s.ready_pct = 100;
  alone(s, rounds);
  stream(s, rounds / 4 + 1);
  soft_resets(s, rounds);
  std::printf("ok lanes %d: %d rounds, %llu packets, %llu clocks\n", LANES, rounds, (unsigned long long)s.packets,
              (unsigned long long)s.clocks);
}
