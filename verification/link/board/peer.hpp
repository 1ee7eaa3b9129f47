// The far sides of a board's physical links, pin by pin: what a UART or FTDI chip does, and what the
// rules of its bus forbid a board to do.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>

#include "Vboard.h"

namespace kv {

// Bytes on their way: from the host to the pins, and back.
struct Pipe {
  std::deque<uint8_t> toBoard, fromBoard;
  bool full() const { return fromBoard.size() >= 4096; }
};

using Random = std::mt19937_64;

inline bool chance(Random& r, unsigned percent) { return r() % 100 < percent; }

[[noreturn]] inline void broken(const char* rule) {
  std::fprintf(stderr, "kv_board: the board breaks a rule of the bus: %s\n", rule);
  std::exit(3);
}

// A peer drives input pins before an edge of its clock and looks at the outputs at that edge.
class Peer {
 public:
  Peer(Vboard& top, Pipe& pipe, Random& random, unsigned stall) : top_(top), pipe_(pipe), random_(random), stall_(stall) {}
  virtual ~Peer() = default;
  virtual void drive() = 0;   // after the clock's last edge: new values for the inputs
  virtual void sample() = 0;  // just before the edge: all pins are settled
  virtual bool busy() const { return !pipe_.toBoard.empty(); }

 protected:
  Vboard& top_;
  Pipe& pipe_;
  Random& random_;
  unsigned stall_;  // percent
};

// No pins: a byte port in the engine's clock.
class BytePeer : public Peer {
 public:
  using Peer::Peer;
  void drive() override {
    top_.byte_rx_valid_i = !pipe_.toBoard.empty() && !chance(random_, stall_);
    top_.byte_rx_data_i = top_.byte_rx_valid_i ? pipe_.toBoard.front() : uint8_t(random_());
    top_.byte_tx_ready_i = !pipe_.full() && !chance(random_, stall_);
  }
  void sample() override {
    if (top_.byte_rx_valid_i) pipe_.toBoard.pop_front();
    if (!top_.rst_i && top_.byte_tx_valid_o && top_.byte_tx_ready_i) pipe_.fromBoard.push_back(top_.byte_tx_data_o);
  }
};

// A UART whose own clock is off by `skew` (0.01: 1 % fast), 8N1. Idle gaps between bytes are random.
class UartPeer : public Peer {
 public:
  UartPeer(Vboard& top, Pipe& pipe, Random& random, unsigned stall, double cyclesPerBit, double skew)
      : Peer(top, pipe, random, stall), bit_(cyclesPerBit / (1 + skew)) {}

  void drive() override {
    // Sending: the level of the pin in the cycle that starts now.
    if (sendAt_ < 0 && !pipe_.toBoard.empty()) {
      sendAt_ = now_ + (chance(random_, stall_) ? double(random_() % 1000) / 100 * bit_ : double(random_() % 100) / 100);
      word_ = 0x200u | unsigned(pipe_.toBoard.front()) << 1;
      pipe_.toBoard.pop_front();
    }
    int level = 1;
    if (sendAt_ >= 0 && now_ >= sendAt_) {
      int n = int((now_ - sendAt_) / bit_);
      if (n >= 10) {
        sendAt_ = -1;
      } else {
        level = word_ >> n & 1;
      }
    }
    top_.uart_rx_i = level;
  }

  void sample() override {
    now_ += 1;
    int level = top_.uart_tx_o;
    if (takeAt_ < 0) {
      if (!level && last_) {
        takeAt_ = now_ - 1 + bit_ / 2;  // the edge was at the beginning of this cycle
        got_ = 0;
        count_ = 0;
      }
    } else if (now_ >= takeAt_) {
      takeAt_ += bit_;
      got_ |= unsigned(level) << count_;
      if (count_ == 0 && level) broken("UART: a start bit shorter than half a bit");
      if (++count_ == 10) {
        if (!level) broken("UART: no stop bit");
        pipe_.fromBoard.push_back(uint8_t(got_ >> 1));
        takeAt_ = -1;
      }
    }
    last_ = level;
  }
  bool busy() const override { return Peer::busy() || sendAt_ >= 0 || takeAt_ >= 0; }

 private:
  double bit_, now_ = 0, sendAt_ = -1, takeAt_ = -1;
  unsigned word_ = 0, got_ = 0;
  int count_ = 0, last_ = 1;
};

// FT232H in FT245 synchronous mode (1 byte), FT600 (2), FT601 (4), in the chip's clock.
class FtPeer : public Peer {
 public:
  FtPeer(Vboard& top, Pipe& pipe, Random& random, unsigned stall, unsigned bytes)
      : Peer(top, pipe, random, stall), bytes_(bytes) {
    top_.ft_rxf_n_i = top_.ft_txe_n_i = 1;
  }

  void drive() override {
    // The word at the head, with 1 to all of its bytes; the chip keeps showing it until it is read.
    if (count_ == 0 && !pipe_.toBoard.empty() && !chance(random_, stall_)) {
      unsigned most = unsigned(std::min<size_t>(bytes_, pipe_.toBoard.size()));
      count_ = chance(random_, stall_) ? 1 + unsigned(random_() % most) : most;
      data_ = 0;
      for (unsigned i = 0; i < count_; i++) {
        data_ |= uint32_t(pipe_.toBoard.front()) << 8 * i;
        pipe_.toBoard.pop_front();
      }
    }
    top_.ft_rxf_n_i = count_ == 0;
    top_.ft_txe_n_i = pipe_.full() || chance(random_, stall_);
    bool drives = !top_.ft_oe_n_o && count_ != 0;
    uint32_t enables = (1u << count_) - 1;
    // Bytes that are not enabled, and pins that nobody drives, have any level.
    uint32_t noise = uint32_t(random_());
    uint32_t mask = count_ == 4 ? ~0u : (1u << 8 * count_) - 1;
    top_.ft_data_i = (drives ? (data_ & mask) | (noise & ~mask) : noise) & width();
    top_.ft_be_i = drives || bytes_ == 1 ? (bytes_ == 1 ? 1 : enables) : uint32_t(random_()) & ((1u << bytes_) - 1);
  }

  void sample() override {
    if (top_.ft_oe_o && !top_.ft_oe_n_o) broken("FTDI: both sides drive the pins");
    if (!top_.ft_rd_n_o && top_.ft_oe_n_o) broken("FTDI: rd_n without oe_n");
    if (!top_.ft_rd_n_o && lastOeN_) broken("FTDI: rd_n in the cycle of oe_n, want one later");
    if (!top_.ft_rd_n_o && !top_.ft_wr_n_o) broken("FTDI: reads and writes at once");
    if (!top_.ft_wr_n_o && !top_.ft_oe_o) broken("FTDI: wr_n with the pins not driven");
    if (!top_.ft_rd_n_o && !top_.ft_rxf_n_i) count_ = 0;
    if (!top_.ft_wr_n_o && !top_.ft_txe_n_i) {
      uint32_t be = bytes_ == 1 ? 1 : top_.ft_be_o;
      if (be == 0 || (be & (be + 1)) != 0) broken("FTDI: byte enables of a write are not 1, 3, 7 or 15");
      for (unsigned i = 0; i < bytes_; i++)
        if (be >> i & 1) pipe_.fromBoard.push_back(uint8_t(uint32_t(top_.ft_data_o) >> 8 * i));
      unflushed_ = true;
    }
    if (!top_.ft_siwu_n_o) unflushed_ = false;
    lastOeN_ = top_.ft_oe_n_o;
  }
  bool busy() const override { return Peer::busy() || count_ != 0 || unflushed_; }

 private:
  uint32_t width() const { return bytes_ == 4 ? ~0u : (1u << 8 * bytes_) - 1; }
  unsigned bytes_, count_ = 0;
  uint32_t data_ = 0;
  bool lastOeN_ = true, unflushed_ = false;
};

}  // namespace kv
