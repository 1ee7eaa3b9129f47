package replay

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
)

// recorder is a device whose calls are written down.
type recorder struct {
	driver.Device
	w   *bufio.Writer
	to  io.Writer
	err error // of the first line that could not be written
}

// recordsReset is one that can be reset.
type recordsReset struct{ *recorder }

// Record gives a device that does what dev does and writes it down. Closing it
// closes dev, writes the rest and closes w if that can be closed; it fails if not
// everything could be written.
func Record(dev driver.Device, w io.Writer) (driver.Device, error) {
	r := &recorder{Device: dev, w: bufio.NewWriter(w), to: w}
	_, reset := dev.(driver.Resetter)
	if r.line(head{Format, dev.Info(), reset}); r.err != nil {
		return nil, r.err
	}
	if reset {
		return recordsReset{r}, nil
	}
	return r, nil
}

func (r *recorder) line(v any) {
	if r.err != nil {
		return
	}
	b, err := json.Marshal(v)
	if err == nil {
		_, err = r.w.Write(append(b, '\n'))
	}
	if err == nil {
		err = r.w.Flush() // what a crash leaves can be played up to there
	}
	if err != nil {
		r.err = fmt.Errorf("recording: %w", err)
	}
}

// put writes down a call, unless the context stopped it before it began: then a
// program that is played back is stopped in the same way.
func (r *recorder) put(ctx context.Context, c call, err error) {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return
	}
	c.Error, c.Text = kindOf(err)
	r.line(c)
}

func (r *recorder) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	v, err := r.Device.ReadReg(ctx, addr)
	r.put(ctx, call{Op: opRead, Addr: addr, Value: v}, err)
	return v, err
}

func (r *recorder) WriteReg(ctx context.Context, addr, v uint32) error {
	err := r.Device.WriteReg(ctx, addr, v)
	r.put(ctx, call{Op: opWrite, Addr: addr, Value: v}, err)
	return err
}

func (r *recorder) Send(ctx context.Context, request []byte) error {
	err := r.Device.Send(ctx, request)
	r.put(ctx, call{Op: opSend, Data: request}, err)
	return err
}

func (r *recorder) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	had := len(dst)
	got, err := r.Device.Recv(ctx, dst)
	c := call{Op: opRecv}
	if err == nil {
		c.Data = got[had:]
	}
	r.put(ctx, c, err)
	return got, err
}

// Reset implements driver.Resetter.
func (r recordsReset) Reset(ctx context.Context) error {
	err := r.Device.(driver.Resetter).Reset(ctx)
	r.put(ctx, call{Op: opReset}, err)
	return err
}

func (r *recorder) Close() error {
	if err := r.Device.Close(); err != nil {
		return err
	}
	r.line(call{Op: opClose})
	errs := []error{r.err}
	if c, ok := r.to.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// OpenRecorder makes the opener of record:FILE,URI: the device of that URI, written
// down in a file, which must not be there yet.
func OpenRecorder(devices *driver.Registry) driver.Opener {
	return func(ctx context.Context, u driver.URI) (driver.Device, error) {
		file, inner, ok := strings.Cut(u.Address, ",")
		if !ok || file == "" || inner == "" {
			return nil, fmt.Errorf("%w: %s, want record:FILE,URI", driver.ErrOption, u)
		}
		if len(u.Options) > 0 {
			inner += "?" + u.Options.Encode()
		}
		dev, err := devices.Open(ctx, inner)
		if err != nil {
			return nil, err
		}
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return nil, errors.Join(err, dev.Close())
		}
		r, err := Record(dev, f)
		if err != nil {
			return nil, errors.Join(err, dev.Close(), f.Close())
		}
		return r, nil
	}
}
