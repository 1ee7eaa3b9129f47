// kv_board: a Verilated board (engine, link and physical side) whose bytes are this process's standard input and
// output. What a host writes comes out of a chip model at the board's pins, and what the pins say goes to standard output.
//
//   kv_board [--seed=N] [--stall=PERCENT] [--skew=PERMILLE]
//
// --stall  how often the chip has nothing, or takes nothing, for a moment (10)
// --skew   how much faster the host's UART clock runs than the board's (5)
//
// The parameters are those it was built with (scripts/build-board.sh). Time passes only while there is something to do: after
// kIdle clocks without a byte the clock stops until the host says something. The program ends with 0 at the end of its input,
// with 3 when the board breaks a rule of its bus.

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "peer.hpp"
#include "verilated.h"

namespace kv {
namespace {

constexpr uint64_t kIdle = 1 << 18;
constexpr size_t kAhead = 1 << 16;  // bytes read ahead of the pins

struct Options {
  uint64_t seed = 1;
  unsigned stall = 10;
  double skew = 0.005;
};

class Board {
 public:
  Board(const Options& o) : random_(o.seed) {
    context_.randReset(2);
    context_.randSeed(int(o.seed & 0x7FFFFFFF) | 1);
    top_ = std::make_unique<Vboard>(&context_);
    if (KV_PHY == 0)
      peer_ = std::make_unique<BytePeer>(*top_, pipe_, random_, o.stall);
    else if (KV_PHY == 1)
      peer_ = std::make_unique<UartPeer>(*top_, pipe_, random_, o.stall, double(KV_CLOCK_HZ) / KV_BAUD, o.skew);
    else
      peer_ = std::make_unique<FtPeer>(*top_, pipe_, random_, o.stall, KV_PHY == 4 ? 4 : KV_PHY == 3 ? 2 : 1);
    top_->uart_rx_i = 1;
    top_->rst_i = 1;
    for (int i = 0; i < 16; i++) step();
    top_->rst_i = 0;
  }
  ~Board() { top_->final(); }

  Pipe& pipe() { return pipe_; }
  bool busy() const { return peer_->busy(); }

  // One edge of whichever clock comes next. The chip's clock is another one in FIFO modes; its period has no common measure
  // with the board's, so that edges meet in every phase.
  void step() {
    if (KV_PHY >= 2 && ftAt_ <= clkAt_) {
      ftAt_ += KV_PHY == 2 ? 16667 : 10007;
      peer_->drive();
      top_->eval();
      peer_->sample();
      top_->ft_clk_i = 1;
      top_->eval();
      top_->ft_clk_i = 0;
      top_->eval();
      return;
    }
    clkAt_ += 20000;
    if (KV_PHY < 2) {
      peer_->drive();
      top_->eval();
      peer_->sample();
    }
    top_->clk_i = 1;
    top_->eval();
    top_->clk_i = 0;
    top_->eval();
  }

 private:
  VerilatedContext context_;
  Random random_;
  Pipe pipe_;
  std::unique_ptr<Vboard> top_;
  std::unique_ptr<Peer> peer_;
  uint64_t clkAt_ = 0, ftAt_ = 0;
};

// Moves bytes between the descriptors and the pipe. False at the end of the input or when nobody reads any more.
bool exchange(Pipe& p, bool wait) {
  pollfd f[2] = {{STDIN_FILENO, 0, 0}, {STDOUT_FILENO, 0, 0}};
  if (p.toBoard.size() < kAhead) f[0].events = POLLIN;
  if (!p.fromBoard.empty()) f[1].events = POLLOUT;
  else f[1].fd = -1;
  if (poll(f, 2, wait ? -1 : 0) < 0) return errno == EINTR;
  uint8_t buffer[4096];
  if (f[0].revents & (POLLIN | POLLHUP | POLLERR)) {
    ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) return false;
    if (n > 0) p.toBoard.insert(p.toBoard.end(), buffer, buffer + n);
  }
  if (f[1].fd >= 0 && f[1].revents & (POLLERR | POLLHUP)) return false;
  if (f[1].fd >= 0 && f[1].revents & POLLOUT) {
    size_t n = std::min(p.fromBoard.size(), sizeof buffer);
    std::copy_n(p.fromBoard.begin(), n, buffer);
    ssize_t done = write(STDOUT_FILENO, buffer, n);
    if (done < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (done > 0) p.fromBoard.erase(p.fromBoard.begin(), p.fromBoard.begin() + done);
  }
  return true;
}

int serve(Board& board) {
  Pipe& p = board.pipe();
  uint64_t idle = 0;
  for (;;) {
    bool sleep = idle >= kIdle;
    if (!exchange(p, sleep)) return 0;
    if (sleep) idle = 0;
    size_t before = p.fromBoard.size();
    for (int i = 0; i < 256; i++) board.step();
    if (board.busy() || p.fromBoard.size() != before || !p.fromBoard.empty())
      idle = 0;
    else
      idle += 256;
  }
}

bool parse(int argc, char** argv, Options& o) {
  for (int i = 1; i < argc; i++) {
    const char* a = argv[i];
    if (std::strncmp(a, "--seed=", 7) == 0)
      o.seed = std::strtoull(a + 7, nullptr, 10);
    else if (std::strncmp(a, "--stall=", 8) == 0 && std::atoi(a + 8) >= 0 && std::atoi(a + 8) < 100)
      o.stall = unsigned(std::atoi(a + 8));
    else if (std::strncmp(a, "--skew=", 7) == 0)
      o.skew = std::atof(a + 7) / 1000;
    else {
      std::fprintf(stderr, "kv_board: unknown option %s; want --seed=N, --stall=PERCENT (0 to 99) or --skew=PERMILLE\n", a);
      return false;
    }
  }
  return true;
}

}  // namespace
}  // namespace kv

int main(int argc, char** argv) {
  kv::Options options;
  if (!kv::parse(argc, argv, options)) return 2;
  kv::Board board(options);
  return kv::serve(board);
}
