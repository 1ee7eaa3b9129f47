// The protocol between the simulation and its parent process, version 1.
//
// The child reads requests from stdin and writes answers to stdout, one answer
// per request, in order; before the first request it writes the hello. Whatever
// the simulation prints goes to stderr. The child ends when stdin does.
//
// A frame is: u32 length of the body, u8 kind, body. Numbers are little-endian.
//
//   kind  request body          answer body (same kind)
//   'H'   (the hello)           8 x u32: version, Lanes, MaxDim, TileTokens,
//                               MaxTokens, Features, BuildHash, 1 if it can trace
//   'R'   -                     -            2 clocks of rst_i; the link forgets all
//   'S'   whole beats           -            queues a request packet
//   'V'   u32 clocks            u8 state, and a response packet if state is 1:
//                               0 none after that many clocks, ask again;
//                               2 no stream handshake for 2^28 clocks
//   'r'   u32 address           u8 response, u32 data
//   'w'   u32 address, u32 data, u8 response
//         u8 soft               if soft is 1 and the response OKAY, the link forgets
//                               everything but the rest of a packet already begun
//   'q'   u32 address, u32 mask, u8 state: 1 as soon as (register AND mask) is 0, or 0
//         u32 clocks            after that many clocks: ask again. Responses that
//                               come meanwhile are dropped: this ends a soft reset
//   'p'   n PinsIn records      n PinsOut records: pins replayed clock by clock
//   'E'   -                     text: the request was malformed; the child then ends
//
// The response byte of 'r' and 'w' is RRESP or BRESP, or 0xFF when the engine did
// not answer. driver/rtl/simulation is the parent's side.

#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace kv {

constexpr uint32_t kVersion = 1;
constexpr uint8_t kNoAnswer = 0xFF;

// One clock's inputs; flags bit 0 up: rst_i, s tvalid, s tlast, m tready, awvalid,
// wvalid, bready, arvalid, rready; bits 15:12 wstrb.
struct PinsIn {
  uint32_t data[8];
  uint32_t wdata;
  uint16_t awaddr, araddr;
  uint16_t flags, zero;
};
static_assert(sizeof(PinsIn) == 44, "record layout");

// The outputs and taps before that clock's edge, with those inputs applied; flags
// bit 0 up: s tready, m tvalid, m tlast, awready, wready, bvalid, arready, rvalid,
// irq; bits 13:12 bresp, 15:14 rresp.
struct PinsOut {
  uint32_t data[8];
  uint32_t rdata;
  uint32_t taps[16];
  uint16_t flags, zero;
};
static_assert(sizeof(PinsOut) == 104, "record layout");

using Bytes = std::vector<uint8_t>;

inline void put32(Bytes& b, uint32_t v) {
  for (int i = 0; i < 4; i++) b.push_back(static_cast<uint8_t>(v >> 8 * i));
}

inline uint32_t get32(const uint8_t* p) {
  return p[0] | p[1] << 8 | p[2] << 16 | static_cast<uint32_t>(p[3]) << 24;
}

// Port is the pair of byte streams. A parent that went away ends the child: there
// is nobody left to tell.
class Port {
 public:
  Port(int in, int out) : in_(in), out_(out) {}

  // False at the end of stdin between two frames.
  bool receive(uint8_t& kind, Bytes& body) {
    uint8_t head[5];
    if (!readAll(head, sizeof head)) return false;
    kind = head[4];
    body.resize(get32(head));
    return readAll(body.data(), body.size());
  }

  void send(uint8_t kind, const Bytes& body) {
    uint8_t head[5];
    for (int i = 0; i < 4; i++) head[i] = static_cast<uint8_t>(body.size() >> 8 * i);
    head[4] = kind;
    frame_.assign(head, head + 5);
    frame_.insert(frame_.end(), body.begin(), body.end());
    writeAll(frame_.data(), frame_.size());
  }

 private:
  bool readAll(uint8_t* p, size_t n) {
    while (n > 0) {
      ssize_t k = ::read(in_, p, n);
      if (k < 0 && errno == EINTR) continue;
      if (k <= 0) return false;
      p += k;
      n -= static_cast<size_t>(k);
    }
    return true;
  }

  void writeAll(const uint8_t* p, size_t n) {
    while (n > 0) {
      ssize_t k = ::write(out_, p, n);
      if (k < 0 && errno == EINTR) continue;
      if (k <= 0) std::exit(1);
      p += k;
      n -= static_cast<size_t>(k);
    }
  }

  int in_, out_;
  Bytes frame_;
};

}  // namespace kv
