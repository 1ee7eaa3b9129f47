package sweep

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
)

// ErrDisk says that a sweep's results would not fit on the disk.
var ErrDisk = errors.New("not enough room on the disk")

// What a point takes in a store, generously: the report of kvaccel eval, or that
// of kvaccel run with its lines for each head; and its entry in a sweep.
const (
	storeBytes  = 1 << 17
	memberBytes = 4 << 10
	modelBytes  = 32 << 10
	traceBytes  = 6 << 10
	headBytes   = 1 << 10
)

// Bytes is what the results of n of a plan's points take at most.
func (p *Plan) Bytes(n int) uint64 {
	each := uint64(max(modelBytes, traceBytes+headBytes*p.heads))
	return storeBytes + uint64(len(p.Points))*memberBytes + uint64(n)*each
}

// CheckDisk refuses a sweep that leaves no room on the disk of path for need more
// bytes. Where a system does not tell, it refuses nothing.
func CheckDisk(path string, need uint64) error {
	return checkDisk(path, need, freeBytes)
}

func checkDisk(path string, need uint64, free func(dir string) (uint64, bool)) error {
	dir := filepath.Dir(path)
	have, ok := free(dir)
	if !ok || have >= need {
		return nil
	}
	return &diskError{fmt.Sprintf("%v: the results in %s may take %s, and %s has %s left", ErrDisk, path, size(need), dir, size(have))}
}

// diskError is ErrDisk and, for whoever sorts errors by the system's,
// syscall.ENOSPC.
type diskError struct{ text string }

func (e *diskError) Error() string   { return e.text }
func (e *diskError) Unwrap() []error { return []error{ErrDisk, syscall.ENOSPC} }

func size(n uint64) string {
	f := float64(n)
	for _, unit := range []string{"bytes", "KiB", "MiB", "GiB"} {
		if f < 1024 {
			return fmt.Sprintf("%.3g %s", f, unit)
		}
		f /= 1024
	}
	return fmt.Sprintf("%.3g TiB", f)
}
