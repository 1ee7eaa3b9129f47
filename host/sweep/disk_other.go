//go:build !linux && !darwin && !freebsd

package sweep

// freeBytes does not know.
func freeBytes(string) (uint64, bool) { return 0, false }
