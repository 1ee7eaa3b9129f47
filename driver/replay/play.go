package replay

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/kvaccel/kvaccel/driver"
)

// player is a recording as a device.
type player struct {
	r      *reader
	from   io.Closer
	info   driver.Info
	closed bool
}

// resettable is one whose device could be reset.
type resettable struct{ *player }

// Play reads a recording, of a name for messages, as the device that it was made
// with. It takes over r, which is closed with the device if it can be.
func Play(r io.Reader, name string) (driver.Device, error) {
	l, h, err := newReader(r, name)
	if err != nil {
		return nil, err
	}
	p := &player{r: l, info: h.Info}
	p.from, _ = r.(io.Closer)
	if h.Reset {
		return resettable{p}, nil
	}
	return p, nil
}

func (p *player) Info() driver.Info { return p.info }

// step takes the next recorded call, which must be the one made.
func (p *player) step(ctx context.Context, made call) (call, error) {
	if p.closed {
		return call{}, driver.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return call{}, err // a call that was stopped before it began; if it was recorded as such, that is the next line
	}
	var c call
	err := p.r.next(&c)
	if err == io.EOF {
		return c, fmt.Errorf("%w: %s ends after %d lines, the program goes on with %s", ErrDiffers, p.r.name, p.r.n, made)
	}
	if err != nil {
		return c, err
	}
	same := c.Op == made.Op && c.Addr == made.Addr
	switch made.Op {
	case opWrite:
		same = same && c.Value == made.Value
	case opSend:
		same = same && bytes.Equal(c.Data, made.Data)
	}
	if !same {
		return c, fmt.Errorf("%w: %s, line %d has %s, the program does %s", ErrDiffers, p.r.name, p.r.n, c, made)
	}
	return c, c.err()
}

// String tells a call in a few words.
func (c call) String() string {
	switch c.Op {
	case opRead:
		return fmt.Sprintf("a read of register %#03x", c.Addr)
	case opWrite:
		return fmt.Sprintf("a write of %#x to register %#03x", c.Value, c.Addr)
	case opSend:
		return fmt.Sprintf("a request of %d bytes (%.8x...)", len(c.Data), c.Data)
	}
	return "a " + c.Op
}

func (p *player) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	c, err := p.step(ctx, call{Op: opRead, Addr: addr})
	if err != nil {
		return 0, err
	}
	return c.Value, nil
}

func (p *player) WriteReg(ctx context.Context, addr, v uint32) error {
	_, err := p.step(ctx, call{Op: opWrite, Addr: addr, Value: v})
	return err
}

func (p *player) Send(ctx context.Context, request []byte) error {
	_, err := p.step(ctx, call{Op: opSend, Data: request})
	return err
}

func (p *player) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	c, err := p.step(ctx, call{Op: opRecv})
	if err != nil {
		return dst, err
	}
	return append(dst, c.Data...), nil
}

// Reset implements driver.Resetter.
func (p resettable) Reset(ctx context.Context) error {
	_, err := p.step(ctx, call{Op: opReset})
	return err
}

// Close closes the recording. That it goes on is no error: a program may stop
// earlier.
func (p *player) Close() error {
	if p.closed {
		return driver.ErrClosed
	}
	p.closed = true
	if p.from != nil {
		return p.from.Close()
	}
	return nil
}
