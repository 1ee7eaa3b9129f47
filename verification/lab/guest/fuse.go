package main

import (
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// What of the kernel's FUSE protocol a file or a character device in user space
// needs (linux/fuse.h, version 7.31).
const (
	fuseForget    = 2
	fuseGetAttr   = 3
	fuseOpen      = 14
	fuseRead      = 15
	fuseWrite     = 16
	fuseRelease   = 18
	fuseFlush     = 25
	fuseInit      = 26
	fuseInterrupt = 36
	fusePoll      = 40
	cuseInit      = 4096

	fuseMajor, fuseMinor = 7, 31
	fuseInHeader         = 40
	fuseDirectIO         = 1
	fusePiece            = 128 << 10 // the kernel cuts longer reads and writes
)

// node is a file whose reads and writes this process answers.
type node struct {
	dev   *os.File // /dev/fuse or /dev/cuse
	cuse  string   // name of the character device; empty: a file
	write func(offset int64, data []byte) error
	read  func(offset int64, size int) (data []byte, ready bool) // not ready: asked again at wake

	mu      sync.Mutex
	waiting map[uint64]waiting // reads without an answer yet
	order   []uint64
}

type waiting struct {
	offset int64
	size   int
}

// openCUSE serves a character device of a name in /dev.
func openCUSE(name string, n *node) error {
	dev, err := openFUSE("/dev/cuse")
	if err != nil {
		return err
	}
	n.dev, n.cuse, n.waiting = dev, name, map[uint64]waiting{}
	go n.serve()
	return nil
}

// mountFile serves a regular file: a character device of user space is not told
// offsets, which registers need.
func mountFile(path string, n *node) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dev, err := openFUSE("/dev/fuse")
	if err != nil {
		return err
	}
	n.dev, n.waiting = dev, map[uint64]waiting{}
	data := "fd=" + strconv.Itoa(int(dev.Fd())) + ",rootmode=100000,user_id=0,group_id=0"
	if err := unix.Mount("xdma", path, "fuse", unix.MS_NODEV|unix.MS_NOSUID, data); err != nil {
		return errors.Join(err, dev.Close())
	}
	go n.serve()
	return nil
}

// openFUSE opens a device in blocking mode.
func openFUSE(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// serve answers requests until the device is closed or the file unmounted.
func (n *node) serve() {
	buf := make([]byte, fusePiece+4096)
	for {
		got, err := n.dev.Read(buf)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINTR) {
			continue // a request that was called off
		}
		if err != nil || got < fuseInHeader {
			return
		}
		n.handle(binary.LittleEndian.Uint32(buf[4:]), binary.LittleEndian.Uint64(buf[8:]), buf[fuseInHeader:got])
	}
}

func (n *node) handle(op uint32, unique uint64, body []byte) {
	u32 := func(v ...uint32) (b []byte) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, x)
		}
		return b
	}
	switch op {
	case cuseInit:
		reply := u32(fuseMajor, fuseMinor, 0, 0, fusePiece, fusePiece, 0, 0)
		reply = append(reply, make([]byte, 40)...)
		n.answer(unique, append(reply, "DEVNAME="+n.cuse+"\x00"...))
	case fuseInit:
		reply := u32(fuseMajor, fuseMinor, 0, 0, 0, fusePiece, 1, 0)
		n.answer(unique, append(reply, make([]byte, 32)...))
	case fuseGetAttr:
		const mode = 0o100600
		reply := append(make([]byte, 16), make([]byte, 60)...) // validity, ino to nanoseconds
		reply = append(reply, u32(mode, 1, 0, 0, 0, 4096, 0)...)
		binary.LittleEndian.PutUint64(reply[16:], 1)
		binary.LittleEndian.PutUint64(reply[24:], 4096)
		n.answer(unique, reply)
	case fuseOpen:
		n.answer(unique, append(make([]byte, 8), u32(fuseDirectIO, 0)...))
	case fuseRead:
		w := waiting{int64(binary.LittleEndian.Uint64(body[8:])), int(binary.LittleEndian.Uint32(body[16:]))}
		n.mu.Lock()
		n.waiting[unique] = w
		n.order = append(n.order, unique)
		n.mu.Unlock()
		n.wake()
	case fuseWrite:
		offset, size := int64(binary.LittleEndian.Uint64(body[8:])), binary.LittleEndian.Uint32(body[16:])
		if n.write == nil || n.write(offset, append([]byte(nil), body[40:40+size]...)) != nil {
			n.refuse(unique, unix.EIO)
			return
		}
		n.answer(unique, u32(size, 0))
	case fuseInterrupt:
		n.interrupt(binary.LittleEndian.Uint64(body))
	case fuseRelease, fuseFlush:
		n.answer(unique, nil)
	case fuseForget:
	default:
		n.refuse(unique, unix.ENOSYS)
	}
}

// wake answers the reads that now have an answer, in their order.
func (n *node) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.order) > 0 {
		w, ok := n.waiting[n.order[0]]
		if ok {
			data, ready := n.read(w.offset, w.size)
			if !ready {
				return
			}
			delete(n.waiting, n.order[0])
			n.answer(n.order[0], data)
		}
		n.order = n.order[1:]
	}
}

// interrupt ends a read whose caller was killed.
func (n *node) interrupt(unique uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.waiting[unique]; ok {
		delete(n.waiting, unique)
		n.refuse(unique, unix.EINTR)
	}
}

func (n *node) answer(unique uint64, body []byte) { n.send(unique, 0, body) }

func (n *node) refuse(unique uint64, err unix.Errno) { n.send(unique, err, nil) }

// send writes an answer. A request that was called off meanwhile has none.
func (n *node) send(unique uint64, failed unix.Errno, body []byte) {
	b := binary.LittleEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.LittleEndian.AppendUint32(b, uint32(-int32(failed)))
	b = binary.LittleEndian.AppendUint64(b, unique)
	_, _ = n.dev.Write(append(b, body...))
}

func (n *node) close() error { return n.dev.Close() }
