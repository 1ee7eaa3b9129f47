// kv_rtl: the Verilated engine as a process. wire.hpp has the protocol.
//
//   kv_rtl [--seed=N] [--trace=FILE [--trace-from=CLOCK]]
//
// The engine's parameters are those it was built with (scripts/build-rtl.sh).

#include <cerrno>
#include <cstdio>

#include "link.hpp"

namespace kv {
namespace {

constexpr uint32_t kMaxReplay = 1 << 16;  // clocks in one 'p' request

class Server {
 public:
  Server(Model& m, Port& port)
      : m_(m), port_(port), link_(m, 2 * KV_LANES) {}

  void hello() {
    Bytes b;
    for (uint32_t v : {kVersion, uint32_t(KV_LANES), uint32_t(KV_MAX_DIM), uint32_t(KV_TILE_TOKENS), uint32_t(KV_MAX_TOKENS),
                       uint32_t(KV_FEATURES), uint32_t(KV_BUILD_HASH), uint32_t(VM_TRACE)})
      put32(b, v);
    port_.send('H', b);
  }

  int serve() {
    uint8_t kind;
    Bytes body, answer;
    while (port_.receive(kind, body)) {
      answer.clear();
      if (const char* why = handle(kind, body, answer)) {
        port_.send('E', Bytes(why, why + std::strlen(why)));
        return 2;
      }
      port_.send(kind, answer);
    }
    return 0;
  }

 private:
  // Returns what is wrong with the request, or null.
  const char* handle(uint8_t kind, Bytes& body, Bytes& answer) {
    size_t n = body.size();
    switch (kind) {
      case 'R':
        link_.reset();
        return nullptr;
      case 'S':
        if (n == 0 || n % (2 * KV_LANES) != 0) return "packet is not a whole number of beats";
        link_.send(std::move(body));
        return nullptr;
      case 'V':
        if (n != 4) return "receive wants 4 bytes";
        answer.push_back(0);
        answer[0] = link_.receive(get32(body.data()), answer);
        return nullptr;
      case 'r': {
        if (n != 4) return "read wants 4 bytes";
        uint32_t v = 0;
        answer.push_back(link_.read(get32(body.data()), v));
        put32(answer, v);
        return nullptr;
      }
      case 'w':
        if (n != 9) return "write wants 9 bytes";
        answer.push_back(link_.write(get32(body.data()), get32(body.data() + 4)));
        if (answer[0] == 0 && body[8] == 1) link_.dropAll();
        return nullptr;
      case 'q':
        if (n != 12) return "quiesce wants 12 bytes";
        answer.push_back(link_.quiesce(get32(body.data()), get32(body.data() + 4), get32(body.data() + 8)));
        return nullptr;
      case 'p':
        return replay(body, answer);
    }
    return "unknown request";
  }

  const char* replay(const Bytes& body, Bytes& answer) {
    size_t n = body.size() / sizeof(PinsIn);
    if (body.size() % sizeof(PinsIn) != 0 || n > kMaxReplay) return "pins want whole records, not too many";
    answer.resize(n * sizeof(PinsOut));
    for (size_t i = 0; i < n; i++) {
      PinsIn in;
      PinsOut out;
      std::memcpy(&in, body.data() + i * sizeof in, sizeof in);
      m_.apply(in);
      m_.settle();
      m_.sample(out);
      std::memcpy(answer.data() + i * sizeof out, &out, sizeof out);
      m_.edge();
    }
    return nullptr;
  }

  Model& m_;
  Port& port_;
  Link link_;
};

bool parse(int argc, char** argv, Options& o) {
  for (int i = 1; i < argc; i++) {
    const char* a = argv[i];
    if (std::strncmp(a, "--seed=", 7) == 0)
      o.seed = std::atoi(a + 7);
    else if (std::strncmp(a, "--trace=", 8) == 0)
      o.trace = a + 8;
    else if (std::strncmp(a, "--trace-from=", 13) == 0)
      o.traceFrom = std::strtoull(a + 13, nullptr, 10);
    else {
      std::fprintf(stderr, "kv_rtl: unknown option %s; want --seed=N, --trace=FILE or --trace-from=CLOCK\n", a);
      return false;
    }
  }
  if (!o.trace.empty() && !VM_TRACE) {
    std::fprintf(stderr, "kv_rtl: this build cannot trace; build one with make rtl-trace\n");
    return false;
  }
  return true;
}

}  // namespace
}  // namespace kv

int main(int argc, char** argv) {
  kv::Options options;
  if (!kv::parse(argc, argv, options)) return 2;
  // The simulation prints to stdout: keep that out of the protocol.
  int out = dup(STDOUT_FILENO);
  if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    std::perror("kv_rtl");
    return 1;
  }
  kv::Port port(STDIN_FILENO, out);
  kv::Model model(options);
  kv::Server server(model, port);
  server.hello();
  return server.serve();
}
