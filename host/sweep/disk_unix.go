//go:build linux || darwin || freebsd

package sweep

import "golang.org/x/sys/unix"

// freeBytes is what a user may still write in a directory.
func freeBytes(dir string) (uint64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return uint64(s.Bavail) * uint64(s.Bsize), true
}
