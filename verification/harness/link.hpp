// Link is the ideal link of a simulated device: queued request beats are always
// offered, response beats always taken, register accesses answered as soon as the
// engine can. Clocks pass only inside its calls, so that cycle counts depend on the
// calls alone; the emulator's device follows the same rule.

#pragma once

#include <deque>

#include "model.hpp"

namespace kv {

class Link {
 public:
  enum State : uint8_t { kMore = 0, kDone = 1, kStuck = 2 };

  Link(Model& m, size_t beatBytes) : m_(m), beat_(beatBytes) {}

  void reset() {
    requests_.clear();
    responses_.clear();
    partial_.clear();
    at_ = 0;
    PinsIn in{};
    in.flags = 1;
    m_.apply(in);
    for (int i = 0; i < 2; i++) {
      m_.settle();
      m_.edge();
    }
    m_->rst_i = 0;
    quiet_ = 0;
  }

  void send(Bytes packet) { requests_.push_back(std::move(packet)); }

  State receive(uint32_t clocks, Bytes& out) {
    for (; responses_.empty(); clocks--) {
      if (clocks == 0) return kMore;
      clock();
      if (quiet_ >= kWatchdog) {
        quiet_ = 0;
        return kStuck;
      }
    }
    out.insert(out.end(), responses_.front().begin(), responses_.front().end());
    responses_.pop_front();
    quiet_ = 0;
    return kDone;
  }

  uint8_t read(uint32_t addr, uint32_t& data) {
    m_->araddr_i = addr & 0xFFF;
    m_->arvalid_i = 1;
    m_->rready_i = 1;
    for (int i = 0; i < kPatience; i++) {
      settle();
      bool taken = m_->arvalid_i && m_->arready_o, given = m_->rvalid_o;
      uint8_t resp = m_->rresp_o;
      data = m_->rdata_o;
      edge();
      if (taken) m_->arvalid_i = 0;
      if (given) {
        m_->rready_i = 0;
        return resp;
      }
    }
    return kNoAnswer;
  }

  uint8_t write(uint32_t addr, uint32_t data) {
    m_->awaddr_i = addr & 0xFFF;
    m_->wdata_i = data;
    m_->wstrb_i = 0xF;
    m_->awvalid_i = m_->wvalid_i = m_->bready_i = 1;
    for (int i = 0; i < kPatience; i++) {
      settle();
      bool aw = m_->awvalid_i && m_->awready_o, w = m_->wvalid_i && m_->wready_o, given = m_->bvalid_o;
      uint8_t resp = m_->bresp_o;
      edge();
      if (aw) m_->awvalid_i = 0;
      if (w) m_->wvalid_i = 0;
      if (given) {
        m_->bready_i = 0;
        return resp;
      }
    }
    return kNoAnswer;
  }

  // A packet of which a beat was taken must still reach its TLAST; the others go.
  void dropAll() {
    if (at_ > 0)
      requests_.erase(requests_.begin() + 1, requests_.end());
    else
      requests_.clear();
    responses_.clear();
    partial_.clear();
  }

  // Reads a register until the bits of mask are clear, and drops what is received.
  State quiesce(uint32_t addr, uint32_t mask, uint32_t clocks) {
    for (uint32_t used = 0; used < clocks; used += 3) {
      uint32_t v = 0;
      if (read(addr, v) != 0) return kStuck;
      responses_.clear();
      if ((v & mask) == 0) {
        partial_.clear();
        return kDone;
      }
    }
    return kMore;
  }

 private:
  static constexpr int kPatience = 1024;  // clocks; a register access takes 3
  static constexpr uint64_t kWatchdog = 1u << 28;

  void clock() {
    settle();
    edge();
  }

  void settle() {
    bool valid = !requests_.empty();
    m_->s_tvalid_i = valid;
    m_->m_tready_i = 1;
    if (valid) {
      const Bytes& p = requests_.front();
      std::memcpy(m_->s_tdata_i.data(), p.data() + at_, beat_);
      m_->s_tlast_i = at_ + beat_ == p.size();
    }
    m_.settle();
  }

  void edge() {
    bool taken = m_->s_tvalid_i && m_->s_tready_o, given = m_->m_tvalid_o, last = m_->m_tlast_o;
    if (given) {
      const auto* d = reinterpret_cast<const uint8_t*>(m_->m_tdata_o.data());
      partial_.insert(partial_.end(), d, d + beat_);
    }
    m_.edge();
    quiet_ = taken || given ? 0 : quiet_ + 1;
    if (taken) {
      at_ += beat_;
      if (at_ == requests_.front().size()) {
        requests_.pop_front();
        at_ = 0;
      }
    }
    if (given && last) {
      responses_.push_back(std::move(partial_));
      partial_.clear();
    }
  }

  Model& m_;
  const size_t beat_;
  std::deque<Bytes> requests_, responses_;
  size_t at_ = 0;  // bytes of the first request already taken
  Bytes partial_;
  uint64_t quiet_ = 0;  // clocks since the last stream handshake
};

}  // namespace kv
