//go:build cgo && usb

package usb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/gousb"

	"github.com/kvaccel/kvaccel/driver"
)

// pipe is a USB device as a pipe of bytes: a stream of transfers each way. Read is
// for one goroutine and Write for another; Close ends both, waits for them, and
// only then gives anything back.
type pipe struct {
	usb  *gousb.Context
	dev  *gousb.Device
	cfg  *gousb.Config
	intf []*gousb.Interface

	in  *gousb.ReadStream
	out *gousb.WriteStream
	ask *ask // FT60x: announces reads

	part    part
	packet  int // bytes of a USB packet
	raw     []byte
	pending []byte // received and not yet read

	ctx    context.Context
	cancel context.CancelFunc
	rd, wr sync.Mutex // held by Read and Write
	once   sync.Once
}

// newPipe claims the interfaces and starts the streams. If it fails, only the
// device is left open.
func newPipe(dev *gousb.Device, pt part, o options) (p *pipe, err error) {
	p = &pipe{dev: dev, part: pt, raw: make([]byte, o.size)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			p.release()
			p = nil
		}
	}()
	if pt.kind == ftdi { // Linux gives these to its serial driver; libusb gives them back at the end
		if err := dev.SetAutoDetach(true); err != nil {
			return p, err
		}
	}
	number, err := dev.ActiveConfigNum()
	if err != nil {
		return p, err
	}
	if p.cfg, err = dev.Config(number); err != nil {
		return p, err
	}
	switch pt.kind {
	case native:
		err = p.claim(0, 1, 1, o)
	case ftdi:
		if err = p.setup(o); err == nil {
			err = p.claim(o.port, 1+2*o.port, 2+2*o.port, o)
		}
	case ft60x:
		if p.ask, err = newAsk(p, o); err == nil {
			err = p.claim(1, ft60xIn&0x7f, ft60xOut, o)
		}
	}
	return p, err
}

// claim takes an interface and starts the streams on its endpoints.
func (p *pipe) claim(intf, in, out int, o options) error {
	i, err := p.cfg.Interface(intf, 0)
	if err != nil {
		return err
	}
	p.intf = append(p.intf, i)
	for _, e := range i.Setting.Endpoints { // a native device may number its pair as it likes
		if p.part.kind == native && e.TransferType == gousb.TransferTypeBulk {
			if e.Direction == gousb.EndpointDirectionIn {
				in = e.Number
			} else {
				out = e.Number
			}
		}
	}
	src, err := i.InEndpoint(in)
	if err != nil {
		return fmt.Errorf("%w: no engine's USB interface: %w", driver.ErrNotFound, err)
	}
	dst, err := i.OutEndpoint(out)
	if err != nil {
		return fmt.Errorf("%w: no engine's USB interface: %w", driver.ErrNotFound, err)
	}
	if p.packet = src.Desc.MaxPacketSize; p.packet < 8 || o.size%p.packet != 0 {
		return fmt.Errorf("%w: packets of %d bytes, transfers of %d", driver.ErrProtocol, p.packet, o.size)
	}
	if p.part.kind == native {
		if err := p.unstall(src.Desc.Address, dst.Desc.Address); err != nil {
			return err
		}
	}
	if p.ask != nil {
		if err := p.ask.ahead(o.depth); err != nil {
			return err
		}
	}
	if p.in, err = src.NewStream(o.size, o.depth); err != nil {
		return err
	}
	p.out, err = dst.NewStream(o.size, o.depth)
	return err
}

// setup brings an FTDI part into its mode.
func (p *pipe) setup(o options) error {
	const vendorOut = 0x40 // bmRequestType: vendor, device, to the device
	list, err := ftdiSetup(p.part, o)
	if err != nil {
		return err
	}
	for _, r := range list {
		if _, err := p.dev.Control(vendorOut, r.request, r.value, r.index, nil); err != nil {
			return fmt.Errorf("setting up the %s, request %d: %w", p.part.name, r.request, err)
		}
		time.Sleep(r.rest)
	}
	return nil
}

// unstall is for a device that a former user left halted: what a pipe lost with it
// the link repeats.
func (p *pipe) unstall(endpoints ...gousb.EndpointAddress) error {
	const getStatus, fromEndpoint, clearFeature, toEndpoint, endpointHalt = 0, 0x82, 1, 0x02, 0
	for _, e := range endpoints {
		status := make([]byte, 2)
		if n, err := p.dev.Control(fromEndpoint, getStatus, 0, uint16(e), status); err != nil || n != 2 || status[0]&1 == 0 {
			continue
		}
		if _, err := p.dev.Control(toEndpoint, clearFeature, endpointHalt, uint16(e), nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipe) Read(b []byte) (int, error) {
	p.rd.Lock()
	defer p.rd.Unlock()
	for len(p.pending) == 0 {
		if p.ctx.Err() != nil {
			return 0, driver.ErrClosed
		}
		n, err := p.in.ReadContext(p.ctx, p.raw)
		if err != nil {
			return 0, fmt.Errorf("reading: %w", translate(err))
		}
		p.pending = p.raw[:n]
		if p.part.kind == ftdi {
			p.pending = strip(p.pending, p.packet)
		}
		if p.ask != nil {
			if err := p.ask.ahead(1); err != nil {
				return 0, translate(err)
			}
		}
	}
	n := copy(b, p.pending)
	p.pending = p.pending[n:]
	return n, nil
}

func (p *pipe) Write(b []byte) (int, error) {
	p.wr.Lock()
	defer p.wr.Unlock()
	if p.ctx.Err() != nil {
		return 0, driver.ErrClosed
	}
	n, err := p.out.WriteContext(p.ctx, b)
	if err != nil {
		return n, fmt.Errorf("writing: %w", translate(err))
	}
	return n, nil
}

// Close cancels what is in flight and gives everything back: interfaces, device,
// context.
func (p *pipe) Close() error {
	err := driver.ErrClosed
	p.once.Do(func() {
		p.cancel()
		p.rd.Lock()
		defer p.rd.Unlock()
		p.wr.Lock()
		defer p.wr.Unlock()
		p.release()
		err = errors.Join(p.dev.Close(), p.usb.Close())
	})
	return err
}

// release undoes newPipe, as far as it came.
func (p *pipe) release() {
	p.cancel()
	if p.in != nil {
		_ = p.in.Close()
		for { // its transfers are freed by reading it to its end
			if _, err := p.in.ReadContext(p.ctx, p.raw); err != nil {
				break
			}
		}
	}
	if p.out != nil {
		_ = p.out.CloseContext(p.ctx) // what was cancelled is no news
	}
	if p.ask != nil {
		p.ask.close()
	}
	for _, i := range p.intf {
		i.Close()
	}
	if p.cfg != nil {
		_ = p.cfg.Close()
	}
}

// ask is the session pipe of an FT60x.
type ask struct {
	p    *pipe
	intf *gousb.Interface
	out  *gousb.OutEndpoint
	next uint32
	size int
}

func newAsk(p *pipe, o options) (*ask, error) {
	i, err := p.cfg.Interface(0, 0)
	if err != nil {
		return nil, err
	}
	out, err := i.OutEndpoint(ft60xSession)
	if err != nil {
		i.Close()
		return nil, fmt.Errorf("%w: the part has no session pipe: %w", driver.ErrNotFound, err)
	}
	return &ask{p: p, intf: i, out: out, size: o.size}, nil
}

// ahead asks for n more transfers.
func (a *ask) ahead(n int) error {
	ctx, cancel := context.WithTimeout(a.p.ctx, controlTimeout)
	defer cancel()
	for range n {
		a.next++
		if _, err := a.out.WriteContext(ctx, ft60xAsk(a.next, a.size)); err != nil {
			return fmt.Errorf("session pipe: %w", err)
		}
	}
	return nil
}

func (a *ask) close() { a.intf.Close() }
