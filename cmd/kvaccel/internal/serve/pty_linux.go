package serve

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal in raw mode. Its other end is kept open, so that
// hosts may come and go.
type terminal struct {
	*os.File
	other *os.File
	path  string
}

func openTerminal() (*terminal, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	t, err := prepare(master)
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	return t, nil
}

func prepare(master *os.File) (*terminal, error) {
	conn, err := master.SyscallConn() // Fd() would make it blocking
	if err != nil {
		return nil, err
	}
	var n int
	var inner error
	if err := conn.Control(func(fd uintptr) {
		if inner = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); inner == nil {
			n, inner = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || inner != nil {
		return nil, errors.Join(err, inner)
	}
	t := &terminal{File: master, path: fmt.Sprintf("/dev/pts/%d", n)}
	if t.other, err = os.OpenFile(t.path, os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, err
	}
	if err := raw(int(t.other.Fd())); err != nil {
		return nil, errors.Join(err, t.other.Close())
	}
	return t, nil
}

// raw has the terminal pass every byte as it is.
func raw(fd int) error {
	s, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	s.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON | unix.IXOFF
	s.Oflag &^= unix.OPOST
	s.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	s.Cflag = s.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	s.Cc[unix.VMIN], s.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, s)
}

// Close closes both ends.
func (t *terminal) Close() error { return errors.Join(t.File.Close(), t.other.Close()) }

// ownGroup keeps the terminal's interrupt away from a child.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
