// Package simulation runs the Verilated engine as a child process and speaks its
// protocol, which verification/harness/wire.hpp defines. Package driver/rtl makes
// a device of it; the lockstep replays pins on it.
package simulation

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/kvaccel/kvaccel/driver"
)

// Times the child is given; variables only for the tests of this package.
var (
	helloTime = 20 * time.Second // to start
	graceTime = 2 * time.Second  // to answer when the context of a call is cancelled, and to end on Close
)

// Process is one running simulation. It is for one goroutine at a time.
type Process struct {
	Hello Hello

	cmd  *exec.Cmd
	in   *os.File // its stdin
	out  *os.File // its stdout
	r    *bufio.Reader
	tail *tail // of its stderr
	send []byte
	recv []byte
	err  error // why it is gone; nil while it runs
}

// Start runs the program at path and waits for its hello.
func Start(ctx context.Context, path string, args ...string) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(path, args...), tail: new(tail)}
	if err := p.spawn(); err != nil {
		return nil, fmt.Errorf("%w: cannot run the simulation %s: %w", driver.ErrNotFound, path, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, helloTime, fmt.Errorf("%w: %s said nothing for %v", driver.ErrTimeout, path, helloTime))
	defer cancel()
	defer p.watch(ctx, 0)()
	kind, body, err := readFrame(p.r, p.recv)
	if err == nil {
		p.Hello, err = parseHello(kind, body)
	}
	if err != nil {
		return nil, p.fail(ctx, err)
	}
	return p, nil
}

// spawn starts the child with pipes of our own, which, unlike those of the exec
// package, take deadlines.
func (p *Process) spawn() error {
	childIn, in, err := os.Pipe()
	if err != nil {
		return err
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		childIn.Close()
		in.Close()
		return err
	}
	p.in, p.out, p.r = in, out, bufio.NewReaderSize(out, 1<<16)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = childIn, childOut, p.tail
	p.cmd.WaitDelay = graceTime
	err = p.cmd.Start()
	childIn.Close()
	childOut.Close()
	if err != nil {
		in.Close()
		out.Close()
	}
	return err
}

// watch makes the pipes fail some time after ctx is cancelled. The function
// it returns ends that, so that a call that was still answered in that time leaves
// the child usable.
func (p *Process) watch(ctx context.Context, grace time.Duration) (done func()) {
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		p.deadline(time.Now().Add(grace))
		close(set)
	})
	return func() {
		if !stop() {
			<-set
			p.deadline(time.Time{})
		}
	}
}

// deadline cannot fail on a pipe but when it is closed, and then nobody waits.
func (p *Process) deadline(t time.Time) {
	_ = p.in.SetWriteDeadline(t)
	_ = p.out.SetReadDeadline(t)
}

// call sends one request and returns the body of its answer, which must have the
// given size unless that is -1. It is valid until the next call.
func (p *Process) call(ctx context.Context, kind byte, body []byte, size int) ([]byte, error) {
	if p.err != nil {
		return nil, p.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer p.watch(ctx, graceTime)()
	p.send = append(appendHead(p.send[:0], kind), body...)
	sealFrame(p.send)
	_, writeErr := p.in.Write(p.send)
	if writeErr != nil {
		// A child that ends on an error says why before it stops reading.
		_ = p.out.SetReadDeadline(time.Now().Add(graceTime))
	}
	got, answer, err := readFrame(p.r, p.recv)
	p.recv = answer
	switch {
	case err != nil:
		return nil, p.fail(ctx, err)
	case got == kindError:
		return nil, p.fail(ctx, fmt.Errorf("%w: request %q refused: %.200q", ErrFrame, kind, answer))
	case writeErr != nil:
		return nil, p.fail(ctx, writeErr)
	case got != kind || size >= 0 && len(answer) != size:
		return nil, p.fail(ctx, fmt.Errorf("%w: request %q answered by frame %q of %d bytes", ErrFrame, kind, got, len(answer)))
	}
	return answer, nil
}

// fail ends the child after an error and returns what the caller is told: the
// context's error if that was the cause.
func (p *Process) fail(ctx context.Context, cause error) error {
	garbage := errors.Is(cause, ErrFrame)
	if garbage || errors.Is(cause, os.ErrDeadlineExceeded) {
		_ = p.cmd.Process.Kill() // it may have ended by itself
	}
	state := p.reap()
	said := p.tail.String()
	if said != "" {
		said = "; it said: " + said
	}
	switch {
	case garbage:
		p.err = fmt.Errorf("%w: %w%s", driver.ErrProtocol, cause, said)
	case errors.Is(cause, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		p.err = fmt.Errorf("%w: the simulation was ended because it did not answer a call that was cancelled%s", driver.ErrDisconnected, said)
		return fmt.Errorf("%w%s", context.Cause(ctx), said)
	default:
		p.err = fmt.Errorf("%w: the simulation ended (%s)%s", driver.ErrDisconnected, state, said)
	}
	return p.err
}

// reap closes the pipes and waits for the child, which gets the grace time.
func (p *Process) reap() string {
	p.in.Close()
	timer := time.AfterFunc(graceTime, func() { _ = p.cmd.Process.Kill() })
	// A child blocked on a full pipe must see that nobody reads.
	p.out.Close()
	err := p.cmd.Wait()
	timer.Stop()
	if err != nil {
		return err.Error()
	}
	return "exit status 0"
}

// Close ends the child; the waveform is complete when it returns.
func (p *Process) Close() error {
	if p.err == nil {
		p.reap()
		p.err = driver.ErrClosed
	}
	return nil
}

// tail keeps the last bytes written to it.
type tail struct{ b []byte }

const tailSize = 2048

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
	}
	return len(p), nil
}

// String is only called after the child was waited for, so nobody writes.
func (t *tail) String() string { return string(t.b) }
