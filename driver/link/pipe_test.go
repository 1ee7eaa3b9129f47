package link

import (
	"io"
	"math/rand/v2"
	"os"
	"sync"
)

// half is one direction of a pipe in memory. hurt may change what is written.
type half struct {
	mu     sync.Mutex
	cond   sync.Cond
	buf    []byte
	closed bool
	hurt   func([]byte) []byte
	step   int // most bytes of one Read; 0: any
}

func (h *half) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.buf) > 1<<18 && !h.closed {
		h.cond.Wait()
	}
	if h.closed {
		return 0, io.ErrClosedPipe
	}
	n := len(b)
	if h.hurt != nil {
		b = h.hurt(b)
	}
	h.buf = append(h.buf, b...)
	h.cond.Broadcast()
	return n, nil
}

func (h *half) Read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.buf) == 0 && !h.closed {
		h.cond.Wait()
	}
	if h.closed {
		return 0, io.EOF
	}
	if h.step > 0 {
		b = b[:min(len(b), h.step)]
	}
	n := copy(b, h.buf)
	h.buf = h.buf[:copy(h.buf, h.buf[n:])]
	h.cond.Broadcast()
	return n, nil
}

func (h *half) set(hurt func([]byte) []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hurt = hurt
}

func (h *half) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.cond.Broadcast()
}

// end is one end of a pipe.
type end struct {
	*half       // read
	to    *half // written
	once  sync.Once
}

func (e *end) Write(b []byte) (int, error) { return e.to.Write(b) }

func (e *end) Close() error {
	err := os.ErrClosed
	e.once.Do(func() { e.half.close(); e.to.close(); err = nil })
	return err
}

// pipe makes both ends; hurt may be nil and is used for both directions.
func pipe(hurt func() func([]byte) []byte) (host, device *end) {
	a, b := &half{}, &half{}
	a.cond.L, b.cond.L = &a.mu, &b.mu
	if hurt != nil {
		a.hurt, b.hurt = hurt(), hurt()
	}
	return &end{half: a, to: b}, &end{half: b, to: a}
}

// noise loses, changes, inserts and repeats bytes, each with a chance of one in n
// bytes, and now and then a whole stretch.
func noise(seed uint64, n int) func() func([]byte) []byte {
	return func() func([]byte) []byte {
		seed++
		rng := rand.New(rand.NewPCG(seed, 7))
		return func(b []byte) []byte {
			out := make([]byte, 0, len(b)+8)
			for i := 0; i < len(b); i++ {
				if rng.IntN(n) != 0 {
					out = append(out, b[i])
					continue
				}
				switch rng.IntN(6) {
				case 0: // lost
				case 1:
					out = append(out, b[i]^uint8(1<<rng.IntN(8)))
				case 2:
					out = append(out, b[i], uint8(rng.Uint32()))
				case 3:
					out = append(out, b[i], b[i])
				case 4:
					i += rng.IntN(600)
				case 5:
					from := max(0, i-rng.IntN(600))
					out = append(out, b[from:i+1]...)
				}
			}
			return out
		}
	}
}
