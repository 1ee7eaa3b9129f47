// Package replay records what passes between a program and any device, and plays
// it back as a device: a session on a board becomes a test that needs none.
//
// A recording is text: a line of JSON that says what was recorded, with what
// device, then a line for each call of the Device, in order. Playing back is
// strict: a call that differs from the recorded one fails and says in what.
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

// Format names the file and its version, in the first line.
const Format = "kvaccel recording 1"

// ErrFormat says that a file is no recording, or a damaged one.
var ErrFormat = errors.New("not a recording")

// ErrDiffers says that a program did not do what it did when it was recorded. It
// is a driver.ErrProtocol.
var ErrDiffers = fmt.Errorf("%w: the recording goes another way", driver.ErrProtocol)

// head is the first line.
type head struct {
	Format string      `json:"format"`
	Info   driver.Info `json:"info"`
	Reset  bool        `json:"reset"` // the device is a driver.Resetter
}

// The calls of a device.
const (
	opRead  = "read"
	opWrite = "write"
	opSend  = "send"
	opRecv  = "recv"
	opReset = "reset"
	opClose = "close"
)

// call is any other line.
type call struct {
	Op    string `json:"op"`
	Addr  uint32 `json:"addr,omitempty"`
	Value uint32 `json:"value,omitempty"` // read or written
	Data  []byte `json:"data,omitempty"`  // sent or received
	Error string `json:"error,omitempty"` // kind of error, of kinds
	Text  string `json:"text,omitempty"`  // what it said
}

// kinds are the errors that are still what they were after playing back.
var kinds = map[string]error{
	"not-found": driver.ErrNotFound, "ambiguous": driver.ErrAmbiguous, "access": driver.ErrAccess, "busy": driver.ErrBusy,
	"unsupported": driver.ErrUnsupported, "timeout": driver.ErrTimeout, "disconnected": driver.ErrDisconnected, "protocol": driver.ErrProtocol,
	"version": driver.ErrVersion, "verify": driver.ErrVerify, "closed": driver.ErrClosed, "bad-register": driver.ErrBadRegister,
	"bad-packet": driver.ErrBadPacket, "option": driver.ErrOption, "canceled": context.Canceled, "deadline": context.DeadlineExceeded,
}

const otherKind = "other"

func kindOf(err error) (kind, text string) {
	if err == nil {
		return "", ""
	}
	for k, e := range kinds {
		if errors.Is(err, e) {
			return k, err.Error()
		}
	}
	return otherKind, err.Error()
}

// err is the error that a call had.
func (c call) err() error {
	if c.Error == "" {
		return nil
	}
	if e, ok := kinds[c.Error]; ok {
		return &replayed{c.Text, e}
	}
	return errors.New(c.Text)
}

// replayed is an error that says what it said and is what it was.
type replayed struct {
	text string
	kind error
}

func (e *replayed) Error() string { return e.text }
func (e *replayed) Unwrap() error { return e.kind }

// longest is the longest line there can be: a packet of some 48 MB.
const longest = 64 << 20

// reader reads a recording line by line.
type reader struct {
	lines *bufio.Scanner
	n     int
	name  string
}

func newReader(r io.Reader, name string) (*reader, head, error) {
	l := &reader{lines: bufio.NewScanner(r), name: name}
	l.lines.Buffer(make([]byte, 1<<16), longest)
	var h head
	if err := l.next(&h); err != nil {
		if err == io.EOF {
			err = fmt.Errorf("%w: %s is empty", ErrFormat, name)
		}
		return nil, h, err
	}
	if h.Format != Format {
		return nil, h, fmt.Errorf("%w: %s says it is %.40q, want %q", ErrFormat, name, h.Format, Format)
	}
	if err := h.Info.Params.Validate(); err != nil {
		return nil, h, fmt.Errorf("%w: %s: %w", ErrFormat, name, err)
	}
	return l, h, nil
}

// next reads a line into v, or gives io.EOF.
func (l *reader) next(v any) error {
	if !l.lines.Scan() {
		if err := l.lines.Err(); err != nil {
			return fmt.Errorf("%w: %s, line %d: %w", ErrFormat, l.name, l.n+1, err)
		}
		return io.EOF
	}
	l.n++
	dec := json.NewDecoder(strings.NewReader(l.lines.Text()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: %s, line %d: %w", ErrFormat, l.name, l.n, err)
	}
	if dec.More() {
		return fmt.Errorf("%w: %s, line %d has more than one value", ErrFormat, l.name, l.n)
	}
	return nil
}

// Open opens replay:FILE, the device of a recording.
func Open(_ context.Context, u driver.URI) (driver.Device, error) {
	if u.Address == "" || len(u.Options) > 0 {
		return nil, fmt.Errorf("%w: %s, want replay:FILE and no options", driver.ErrOption, u)
	}
	f, err := os.Open(u.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", driver.ErrNotFound, err)
	}
	d, err := Play(f, u.Address)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}
