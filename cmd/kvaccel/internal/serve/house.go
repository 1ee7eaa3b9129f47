package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver/flash/board"
	"github.com/kvaccel/kvaccel/driver/flash/dfu"
	"github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/usbip"
	"github.com/kvaccel/kvaccel/driver/virtual"
)

// house holds what is served and closes it in the right order.
type house struct {
	env     *cli.Env
	flags   flags
	fail    context.CancelCauseFunc
	closers []io.Closer
	running sync.WaitGroup
	serials int
}

// close ends everything; the context has ended before.
func (h *house) close() error {
	var errs []error
	for _, c := range slices.Backward(h.closers) {
		errs = append(errs, c.Close())
	}
	h.running.Wait()
	return errors.Join(errs...)
}

// board makes what --board says.
func (h *house) board(ctx context.Context, spec string) (usbip.Device, error) {
	kind, query, _ := strings.Cut(spec, "?")
	opts, err := url.ParseQuery(query)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("--board %s: %w", spec, err))
	}
	name, isDFU := strings.CutPrefix(kind, "dfu:")
	known := []string{"serial"}
	if isDFU {
		known = append(known, "memory", "size", "script", "app", "start", "attributes", "block", "busy")
	}
	for key := range opts {
		if !slices.Contains(known, key) {
			return nil, cli.Usage(fmt.Errorf("--board %s: no option %q; there are %s", spec, key, strings.Join(known, ", ")))
		}
	}
	h.serials++
	serial := opts.Get("serial")
	if serial == "" {
		serial = fmt.Sprintf("virtual-%d", h.serials)
	}
	switch {
	case isDFU:
		d, err := h.loader(ctx, name, serial, opts)
		if err != nil {
			return nil, fmt.Errorf("--board %s: %w", spec, err)
		}
		return d, nil
	case kind == "native", kind == "ft232h", kind == "ft232h-uart":
		return h.engineBoard(ctx, kind, serial)
	}
	return nil, cli.Usage(fmt.Errorf("--board %s: want native, ft232h, ft232h-uart or dfu:NAME", spec))
}

func (h *house) engineBoard(ctx context.Context, kind, serial string) (usbip.Device, error) {
	pipe, err := h.engine(ctx)
	if err != nil {
		return nil, err
	}
	var d interface {
		usbip.Device
		io.Closer
	}
	if kind == "native" {
		d = virtual.NewNative(pipe, serial)
	} else {
		d = virtual.NewFTDI(pipe, serial, kind == "ft232h-uart")
	}
	h.closers = append(h.closers, d)
	return d, nil
}

// loader makes a boot loader of the board table.
func (h *house) loader(ctx context.Context, name, serial string, opts url.Values) (usbip.Device, error) {
	b, err := board.Lookup(name)
	if err != nil {
		return nil, cli.Usage(err)
	}
	m, err := b.Method(board.DFU)
	if err != nil {
		return nil, cli.Usage(err)
	}
	l := virtual.Loader{
		Vendor: m.Vendor, Product: m.Product, Name: b.Title + " (virtual boot loader)", Serial: serial, Size: int(min(m.Size, 4<<20)), Memory: opts.Get("memory"), Busy: time.Millisecond,
		Functional: dfu.Functional{Attributes: dfu.CanDownload | dfu.CanUpload, TransferSize: 4096, Version: 0x0110, DetachTimeout: time.Second},
		StartInApp: opts.Get("start") == "app",
	}
	if l.Memory == "" {
		return nil, cli.Usage(errors.New("memory=FILE is needed: where what is flashed is kept"))
	}
	if l.Faults, err = virtual.ParseScript(opts.Get("script")); err != nil {
		return nil, cli.Usage(err)
	}
	if err := numbers(opts, map[string]*int{"size": &l.Size, "block": &l.Functional.TransferSize}); err != nil {
		return nil, err
	}
	if v := opts.Get("busy"); v != "" {
		if l.Busy, err = time.ParseDuration(v); err != nil {
			return nil, cli.Usage(err)
		}
	}
	if v, ok := opts["attributes"]; ok {
		l.Functional.Attributes = 0
		for _, c := range v[0] {
			bit, known := map[rune]byte{'d': dfu.CanDownload, 'u': dfu.CanUpload, 't': dfu.ManifestTolerant, 'w': dfu.WillDetach}[c]
			if !known {
				return nil, cli.Usage(fmt.Errorf("attributes=%s: want letters of d (download), u (upload), t (manifestation tolerant), w (will detach)", v[0]))
			}
			l.Functional.Attributes |= bit
		}
	}
	switch app := opts.Get("app"); app {
	case "":
	case "native":
		if l.App, err = h.engineBoard(ctx, app, serial); err != nil {
			return nil, err
		}
	default:
		return nil, cli.Usage(fmt.Errorf("app=%s: want native", app))
	}
	d, err := virtual.NewDFU(l)
	if err != nil {
		return nil, err
	}
	h.closers = append(h.closers, d)
	return d, nil
}

func numbers(opts url.Values, into map[string]*int) error {
	for key, n := range into {
		v := opts.Get(key)
		if v == "" {
			continue
		}
		k, err := strconv.Atoi(v)
		if err != nil || k < 1 || k > 1<<28 {
			return cli.Usage(fmt.Errorf("%s=%s: want a number from 1 to %d", key, v, 1<<28))
		}
		*n = k
	}
	return nil
}

// gather is how long a host has to be silent before a simulated engine goes on though
// the host does not say that it waits: then
// its cycle counts are those it has without a link.
const gather = 250 * time.Millisecond

// engine gives the byte pipe of an engine: of the program of --pipe, or of the
// device of -d with a link in Go before it.
func (h *house) engine(ctx context.Context) (io.ReadWriteCloser, error) {
	if h.flags.pipe != "" {
		return startProgram(h.flags.pipe, h.flags.pipeArgs...)
	}
	dev, err := h.env.Open(ctx)
	if err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	h.closers = append(h.closers, closer(func() error {
		<-done // it uses the device
		return dev.Close()
	}))
	h.running.Go(func() {
		defer close(done)
		if err := link.Serve(ctx, theirs, dev, link.BoardOptions{ClockHz: uint32(dev.Info().ClockHz), Gather: gather}); err != nil && ctx.Err() == nil {
			h.fail(fmt.Errorf("the engine behind the board: %w", err))
		}
	})
	return ours, nil
}

// program is a process with a byte link at its standard input and output.
type program struct {
	io.WriteCloser
	out io.ReadCloser
	cmd *exec.Cmd
}

func startProgram(path string, args ...string) (*program, error) {
	p := &program{cmd: exec.Command(path, args...)}
	p.cmd.Stderr = os.Stderr
	p.cmd.WaitDelay = time.Second
	// Ctrl-C is for this process; the program ends with its input
	p.cmd.SysProcAttr = ownGroup()
	var err error
	if p.WriteCloser, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("--pipe: %w", err)
	}
	return p, nil
}

func (p *program) Read(b []byte) (int, error) { return p.out.Read(b) }

// Close closes the program's input and ends it if that does not.
func (p *program) Close() error {
	_ = p.WriteCloser.Close()
	timer := time.AfterFunc(2*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.cmd.Wait() // how it ends says nothing: it may have been killed
	return nil
}

// terminal serves a pseudo-terminal and gives its path.
func (h *house) terminal(ctx context.Context) (string, error) {
	t, err := openTerminal()
	if err != nil {
		return "", fmt.Errorf("pseudo-terminal: %w", err)
	}
	pipe, err := h.engine(ctx)
	if err != nil {
		return "", errors.Join(err, t.Close())
	}
	h.closers = append(h.closers, t, pipe)
	for _, way := range []struct {
		to   io.Writer
		from io.Reader
	}{{t, pipe}, {pipe, t}} {
		h.running.Go(func() {
			if _, err := io.Copy(way.to, way.from); err != nil && ctx.Err() == nil {
				h.fail(fmt.Errorf("serial port: %w", err))
			}
		})
	}
	return t.path, nil
}
