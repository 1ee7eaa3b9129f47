package fault

import (
	"fmt"
	"io"
	"time"
)

// pipe is a pipe of bytes that a script spoils.
type pipe struct {
	io.ReadWriteCloser
	s *Script
}

// Pipe gives a pipe that carries what p does, but for the faults of a script. A
// disconnect closes p, so that a Read that waits ends too.
func Pipe(p io.ReadWriteCloser, s *Script) io.ReadWriteCloser { return &pipe{p, s} }

func (p *pipe) Read(b []byte) (int, error) {
	if len(b) < 2 {
		return p.ReadWriteCloser.Read(b)
	}
	n, err := p.ReadWriteCloser.Read(b[:len(b)-1]) // room for a byte more
	if err != nil {
		return n, err
	}
	got, err := p.spoil(atIn, b[:n])
	return copy(b, got), err
}

func (p *pipe) Write(b []byte) (int, error) {
	sent, err := p.spoil(atOut, append(make([]byte, 0, len(b)+1), b...))
	if err != nil {
		return 0, err
	}
	for len(sent) > 0 {
		n, err := p.ReadWriteCloser.Write(sent)
		if err != nil {
			return min(n, len(b)), err
		}
		sent = sent[n:]
	}
	return len(b), nil
}

// spoil changes bytes in place, by one more at most.
func (p *pipe) spoil(where place, b []byte) ([]byte, error) {
	hits, err := p.s.meet(where)
	if err != nil {
		return nil, err
	}
	grown := false
	for _, r := range hits {
		switch r.what {
		case delay:
			time.Sleep(r.wait)
			continue
		case fails:
			return nil, fmt.Errorf("%w: %w at %s", r.err, ErrInjected, where)
		case disconnect:
			_ = p.ReadWriteCloser.Close() // it is gone either way
			return nil, errGone
		}
		if len(b) == 0 {
			continue
		}
		at := p.s.pick(len(b))
		switch {
		case r.what == short:
			b = b[:at]
		case r.what == flip:
			b[at] ^= 1 << p.s.pick(8)
		case r.what == drop:
			b = append(b[:at], b[at+1:]...)
		case grown: // one byte of room
		case r.what == repeat, r.what == insert:
			b = append(b[:at+1], b[at:]...)
			if grown = true; r.what == insert {
				b[at] = byte(p.s.pick(256))
			}
		}
	}
	return b, nil
}
