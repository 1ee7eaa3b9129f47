// Package link runs the link in Verilog against the link in Go: Verilated boards
// (engine, link, UART or FTDI FIFO at pin level) as pipes of bytes, and what such
// a pipe may suffer on the way.
package link

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Build names one Verilated board. Zero values are those of scripts/build-board.sh.
type Build struct {
	Phy    string   // bytes, uart, ft245, ft600 or ft601
	Engine string   // "LANES MAX_DIM TILE_TOKENS MAX_TOKENS"
	More   []string // further variables of the script, "RX_SLOTS=2"
}

// root is the repository's root.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Make builds the board if it is not built yet, and returns the program's path.
func (b Build) Make() (string, error) {
	out, err := os.MkdirTemp("", "kvaccel-board-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(out)
	cmd := exec.Command(filepath.Join(root(), "scripts", "build-board.sh"), b.Phy)
	cmd.Env = append(os.Environ(), b.More...)
	if v := strings.Fields(b.Engine); len(v) == 4 {
		cmd.Env = append(cmd.Env, "LANES="+v[0], "MAX_DIM="+v[1], "TILE_TOKENS="+v[2], "MAX_TOKENS="+v[3])
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	path, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("board %+v does not build: %w\n%s", b, err, errs.Bytes())
	}
	return filepath.Join(root(), strings.TrimSpace(string(path))), nil
}

// Board is a running board: what is written to it comes to its pins, and back.
type Board struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	errs   bytes.Buffer
	once   sync.Once
	closed error
}

// Start runs a board.
func Start(path string, args ...string) (*Board, error) {
	b := &Board{cmd: exec.Command(path, args...)}
	b.cmd.Stderr = &b.errs
	b.cmd.WaitDelay = time.Second
	var err error
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if b.out, err = b.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return b, b.cmd.Start()
}

// Write sends bytes to the board's pins.
func (b *Board) Write(p []byte) (int, error) { return b.in.Write(p) }

// Read takes bytes that came from the board's pins.
func (b *Board) Read(p []byte) (int, error) { return b.out.Read(p) }

// Close ends the board. It fails if the board had broken a rule of its bus, or an
// assertion in the Verilog.
func (b *Board) Close() error {
	b.once.Do(func() {
		b.in.Close()
		b.out.Close()
		if err := b.cmd.Wait(); err != nil || b.errs.Len() > 0 {
			b.closed = fmt.Errorf("board: %v: %s", err, b.errs.Bytes())
		}
	})
	return b.closed
}

// Noise is a pipe that loses, changes, inserts and repeats bytes both ways, each
// with a chance of one in Every, and now and then loses or repeats a stretch.
type Noise struct {
	io.ReadWriteCloser
	in, out *hurt
}

// NewNoise puts noise on a pipe.
func NewNoise(p io.ReadWriteCloser, seed uint64, every int) *Noise {
	return &Noise{p, newHurt(seed, every), newHurt(seed+1, every)}
}

// Write sends the bytes, or what is left of them.
func (n *Noise) Write(p []byte) (int, error) {
	if _, err := n.ReadWriteCloser.Write(n.out.through(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Read gives what came, or what is left of it.
func (n *Noise) Read(p []byte) (int, error) {
	for len(n.in.over) == 0 {
		buf := make([]byte, 4096)
		m, err := n.ReadWriteCloser.Read(buf)
		if err != nil {
			return 0, err
		}
		n.in.over = n.in.through(buf[:m])
	}
	m := copy(p, n.in.over)
	n.in.over = n.in.over[m:]
	return m, nil
}

// Faults tells how many there were, of each direction.
func (n *Noise) Faults() (toBoard, toHost int) { return n.out.count(), n.in.count() }

type hurt struct {
	mu     sync.Mutex
	rng    *rand.Rand
	every  int
	faults int
	over   []byte // bytes that a Read had no room for
}

func newHurt(seed uint64, every int) *hurt {
	return &hurt{rng: rand.New(rand.NewPCG(seed, 11)), every: every}
}

func (h *hurt) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.faults
}

func (h *hurt) through(b []byte) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]byte, 0, len(b)+8)
	for i := 0; i < len(b); i++ {
		if h.rng.IntN(h.every) != 0 {
			out = append(out, b[i])
			continue
		}
		h.faults++
		switch h.rng.IntN(6) {
		case 0: // lost
		case 1:
			out = append(out, b[i]^uint8(1<<h.rng.IntN(8)))
		case 2:
			out = append(out, b[i], uint8(h.rng.Uint32()))
		case 3:
			out = append(out, b[i], b[i])
		case 4:
			i += h.rng.IntN(500)
		case 5:
			out = append(out, b[max(0, i-h.rng.IntN(500)):i+1]...)
		}
	}
	return out
}
