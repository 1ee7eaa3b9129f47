package dfu

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Port does control transfers on a DFU interface: class requests to the
// interface, of which it fills in the number. in is true for IN requests, which give
// how many bytes of p they filled. It returns ErrStall and ErrLeft for what they say.
type Port interface {
	Control(ctx context.Context, in bool, request byte, value uint16, p []byte) (int, error)
}

// Target is a device in DFU mode.
type Target struct {
	Port       Port
	Functional Functional

	// Progress, if not nil, is called with bytes done of total.
	Progress func(done, total int)

	// MaxPoll bounds the wait between two polls, whatever the device asks for;
	// 0 is 5 s. MaxWait bounds the wait for one step; 0 is 60 s.
	MaxPoll, MaxWait time.Duration

	sleep func(ctx context.Context, d time.Duration) error // in tests
}

// Retries is how often a stalled block or a passing error is tried again.
const Retries = 3

// Status asks for the status.
func (t *Target) Status(ctx context.Context) (Status, error) {
	var b [6]byte
	n, err := t.Port.Control(ctx, true, ReqGetStatus, 0, b[:])
	if err != nil {
		return Status{}, fmt.Errorf("GETSTATUS: %w", err)
	}
	return ParseStatus(b[:min(n, len(b))])
}

// Idle brings the device to dfuIDLE from wherever an earlier host left it.
func (t *Target) Idle(ctx context.Context) error {
	for range 8 {
		s, err := t.Status(ctx)
		if errors.Is(err, ErrStall) {
			if err = t.request(ctx, ReqClrStatus); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		switch s.State {
		case Idle:
			return nil
		case Error:
			err = t.request(ctx, ReqClrStatus)
		case DownloadIdle, UploadIdle, DownloadSync, ManifestSync:
			err = t.request(ctx, ReqAbort)
		case DownloadBusy, Manifest:
			err = t.pause(ctx, s.Poll)
		default:
			return fmt.Errorf("%w: it is in %v: reset it, or plug it in again", ErrRefused, s.State)
		}
		if err != nil && !errors.Is(err, ErrStall) { // a device that stalls is in dfuERROR now
			return err
		}
	}
	return fmt.Errorf("%w: no way to dfuIDLE", ErrStuck)
}

func (t *Target) request(ctx context.Context, request byte) error {
	_, err := t.Port.Control(ctx, false, request, 0, nil)
	return err
}

// Download writes an image and has the device take it. left is true when a
// device that does not stay through manifest left the bus there, as it may: whether
// it came back right is for the caller to find out.
//
// A block that the device stalls or fails at is no reason to give up at once:
// the whole download is begun again, up to Retries times.
func (t *Target) Download(ctx context.Context, image []byte) (left bool, err error) {
	if !t.Functional.Has(CanDownload) {
		return false, fmt.Errorf("%w: it takes no downloads", ErrRefused)
	}
	if len(image) == 0 {
		return false, fmt.Errorf("%w: an image of 0 bytes", ErrRefused)
	}
	for try := 0; ; try++ {
		if err = t.Idle(ctx); err != nil {
			return false, err
		}
		if err = t.blocks(ctx, image); err == nil {
			return t.manifest(ctx)
		}
		if try == Retries || !errors.Is(err, ErrStall) && !errors.As(err, new(*failure)) {
			return false, err
		}
	}
}

// failure is a device in dfuERROR.
type failure struct {
	code Code
	at   string
}

func (e *failure) Error() string { return fmt.Sprintf("%s: %v", e.at, e.code) }
func (e *failure) Unwrap() error { return ErrRefused }

func (t *Target) blocks(ctx context.Context, image []byte) error {
	size := t.Functional.TransferSize
	for at := 0; at < len(image); at += size {
		block := image[at:min(at+size, len(image))]
		what := fmt.Sprintf("block %d at %#x", at/size, at)
		if _, err := t.Port.Control(ctx, false, ReqDownload, uint16(at/size), block); err != nil {
			return t.explain(ctx, what, err)
		}
		if _, err := t.await(ctx, what, DownloadIdle); err != nil {
			return err
		}
		t.progress(at+len(block), len(image))
	}
	return nil
}

// explain asks a device that stalled why.
func (t *Target) explain(ctx context.Context, what string, err error) error {
	if errors.Is(err, ErrStall) {
		if s, serr := t.Status(ctx); serr == nil && s.State == Error {
			return &failure{s.Code, what}
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// await polls until the device is in one of the states, waiting as it asks.
func (t *Target) await(ctx context.Context, what string, states ...State) (Status, error) {
	limit := t.MaxWait
	if limit == 0 {
		limit = 60 * time.Second
	}
	for waited := time.Duration(0); ; {
		s, err := t.Status(ctx)
		if err != nil {
			return s, fmt.Errorf("%s: %w", what, err)
		}
		for _, want := range states {
			if s.State == want {
				return s, nil
			}
		}
		switch s.State {
		case Error:
			return s, &failure{s.Code, what}
		case DownloadSync, DownloadBusy, ManifestSync, Manifest:
		default:
			return s, fmt.Errorf("%s: %w: %v", what, ErrProtocol, s.State)
		}
		if waited >= limit {
			return s, fmt.Errorf("%s: %w: still in %v after %v", what, ErrStuck, s.State, limit)
		}
		d := t.poll(s.Poll)
		waited += d
		if err := t.pause(ctx, d); err != nil {
			return s, err
		}
	}
}

// poll is the wait that is kept: at least a millisecond, so that a device that
// asks for none is not flooded, and at most MaxPoll.
func (t *Target) poll(asked time.Duration) time.Duration {
	most := t.MaxPoll
	if most == 0 {
		most = 5 * time.Second
	}
	return max(min(asked, most), time.Millisecond)
}

// manifest ends a download: a block of no bytes, then the device does what it
// has to.
func (t *Target) manifest(ctx context.Context) (left bool, err error) {
	const what = "manifest"
	if _, err := t.Port.Control(ctx, false, ReqDownload, 0, nil); err != nil {
		return false, t.explain(ctx, what, err)
	}
	tolerant := t.Functional.Has(ManifestTolerant)
	s, err := t.await(ctx, what, Idle, ManifestWaitReset)
	switch {
	case err == nil:
		return s.State == ManifestWaitReset, nil
	case errors.Is(err, ErrLeft) && !tolerant:
		return true, nil
	}
	return false, err
}

// Upload reads n bytes back, or as many as the device has.
func (t *Target) Upload(ctx context.Context, n int) ([]byte, error) {
	if !t.Functional.Has(CanUpload) {
		return nil, fmt.Errorf("%w: it gives nothing back", ErrRefused)
	}
	for try := 0; ; try++ {
		if err := t.Idle(ctx); err != nil {
			return nil, err
		}
		b, err := t.upload(ctx, n)
		if err == nil {
			return b, t.Idle(ctx)
		}
		if try == Retries || !errors.Is(err, ErrStall) && !errors.As(err, new(*failure)) {
			return nil, err
		}
	}
}

func (t *Target) upload(ctx context.Context, n int) ([]byte, error) {
	size := t.Functional.TransferSize
	b := make([]byte, 0, n)
	block := make([]byte, size)
	for i := 0; len(b) < n; i++ {
		k, err := t.Port.Control(ctx, true, ReqUpload, uint16(i), block)
		if err != nil {
			return nil, t.explain(ctx, fmt.Sprintf("upload of block %d", i), err)
		}
		if k > size {
			return nil, fmt.Errorf("%w: %d bytes in an upload of %d", ErrProtocol, k, size)
		}
		b = append(b, block[:min(k, n-len(b))]...)
		t.progress(len(b), n)
		if k < size {
			break // the device has no more
		}
	}
	return b, nil
}

// Detach asks a device in its application to come back in DFU mode. It leaves
// the bus by itself (WillDetach) or has to be reset within the time it states.
func (t *Target) Detach(ctx context.Context) error {
	_, err := t.Port.Control(ctx, false, ReqDetach, uint16(min(t.Functional.DetachTimeout/time.Millisecond, 0xffff)), nil)
	if errors.Is(err, ErrLeft) {
		return nil
	}
	return err
}

func (t *Target) progress(done, total int) {
	if t.Progress != nil {
		t.Progress(done, total)
	}
}

func (t *Target) pause(ctx context.Context, d time.Duration) error {
	if t.sleep != nil {
		return t.sleep(ctx, t.poll(d))
	}
	timer := time.NewTimer(t.poll(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
