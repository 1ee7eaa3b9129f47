package pcie

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/udev"
)

// Open opens xdma:N. Options: channel (DMA channel, 0), events (user interrupt,
// 0), clock (stated Hz, 250e6), observe (registers only, beside another user),
// dir (where the nodes are, /dev). Without N the only card is taken.
func Open(ctx context.Context, u driver.URI) (driver.Device, error) {
	o, err := parse(u)
	if err != nil {
		return nil, err
	}
	if u.Address == "" {
		list, err := listNodes(o.dir)
		if err != nil {
			return nil, err
		}
		c, err := driver.Choose("xdma: needs "+o.dir+"/xdmaN_user of the XDMA kernel driver", list)
		if err != nil {
			return nil, err
		}
		u.Address = strings.TrimPrefix(c.URI, "xdma:")
	}
	if _, err := strconv.ParseUint(u.Address, 10, 16); err != nil {
		return nil, fmt.Errorf("%w: xdma:%s, want xdma:N as in %s/xdmaN_user", driver.ErrOption, u.Address, o.dir)
	}
	e, err := openNodes(filepath.Join(o.dir, "xdma"+u.Address), o)
	if err != nil {
		return nil, err
	}
	d, err := open(ctx, e)
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	d.info.URI, d.info.Source, d.info.ClockHz = u.String(), driver.Board, o.clockHz
	d.info.Description = "PCIe board at " + filepath.Join(o.dir, "xdma"+u.Address)
	return d, nil
}

// openNodes opens the nodes and, unless it only observes, keeps others out.
func openNodes(base string, o options) (e ends, err error) {
	var files []*os.File
	e.close = func() error {
		var errs []error
		for _, f := range files {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	node := func(name string, flags int) *os.File {
		if err != nil {
			return nil
		}
		// In blocking mode and out of the runtime's poller: a transfer is a call
		// that returns when it is done, whatever poll says of the node.
		fd, failed := unix.Open(base+name, flags|unix.O_CLOEXEC, 0)
		if failed != nil {
			err = udev.Explain(base+name, udev.XDMA(), &os.PathError{Op: "open", Path: base + name, Err: failed})
			return nil
		}
		f := os.NewFile(uintptr(fd), base+name)
		files = append(files, f)
		return f
	}
	user := node("_user", os.O_RDWR)
	if err == nil && !o.observe {
		if lock := unix.Flock(int(user.Fd()), unix.LOCK_EX|unix.LOCK_NB); lock != nil {
			err = fmt.Errorf("%w: %s_user: another program has it open (xdma:N?observe=true reads registers beside it)", driver.ErrBusy, base)
		}
	}
	if !o.observe {
		e.h2c = node(fmt.Sprintf("_h2c_%d", o.channel), os.O_WRONLY)
		e.c2h = node(fmt.Sprintf("_c2h_%d", o.channel), os.O_RDONLY)
	}
	if err != nil {
		return e, errors.Join(err, e.close())
	}
	e.user = user
	if f, err := os.OpenFile(fmt.Sprintf("%s_events_%d", base, o.events), os.O_RDONLY, 0); err == nil {
		files = append(files, f)
		e.events = eventNode{f}
	}
	return e, nil
}

// eventNode is a user interrupt: a 4-byte read gives how often it was raised.
type eventNode struct{ f *os.File }

// slice is how long a poll lasts before it looks at the context, ms.
const slice = 50

func (n eventNode) wait(ctx context.Context) error {
	fds := []unix.PollFd{{Fd: int32(n.f.Fd()), Events: unix.POLLIN}}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		got, err := unix.Poll(fds, slice)
		switch {
		case errors.Is(err, unix.EINTR) || err == nil && got == 0:
			continue
		case err != nil:
			return translate(err)
		case fds[0].Revents&unix.POLLIN == 0:
			return fmt.Errorf("%w: %s", driver.ErrDisconnected, n.f.Name())
		}
		var b [4]byte
		if _, err := n.f.Read(b[:]); err != nil {
			return fmt.Errorf("%s: %w", n.f.Name(), translate(err))
		}
		if binary.LittleEndian.Uint32(b[:]) != 0 {
			return nil
		}
	}
}

// List finds the nodes of XDMA cards.
func List(context.Context) ([]driver.Candidate, error) { return listNodes("/dev") }

func listNodes(dir string) ([]driver.Candidate, error) {
	nodes, err := filepath.Glob(filepath.Join(dir, "xdma*_user"))
	if err != nil {
		return nil, err
	}
	slices.Sort(nodes)
	var list []driver.Candidate
	for _, node := range nodes {
		n := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(node), "xdma"), "_user")
		if _, err := strconv.ParseUint(n, 10, 16); err != nil {
			continue
		}
		c := driver.Candidate{URI: "xdma:" + n, Description: "XDMA card " + node}
		if unix.Access(node, unix.R_OK|unix.W_OK) != nil {
			c.Problem = "no permission"
		}
		list = append(list, c)
	}
	return list, nil
}
