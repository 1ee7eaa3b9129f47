// Model is the Verilated engine with its clock.

#pragma once

#include <cstring>
#include <memory>
#include <string>

#include "Vkv.h"
#include "verilated.h"
#include "wire.hpp"
#if VM_TRACE
#include "verilated_fst_c.h"
#endif
#if VM_COVERAGE
#include <unistd.h>

#include <cstdlib>

#include "verilated_cov.h"
#endif

namespace kv {

struct Options {
  int seed = 1;           // of the values that registers start with
  std::string trace;      // waveform file; none if empty
  uint64_t traceFrom = 0; // first clock in it
};

class Model {
 public:
  explicit Model(const Options& o) : traceFrom_(o.traceFrom) {
    // What no reset sets starts with a random but repeatable value, so that a
    // register that ought to be reset and is not shows up as a difference.
    context_.randReset(2);
    context_.randSeed(o.seed);
    context_.traceEverOn(!o.trace.empty());
    top_ = std::make_unique<Vkv>(&context_, "kv");
    top_->clk_i = 0;
#if VM_TRACE
    if (!o.trace.empty()) {
      wave_ = std::make_unique<VerilatedFstC>();
      top_->trace(wave_.get(), 99);
      wave_->open(o.trace.c_str());
    }
#endif
  }

  ~Model() {
#if VM_TRACE
    if (wave_) wave_->close();
#endif
    top_->final();
#if VM_COVERAGE
    // A build with coverage leaves its counts in this directory, one file a process.
    if (const char* dir = std::getenv("KVACCEL_COVERAGE"))
      context_.coveragep()->write((std::string(dir) + "/" + std::to_string(getpid()) + ".dat").c_str());
#endif
  }

  Vkv* operator->() { return top_.get(); }

  // Inputs and outputs are settled after settle() and until edge().
  void settle() {
    top_->clk_i = 0;
    top_->eval();
    dump(0);
  }

  void edge() {
    top_->clk_i = 1;
    top_->eval();
    dump(5);
    clocks_++;
  }

  void apply(const PinsIn& in) {
    Vkv& t = *top_;
    std::memcpy(t.s_tdata_i.data(), in.data, sizeof in.data);
    t.wdata_i = in.wdata;
    t.awaddr_i = in.awaddr & 0xFFF;
    t.araddr_i = in.araddr & 0xFFF;
    t.wstrb_i = in.flags >> 12;
    t.rst_i = in.flags & 1;
    t.s_tvalid_i = in.flags >> 1 & 1;
    t.s_tlast_i = in.flags >> 2 & 1;
    t.m_tready_i = in.flags >> 3 & 1;
    t.awvalid_i = in.flags >> 4 & 1;
    t.wvalid_i = in.flags >> 5 & 1;
    t.bready_i = in.flags >> 6 & 1;
    t.arvalid_i = in.flags >> 7 & 1;
    t.rready_i = in.flags >> 8 & 1;
  }

  void sample(PinsOut& out) {
    Vkv& t = *top_;
    std::memcpy(out.data, t.m_tdata_o.data(), sizeof out.data);
    out.rdata = t.rdata_o;
    std::memcpy(out.taps, t.tap_o.data(), sizeof out.taps);
    out.flags = static_cast<uint16_t>(t.s_tready_o | t.m_tvalid_o << 1 | t.m_tlast_o << 2 | t.awready_o << 3 |
                                      t.wready_o << 4 | t.bvalid_o << 5 | t.arready_o << 6 | t.rvalid_o << 7 |
                                      t.irq_o << 8 | t.bresp_o << 12 | t.rresp_o << 14);
    out.zero = 0;
  }

 private:
  void dump(unsigned phase) {
#if VM_TRACE
    if (wave_ && clocks_ >= traceFrom_) wave_->dump(10 * clocks_ + phase);
#else
    (void)phase;
#endif
  }

  VerilatedContext context_;
  std::unique_ptr<Vkv> top_;
#if VM_TRACE
  std::unique_ptr<VerilatedFstC> wave_;
#endif
  uint64_t traceFrom_, clocks_ = 0;
};

}  // namespace kv
