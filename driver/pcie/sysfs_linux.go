package pcie

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/udev"
)

// window is the engine's register space.
const window = 4096

var bdf = regexp.MustCompile(`^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$`)

// OpenSysfs opens pci:DDDD:BB:DD.F and reads registers through the memory of a
// BAR, as root and without a kernel driver. Options: bar (0), offset (of the
// engine in the BAR), clock (stated Hz), sysfs (where that is mounted). The device
// takes no commands.
func OpenSysfs(ctx context.Context, u driver.URI) (driver.Device, error) {
	o, err := parse(u)
	if err != nil {
		return nil, err
	}
	addr := strings.ToLower(u.Address)
	if len(addr) == len("03:00.0") {
		addr = "0000:" + addr
	}
	if !bdf.MatchString(addr) {
		return nil, fmt.Errorf("%w: pci:%s, want pci:DDDD:BB:DD.F as lspci -D prints it", driver.ErrOption, u.Address)
	}
	dir := filepath.Join(o.sysfs, "bus/pci/devices", addr)
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("%w: no PCI device %s: %w", driver.ErrNotFound, addr, err)
	}
	m, err := mapBAR(filepath.Join(dir, fmt.Sprintf("resource%d", o.bar)), o.offset)
	if err != nil {
		return nil, err
	}
	d, err := open(ctx, ends{user: m, close: m.close})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", addr, err), m.close())
	}
	d.info.URI, d.info.Source, d.info.ClockHz = u.String(), driver.Board, o.clockHz
	d.info.Description = "registers of PCI device " + addr
	return d, nil
}

// memory is a mapped BAR, read and written in whole words.
type memory struct{ b []byte }

func mapBAR(path string, offset int64) (*memory, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_SYNC, 0)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%w: %s: only root may map a BAR, and not under kernel lockdown: %w", driver.ErrAccess, path, err)
	}
	if err != nil {
		return nil, udev.Explain(path, udev.XDMA(), err)
	}
	defer f.Close() // a mapping outlives its file
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() < offset+window {
		return nil, fmt.Errorf("%w: %s has %d bytes, the engine's registers need %d at %#x; give bar= and offset=", driver.ErrNotFound, path, st.Size(), window, offset)
	}
	b, err := unix.Mmap(int(f.Fd()), offset, window, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("%w: %s: mapping a BAR is refused, as under kernel lockdown: %w", driver.ErrAccess, path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &memory{b}, nil
}

// word is the word at an address. The mapping is page aligned, so it is aligned too.
func (m *memory) word(addr int64) (*uint32, error) {
	switch {
	case m.b == nil:
		return nil, os.ErrClosed
	case addr < 0 || addr%4 != 0 || addr+4 > int64(len(m.b)):
		return nil, io.ErrUnexpectedEOF
	}
	return (*uint32)(unsafe.Pointer(&m.b[addr])), nil
}

func (m *memory) ReadAt(p []byte, addr int64) (int, error) {
	w, err := m.word(addr)
	if err != nil {
		return 0, err
	}
	v := atomic.LoadUint32(w)
	return copy(p, []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}), nil
}

func (m *memory) WriteAt(p []byte, addr int64) (int, error) {
	w, err := m.word(addr)
	if err != nil {
		return 0, err
	}
	atomic.StoreUint32(w, uint32(p[0])|uint32(p[1])<<8|uint32(p[2])<<16|uint32(p[3])<<24)
	return 4, nil
}

func (m *memory) close() error {
	if m.b == nil {
		return nil
	}
	b := m.b
	m.b = nil
	return unix.Munmap(b)
}
