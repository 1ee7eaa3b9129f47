package uart

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/udev"
)

// Open opens uart:NODE. Options: baud (3000000), rtscts (hardware flow control,
// false), clock (stated Hz), retry and patience (link.Waits).
func Open(ctx context.Context, u driver.URI) (driver.Device, error) {
	o, err := parse(u)
	if err != nil {
		return nil, err
	}
	f, err := openTTY(o)
	if err != nil {
		return nil, err
	}
	lo := link.Options{
		URI: u.String(), Description: "serial board at " + o.path, ClockHz: o.clockHz,
		Retry: link.UARTRetry(o.baud), Batch: 4096, LinkID: uint8(rand.Uint32()),
	}
	o.waits.Apply(&lo)
	d, err := link.Open(ctx, f, lo)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.path, err)
	}
	return d, nil
}

// openTTY opens a terminal for nobody else and makes it carry bytes as they are.
func openTTY(o options) (*os.File, error) {
	f, err := os.OpenFile(o.path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, udev.Explain(o.path, rule(o.path), err)
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = raw(int(fd), o) }); err != nil {
		failed = err
	}
	if failed != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", o.path, failed), f.Close())
	}
	return f, nil
}

func raw(fd int, o options) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return fmt.Errorf("%w: no terminal: %w", driver.ErrNotFound, err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("%w: another program has it open", driver.ErrBusy)
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.BOTHER
	if o.rts {
		t.Cflag |= unix.CRTSCTS
	}
	t.Ispeed, t.Ospeed = uint32(o.baud), uint32(o.baud)
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS2, t); err != nil {
		return fmt.Errorf("%w: %d baud: %w", driver.ErrOption, o.baud, err)
	}
	if err := unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH); err != nil {
		return err
	}
	return nil
}

// rule is the udev rule for a serial port, by its USB ids where sysfs has them.
func rule(node string) string {
	if real, err := filepath.EvalSymlinks(node); err == nil {
		node = real
	}
	dir, err := filepath.EvalSymlinks("/sys/class/tty/" + filepath.Base(node) + "/device")
	for ; err == nil && len(dir) > len("/sys/devices"); dir = filepath.Dir(dir) {
		var id [2]uint16
		for i, name := range []string{"idVendor", "idProduct"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				break
			}
			if _, err := fmt.Sscanf(string(b), "%x", &id[i]); err != nil {
				break
			}
		}
		if id[0] != 0 {
			return udev.TTY(id[0], id[1])
		}
	}
	return fmt.Sprintf(`SUBSYSTEM=="tty", KERNEL=="%s", MODE="0660", GROUP="%s", TAG+="uaccess"`, filepath.Base(node), udev.Group)
}

// List finds serial ports on USB. Whether one carries an engine is not known
// before it is opened.
func List(context.Context) ([]driver.Candidate, error) {
	nodes, err := filepath.Glob("/dev/serial/by-id/*")
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 { // nobody made links
		for _, pattern := range []string{"/dev/ttyUSB*", "/dev/ttyACM*"} {
			more, err := filepath.Glob(pattern)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, more...)
		}
	}
	slices.Sort(nodes)
	var list []driver.Candidate
	for _, node := range nodes {
		c := driver.Candidate{URI: "uart:" + node, Description: "serial port " + strings.TrimPrefix(node, "/dev/serial/by-id/") + " (may or may not carry an engine)"}
		if unix.Access(node, unix.R_OK|unix.W_OK) != nil {
			c.Problem = "no permission"
		}
		list = append(list, c)
	}
	return list, nil
}
